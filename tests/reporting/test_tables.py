"""A table has every trial, and nothing swept under it."""

import numpy as np

from research.config.config import Config
from research.config.experiment import Column, Experiment
from research.config.flat import override
from research.reporting.tables import Table, table
from research.tracking.run_directory import RunDirectory
from tests.reporting.conftest import H, comparable, compared, grouped, write


def row(content: Table, setting: str, variant: str) -> dict[str, str]:
    (rows,) = [rows for heading, rows in content.parts.items() if heading.startswith(setting)]
    (cells,) = [row for row in rows if row[0] == variant]
    return dict(zip(content.header, cells, strict=True))


def test_underflow_and_overflow_stand_in_the_table(gradient_table):
    assert row(gradient_table, "mnist_196", "rnn gain 0.9")["first / last"] == "0 (3/3)"
    exploding = row(gradient_table, "mnist_196", "rnn gain 1.2")
    assert (exploding["first / last"], exploding["half-life (steps)"]) == ("inf (3/3)", "inf (3/3)")
    assert exploding["overflow (%)"] != "0"
    assert any(note.startswith("0, inf or undefined (k/n)") for note in gradient_table.notes)


def test_diverged_and_unfinished_trials_are_shown(gradient_table):
    assert row(gradient_table, "mnist_196", "rnn gain 1.2")["seeds"] == "3 (1 diverged)"
    assert row(gradient_table, "adding_200", "gru chrono")["seeds"] == "2 of 3"
    assert "1 of 24 trials has no result yet: adding_200 / gru chrono (1)." in gradient_table.notes


def test_a_key_that_no_trial_has_is_a_dash(gradient_table):
    assert row(gradient_table, "mnist_196", "lstm bias 1")["first / last, trained"] == "—"
    assert "—: not measured." in gradient_table.notes


def test_each_part_is_headed_by_what_the_setting_is(gradient_table):
    expected = "MNIST, 196 steps of 4 pixels; trained for 1200 steps of 16 sequences; 64 hidden units; 3 seeds"
    assert next(iter(gradient_table.parts)) == f"mnist_196: {expected}"


def test_a_trial_that_the_sweep_has_stopped_is_counted_and_not_averaged(tmp_path):
    for seed in range(3):
        run = RunDirectory.create(tmp_path / str(seed), override(Config(), {"seed": seed}))
        stop = {"stopped_early": {"step": 30}} if seed == 2 else {}
        run.finish({"status": "stopped" if stop else "finished", "summary": {"x": 100.0 if stop else 0.5}, **stop})
    comparison = grouped(tmp_path, Experiment(claim="c", base=Config(), columns=(Column("x", "x"),)))
    content = table(comparison)
    assert [rows[0][-2:] for rows in content.parts.values()] == [("2 of 3 (1 stopped)", "0.500")]
    assert content.notes[-1] == "Stopped early by the sweep, and not counted: 1 of 3 trials, after 30 updates."
    numbers = content.numbers.iloc[0]
    assert tuple(numbers[["trials", "finished", "diverged", "stopped", "value", "n"]]) == (3, 2, 0, 1, 0.5, 2)


def test_a_row_of_unfinished_trials_is_a_row(tmp_path):
    RunDirectory.create(tmp_path / "0", Config())
    content = table(grouped(tmp_path, Experiment(claim="c", base=Config(), columns=(Column("x", "x"),))))
    assert list(content.parts.values()) == [[("base", "0 of 1", "—")]]


def test_the_numbers_have_what_the_table_shows_unrounded_and_the_runs_that_it_is_from(gradient_runs):
    numbers = table(compared(gradient_runs)).numbers.set_index(["setting", "variant", "metric"])
    accuracy = numbers.loc[("mnist_196", "lstm bias 1", "test/accuracy")]
    np.testing.assert_allclose(accuracy[["value", "low", "high", "n"]].astype(float), [0.91, 0.9, 0.92, 3])
    assert (accuracy["ends"], accuracy["examples"]) == ("seeds", 1000)
    assert accuracy["runs"].split(";") == [f"mnist_196-lstm bias 1-{seed}" for seed in range(3)]
    half_life = f"gradient/initial/{H}/half_life"
    assert numbers.loc[("mnist_196", "rnn gain 1.2", half_life), "value"] == np.inf
    assert numbers.loc[("mnist_196", "rnn gain 0.9", f"gradient/initial/{H}/first_last_ratio"), "value"] == 0
    mixed = numbers.loc[("mnist_196", "gru chrono", half_life)]
    assert mixed["n"] == 1 and np.isfinite(mixed["value"])
    unfinished = numbers.loc[("adding_200", "gru chrono", "test/accuracy")]
    assert list(unfinished[["trials", "finished", "diverged", "n"]]) == [3, 2, 0, 2]
    assert len(unfinished["runs"].split(";")) == 2
    assert np.isnan(numbers.xs("gradient/final/*first_last_ratio", level=2)["value"].astype(float)).all()


def test_free_running_and_teacher_forced_metrics_have_the_baseline_of_their_task(tmp_path):
    modes = [f"test/{mode}/edit_error_rate" for mode in ("free_running", "teacher_forced")]
    baseline = {"test/baseline/most_frequent/edit_error_rate": 0.9}
    columns = [Column("", key, unit="%") for key in modes]
    content = comparable(tmp_path, {"rnn": 0.3, "gru": 0.9}, 2, *columns, **dict.fromkeys(modes, 0.5), **baseline)
    (rows,) = content.parts.values()
    assert rows[2] == ("(most frequent)", "", "", "90.0", "90.0")


def test_at_equal_parameters_a_model_of_a_few_percent_more_counts_as_equal(tmp_path):
    for cell, size in {"rnn": 1000, "gru": 1049, "lstm": 1051}.items():
        config = override(Config(), {"cell.name": cell})
        write(tmp_path / cell, config, **{"test/accuracy": 0.5, "model/parameters": size})
    column = Column("accuracy", "test/accuracy", equal="parameters")
    numbers = table(grouped(tmp_path, Experiment(claim="c", base=Config(), columns=(column,)))).numbers
    assert dict(zip(numbers["cell.name"], numbers["n"], strict=True)) == {"rnn": 1, "gru": 1, "lstm": 0}


def test_the_baselines_of_a_task_are_rows(tmp_path):
    baselines = {"test/baseline/most_frequent/accuracy": 0.1, "test/baseline/mean/loss": 2.0}
    content = comparable(tmp_path, {"rnn": 0.3, "gru": 0.9}, 2, **baselines)
    (rows,) = content.parts.values()
    assert rows[2:] == [("(most frequent)", "", "10.0")]
    assert {str(content.numbers[name].dtype) for name in ("trials", "finished", "n", "examples")} == {"Int64"}
    line = content.numbers.iloc[-1]
    assert (line["baseline"], line["metric"], line["value"]) == (
        "most frequent",
        "test/baseline/most_frequent/accuracy",
        0.1,
    )
    assert line["runs"].split(";") == ["rnn-0", "rnn-1", "gru-0", "gru-1"]
    assert "A name in parentheses is a baseline, which needs no training." in content.notes
