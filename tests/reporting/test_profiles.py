"""What probes recorded, read into pandas."""

import math
from typing import Any

import pytest

import research
from research.errors import UserError
from research.reporting import load_profiles
from research.reporting.profiles import COLUMNS
from research.tracking.run_directory import RunDirectory

F = "encoder/layer_1/forward/f"


@pytest.fixture
def runs(tmp_path):
    for name in ("one", "two"):
        run = RunDirectory.create(tmp_path / name, {"seed": 0})
        run.append("metrics", {"step": 2, "train/loss": 1.0})
        for step in (0, 2):
            run.append("gates", {"step": step, f"{F}/mean": [0.5, 0.25 + step], f"{F}/unit_mean": [1.0]})
            run.append("mine", {"step": step, "norm": math.inf, "others": [1.0, 2.0, 3.0]})
    return tmp_path


def test_there_is_a_row_for_each_number_with_what_it_counts(runs):
    table: Any = load_profiles(runs)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 2 * 2 * (2 + 1 + 1 + 3)
    one: Any = table[table["run"] == str(runs / "one")].drop(columns="run")
    rows = [tuple(row) for row in one[one["step"] == 2].itertuples(index=False)]
    assert rows == [
        ("gates", f"{F}/mean", 2, "t", 0, 0.5),
        ("gates", f"{F}/mean", 2, "t", 1, 2.25),
        ("gates", f"{F}/unit_mean", 2, "unit", 0, 1.0),
        ("mine", "norm", 2, "", 0, math.inf),
        *[("mine", "others", 2, "index", index, index + 1.0) for index in range(3)],
    ]
    pivot = one[one["profile"] == f"{F}/mean"].pivot_table("value", index="index", columns="step", observed=True)
    assert pivot.to_numpy().tolist() == [[0.5, 0.5], [0.25, 2.25]]


def test_a_run_that_is_named_twice_is_read_once_and_a_damaged_file_is_left_out_with_a_warning(runs):
    (runs / "two" / "gates.jsonl").write_text('{"step": 0, "a": "x"}\n\n')
    with pytest.warns(UserWarning, match=r"left out: .*two/gates\.jsonl:1: a: must be a list"):
        table = research.load_profiles(runs, runs / "one")
    assert len(table) == 2 * (2 + 1 + 1 + 3) + 2 * (1 + 3)


def test_without_runs_there_is_an_error_and_without_probes_an_empty_table(tmp_path):
    with pytest.raises(UserError, match="no runs in it"):
        load_profiles(tmp_path)
    RunDirectory.create(tmp_path / "one", {"seed": 0})
    table = load_profiles(tmp_path)
    assert table.empty and tuple(table.columns) == COLUMNS
