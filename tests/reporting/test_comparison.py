"""The trials of a row differ in their seed and in nothing else."""

import numpy as np
import pytest

import research.reporting
from research.config.config import Config
from research.config.experiment import Experiment
from research.config.flat import override
from research.errors import UserError
from research.reporting.comparison import describe, load, read, task_of, values
from research.tracking.run_directory import RunDirectory, find
from tests.reporting.conftest import write

VARIANTS = {"z": {"model.hidden_size": 8}, "a": {"model.hidden_size": 16}}
EXPERIMENT = Experiment(claim="c", base=Config(), settings={"second": {}, "first": {}}, variants=VARIANTS)


def config(**changes) -> Config:
    return override(Config(), {key.replace("__", "."): value for key, value in changes.items()})


def test_sections_and_rows_stand_in_the_order_of_the_experiment(tmp_path, grouped):
    for place, (setting, arm) in enumerate([("first", "a"), ("second", "a"), ("first", "z"), ("other", "z")]):
        write(tmp_path / str(place), config(setting=setting, variant=arm))
    trials = grouped(tmp_path, EXPERIMENT).trials
    assert list(zip(trials["setting"], trials["row"], strict=True)) == [
        *(("second", "a"), ("first", "z"), ("first", "a"), ("other", "z")),
    ]


def test_rows_of_an_option_stand_in_its_own_order(tmp_path, grouped):
    for value in ("additive", "none", "dot"):
        write(tmp_path / value, config(task__name="pronunciation", attention__name=value))
    declared = Experiment(claim="", base=Config(), rows="attention.name")
    assert list(grouped(tmp_path, declared).trials["row"]) == ["none", "dot", "additive"]


def test_rows_of_numbers_stand_in_numeric_order(tmp_path, grouped):
    for value in (16, 8, 128):
        write(tmp_path / str(value), config(model__hidden_size=value))
    declared = Experiment(claim="", base=Config(), rows="model.hidden_size")
    assert list(grouped(tmp_path, declared).trials["row"]) == ["8", "16", "128"]


def test_trials_that_differ_in_more_than_the_seed_are_no_seeds_of_one_row(tmp_path, grouped):
    for place, (seed, rate) in enumerate([(0, 0.1), (1, 0.1), (0, 0.2)]):
        write(tmp_path / str(place), config(variant="a", seed=seed, optimizer__learning_rate=rate))
    assert dict(grouped(tmp_path, EXPERIMENT).trials["row"].value_counts()) == {
        "a (optimizer.learning_rate=0.1)": 2,
        "a (optimizer.learning_rate=0.2)": 1,
    }


def test_rows_of_several_cells_are_told_apart_by_the_name_and_not_by_options_that_one_of_them_lacks(tmp_path, grouped):
    for cell in ("gru", "lstm"):
        write(tmp_path / cell, config(cell__name=cell))
    assert list(grouped(tmp_path, EXPERIMENT).trials["row"]) == ["base (cell.name=gru)", "base (cell.name=lstm)"]


def test_tracking_does_not_split_a_row(tmp_path, grouped):
    write(tmp_path / "0", config(variant="a", seed=0, wandb__mode="offline"))
    write(tmp_path / "1", config(variant="a", seed=1, wandb__mode="disabled"))
    assert list(grouped(tmp_path, EXPERIMENT).trials["row"]) == ["a", "a"]


def test_a_config_that_was_run_twice_counts_once_and_the_finished_run_counts(tmp_path, grouped):
    RunDirectory.create(tmp_path / "0", config(variant="a"))
    write(tmp_path / "1", config(variant="a"), x=1.0)
    group = grouped(tmp_path, EXPERIMENT)
    assert group.duplicates == 1
    assert values(group.trials, "x") == [1.0]


def test_a_setting_is_described_by_what_its_trials_did(tmp_path, grouped):
    for seed, features in ((0, 8), (1, 8), (0, 16)):
        write(tmp_path / f"{seed}-{features}", config(variant=f"{features}", seed=seed, model__hidden_size=features))
    section = grouped(tmp_path, EXPERIMENT).trials
    expected = "trained for 1000 steps of 32 sequences; 16/8 hidden units; 1–2 seeds"
    assert describe(section) == f"MNIST, 784 steps of 1 pixel; {expected}"


def test_a_setting_with_budgets_is_described_by_them(tmp_path, grouped):
    for seed, changes in enumerate(({"model__parameter_budget": 100_000}, {"model__hidden_size": 8})):
        write(tmp_path / f"{seed}", config(variant="a", seed=seed, training__max_seconds=60.0, **changes))
    section = grouped(tmp_path, EXPERIMENT).trials
    expected = (
        "trained for 60 seconds, at most 1000 steps of 32 sequences; 8 hidden units or 100,000 parameters; 1 seed"
    )
    assert describe(section) == f"MNIST, 784 steps of 1 pixel; {expected}"


def test_a_setting_of_several_tasks_names_each(tmp_path, grouped):
    write(tmp_path / "0", config(variant="a", task__name="pixels", task__pixels_per_step=28))
    write(tmp_path / "1", config(variant="z", task__name="adding", task__length=50))
    found = task_of(grouped(tmp_path, EXPERIMENT).trials)
    assert found == "adding problem, 50 steps or MNIST, 28 steps of 28 pixels"


def test_load_gives_a_row_for_each_run_with_its_config_and_its_summary(tmp_path):
    write(tmp_path / "0", config(seed=1, task__name="adding", task__length=50), **{"test/loss": 0.5, "test/x": np.nan})
    RunDirectory.create(tmp_path / "1", config(training__divergence_loss=2.0, optimizer__clip_value=np.inf))
    frame = load(tmp_path)
    assert list(frame["path"]) == [str(tmp_path / "0"), str(tmp_path / "1")]
    assert list(frame["status"]) == ["finished", "unfinished"]
    assert (frame["seed"].dtype, frame["task.length"].dtype, frame["test/loss"].dtype) == (np.int64, float, float)
    assert frame["task.length"].isna().tolist() == frame["test/loss"].isna().tolist() == [False, True]
    assert frame["optimizer.clip_value"].tolist()[1] == np.inf
    assert research.reporting.load(tmp_path / "0").shape[0] == 1
    assert load(tmp_path / "none").empty


def test_runs_are_grouped_by_experiment(gradient_runs, attention_runs):
    groups = read([*find(gradient_runs), *find(attention_runs)])
    assert [(group.name, len(group.trials)) for group in groups] == [("attention", 6), ("gradient_norms", 24)]


def test_an_experiment_that_is_gone_is_named_with_the_file(tmp_path):
    write(tmp_path / "0", config(experiment="gone"))
    with pytest.raises(UserError, match=r"0/config\.json: experiment 'gone': must be"):
        read(find(tmp_path))
