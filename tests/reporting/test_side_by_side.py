"""Runs side by side: what differs between them, and nothing else."""

import math
from pathlib import Path

import pytest

from research.errors import UserError
from research.reporting.side_by_side import SideBySide
from research.tracking.run_directory import RunDirectory

CONFIG = {
    "experiment": "x",
    "training.steps": 100,
    "cell.name": "gru",
    "cell.reset": "after",
    "init.gain": 1.0,
    "wandb.mode": "auto",
    "variant": "gru",
    "seed": 0,
}


def write(path: Path, steps: range, summary: dict[str, float] | None, **options: object) -> RunDirectory:
    changes = {key.replace("__", "."): value for key, value in options.items()}
    config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}
    run = RunDirectory.create(path, config)
    for step in steps:
        run.append("metrics", {"step": step, "train/loss": 10.0 / step})
    if summary is not None:
        run.finish({"status": "finished", "summary": summary})
    return run


@pytest.fixture
def three(tmp_path: Path) -> SideBySide:
    """Two finished runs, and one that has not ended."""
    lstm = {"cell__name": "lstm", "cell__reset": None, "variant": "lstm"}
    write(tmp_path / "a", range(1, 101), {"test/loss": 0.5, "model/parameters": 10, "test/baseline/chance/loss": 2.0})
    write(tmp_path / "b", range(1, 101), {"test/loss": 0.25, "model/parameters": 30}, wandb__mode="disabled", **lstm)
    write(tmp_path / "c", range(5, 60, 5), None, init__gain=0.5)
    return SideBySide([tmp_path / "a", tmp_path / "b", tmp_path / "c"])


def rows(compared: SideBySide, title: str, metrics: tuple[str, ...] = (), curves: tuple[str, ...] = ()) -> list[list]:
    found = {heading: part for table in compared.tables(metrics, curves) for heading, part in table.parts.items()}
    return [list(row) for row in found[title]]


def test_only_keys_that_differ_are_shown_variants_and_seeds_first(three):
    assert rows(three, "Config: keys that differ") == [
        ["variant", "gru", "lstm", "gru"],
        ["cell.name", "gru", "lstm", "gru"],
        ["cell.reset", "after", "—", "after"],
        ["init.gain", "1", "1", "0.5"],
    ]


def test_runs_of_one_config_but_the_seed_differ_in_it_alone(tmp_path):
    for seed in (0, 1):
        write(tmp_path / str(seed), range(0), {}, seed=seed)
    compared = SideBySide([tmp_path])
    assert rows(compared, "Config: keys that differ") == [["seed", "0", "1"]]
    assert compared.labels == ["1: seed 0", "2: seed 1"]


def test_final_metrics_have_differences_to_the_first_run(three):
    metrics = ("test/loss", "model/parameters", "train/loss")
    assert rows(three, "Final metrics", metrics) == [
        ["test/loss", "0.5", "0.25", "—", "-0.25", ""],
        ["model/parameters", "10", "30", "—", "+20", ""],
        ["train/loss", "—", "—", "0.181818", "", ""],
    ]


def test_a_curve_is_shown_at_steps_that_all_runs_have_and_at_the_end_of_each(three):
    table = rows(three, f"train/loss, at 9 of {len(three.curve('train/loss'))} steps", curves=("train/loss",))
    assert [row[0] for row in table] == ["5", "10", "20", "25", "35", "40", "50", "55", "100"]
    assert table[0] == ["5", "2", "2", "2"] and table[-1] == ["100", "0.1", "0.1", "—"]


def test_patterns_stand_for_metrics_and_baselines_are_shown_only_where_they_are_named(three):
    assert three.find_metrics((), ("test/*", "model/*")) == ["test/loss", "model/parameters"]
    assert three.find_metrics(("test/*",), ()) == ["test/baseline/chance/loss", "test/loss"]
    with pytest.raises(UserError, match="test/los: no run has this metric; did you mean test/loss"):
        three.find_metrics(("test/los",), ())


def test_labels_have_what_all_runs_have_and_differ_in(three):
    assert three.labels == ["1: gru, gru, gain 1", "2: lstm, lstm, gain 1", "3: gru, gru, gain 0.5"]


def test_runs_are_at_least_two_and_a_run_counts_once(three, tmp_path):
    with pytest.raises(UserError, match="RUNS: 1 run; must be 2 to 20"):
        SideBySide([tmp_path / "a", tmp_path / "a"])
    for number in range(20):
        write(tmp_path / str(number), range(0), None)
    with pytest.raises(UserError, match="RUNS: 23 runs; must be 2 to 20; `report` shows more"):
        SideBySide([tmp_path])


def test_values_that_are_not_finite_are_shown(tmp_path):
    write(tmp_path / "a", range(0), {"test/loss": math.inf})
    write(tmp_path / "b", range(0), {"test/loss": 1.0}, seed=1)
    assert rows(SideBySide([tmp_path]), "Final metrics", ("test/loss",)) == [["test/loss", "inf", "1", "-inf"]]


def test_profiles_are_those_of_the_runs_that_have_them(gradient_runs):
    names = ("adding_200-lstm bias 1-0", "adding_200-gru chrono-2")
    compared = SideBySide([gradient_runs / name for name in names])
    assert [*compared.profiles("first")] == ["1", "2"]
    assert compared.profiles("last")["2"].steps == (100,)


def test_of_many_runs_only_the_values_are_shown(tmp_path):
    for seed, widths in ((4, 8), (5, 6)):
        for number in range(seed):
            write(tmp_path / str(seed) / str(number), range(0), {"test/loss": 1.0}, seed=number)
        ((row,),) = [rows(SideBySide([tmp_path / str(seed)]), "Final metrics", ("test/loss",))]
        assert len(row) == widths
