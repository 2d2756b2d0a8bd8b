"""A table has the runs, the rows and the sections that the user asks for, and never a mean of two things."""

import itertools
from pathlib import Path

import pytest

from research.config.config import Config
from research.config.experiment import Column
from research.config.flat import override
from research.errors import UserError
from research.reporting.comparison import Comparison, read
from research.reporting.layout import Layout
from research.reporting.tables import table
from tests.reporting.conftest import write

CELLS, LENGTHS, GAINS = ("lstm", "gru", "rnn"), (10, 50), (0.9, 1.1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Runs of three cells, two lengths and two gains. Not to be written to."""
    root = tmp_path_factory.mktemp("runs")
    for place, (cell, length, gain) in enumerate(itertools.product(CELLS, LENGTHS, GAINS)):
        options = {
            "experiment": "memory",
            "task.name": "copying_memory",
            "task.delay": length,
            "cell.name": cell,
            "init.gain": gain,
        }
        write(root / f"run-{place}", override(Config(), options), **{"test/accuracy": place / 100, "test/loss": 1.0})
    return root


def compared(runs: Path, **layout) -> Comparison:
    (comparison,), faults = read([runs], [Column("accuracy", "test/accuracy")], Layout(**layout))
    assert not faults
    return comparison


def test_rows_and_sections_are_those_that_are_asked_for(runs):
    comparison = compared(
        runs, rows=("cell.name",), sections=("init.gain",), where={"task.delay": ["10"], "cell.name": ["gru", "lstm"]}
    )
    content = table(comparison)
    assert content.header == ("cell", "seeds", "accuracy (%)")
    assert [[row[0] for row in rows] for rows in content.parts.values()] == [["lstm", "gru"], ["lstm", "gru"]]
    assert [heading.partition(":")[0] for heading in content.parts] == ["gain 0.9", "gain 1.1"]
    assert content.numbers["runs"].tolist() == ["run-0", "run-4", "run-1", "run-5"]


def test_rows_of_a_tasks_option_are_in_one_section(runs):
    content = table(compared(runs, rows=("task.delay", "init.gain"), where={"cell.name": ["rnn"]}))
    (rows,) = content.parts.values()
    assert [row[:2] for row in rows] == [("10", "0.9"), ("10", "1.1"), ("50", "0.9"), ("50", "1.1")]


def test_the_numbers_of_sections_that_the_user_chose_have_their_keys(runs):
    numbers = table(compared(runs, rows=("cell.name",), sections=("init.gain", "task.delay"))).numbers
    assert {*zip(numbers["init.gain"], numbers["task.delay"], strict=True)} == {
        (0.9, 10),
        (0.9, 50),
        (1.1, 10),
        (1.1, 50),
    }


def test_sections_alone_leave_the_rows_to_what_differs_in_them(runs):
    content = table(compared(runs, sections=("cell.name",)))
    assert content.header[:2] == ("gain", "delay") and len(content.parts) == 3


def test_runs_of_several_sweeps_and_data_sets_are_in_one_table_where_rows_are_given(tmp_path):
    for folder, key in (("a", "init.gain"), ("b", "optimizer.learning_rate")):
        for seed, value in enumerate((0.5, 0.7)):
            options = {"experiment": "dataset", "cell.name": "gru", "seed": seed, key: value, "task.name": "reverse"}
            write(tmp_path / folder / str(seed), override(Config(), options), **{"test/accuracy": 0.5})
        sweep = f"name: {folder}\nmethod: grid\nparameters: {{{key}: {{values: [0.5, 0.7]}}}}\n"
        (tmp_path / folder / "sweep.yaml").write_text(sweep)
    columns = [Column("accuracy", "test/accuracy")]
    assert len(read([tmp_path], columns)[0]) == 2
    (comparison,), _ = read([tmp_path], columns, Layout(rows=("init.gain", "optimizer.learning_rate")))
    assert len(comparison.trials["row"].unique()) == 4


def test_runs_of_a_row_that_differ_in_more_than_the_seed_are_an_error(runs):
    with pytest.raises(UserError, match=r"--rows=cell.name: runs of a row differ in init.gain; add to --rows or"):
        compared(runs, rows=("cell.name",))
    with pytest.raises(UserError, match=r"runs of a row differ in task.delay"):
        compared(runs, rows=("cell.name", "init.gain"), sections=("task.name",))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"rows": ("cel.name",)}, "--rows=cel.name: no run has this config key; the nearest are cell.name"),
        ({"sections": ("task.lenght",)}, "--sections=task.lenght: no run has this config key; the nearest are task"),
        ({"where": {"gain": ["1"]}}, "--where=gain: no run has this config key; the nearest are .*init.gain"),
        (
            {"where": {"cell.name": ["lstm", "gruu"]}},
            "--where=cell.name=gruu: no run has this value; the runs have lstm",
        ),
        ({"where": {"init.gain": ["2"]}}, "--where=init.gain=2: no run has this value; the runs have 0.9, 1.1"),
    ],
)
def test_what_no_run_has_is_named_with_what_they_have(runs, layout, message):
    with pytest.raises(UserError, match=message):
        compared(runs, **layout)


def test_a_key_that_is_given_twice_counts_once(runs):
    keys = ("task.delay", "init.gain")
    once, twice = (table(compared(runs, rows=rows, where={"cell.name": ["rnn"]})) for rows in (keys, keys * 2))
    assert once == twice


def test_whole_numbers_are_whole_in_the_csv(runs):
    numbers = table(compared(runs, rows=("task.delay", "init.gain"), where={"cell.name": ["rnn"]})).numbers
    assert str(numbers["task.delay"].dtype) == "Int64" and numbers["init.gain"].dtype == float


def test_conditions_that_exclude_one_another_are_an_error(runs):
    with pytest.raises(UserError, match="--where: no run meets all conditions"):
        compared(runs, where={"cell.name": ["gru"], "cell.peephole": ["false"]})


def test_values_are_the_same_however_they_are_written(runs):
    content = table(compared(runs, where={"init.gain": ["9e-1"], "model.bidirectional": ["false"]}))
    assert len(content.numbers) == 6


def test_rows_are_sorted_by_a_metric(attention_runs):
    key = "test/free_running/edit_error_rate"
    (comparison,), _ = read([attention_runs], layout=Layout(sort=key))
    assert list(dict.fromkeys(comparison.trials["row"])) == ["additive", "none"]
    with pytest.raises(UserError, match="--sort test/los: no run has this metric"):
        read([attention_runs], layout=Layout(sort="test/los"))
