"""The trials of a row differ in their seed and in nothing else."""

import pytest

from research.config import Config
from research.dotted import override
from research.errors import UserError
from research.experiment import Experiment
from research.reporting.aggregate import describe, read, task, unfinished
from research.tracking.runs import RunDirectory, find
from tests.reporting.directories import write

ARMS = {"z": {"model.features": 8}, "a": {"model.features": 16}}
EXPERIMENT = Experiment(claim="c", base=Config(), settings={"second": {}, "first": {}}, arms=ARMS)


def config(**changes) -> Config:
    return override(Config(), {key.replace("__", "."): value for key, value in changes.items()})


def test_sections_and_rows_stand_in_the_order_of_the_experiment(tmp_path, grouped):
    for place, (setting, arm) in enumerate([("first", "a"), ("second", "a"), ("first", "z"), ("other", "z")]):
        write(tmp_path / str(place), config(setting=setting, arm=arm))
    sections = grouped(tmp_path, EXPERIMENT).sections
    found = [(section.setting, [row.label for row in section.rows]) for section in sections]
    assert found == [("second", ["a"]), ("first", ["z", "a"]), ("other", ["z"])]


def test_rows_of_an_option_stand_in_its_own_order(tmp_path, grouped):
    for value in ("additive", "none", "dot"):
        write(tmp_path / value, config(task__name="pronunciation", model__attention=value))
    (section,) = grouped(tmp_path, Experiment(claim="", base=Config(), rows="model.attention")).sections
    assert [row.label for row in section.rows] == ["none", "dot", "additive"]


def test_rows_of_numbers_stand_in_numeric_order(tmp_path, grouped):
    for value in (16, 8, 128):
        write(tmp_path / str(value), config(model__features=value))
    (section,) = grouped(tmp_path, Experiment(claim="", base=Config(), rows="model.features")).sections
    assert [row.label for row in section.rows] == ["8", "16", "128"]


def test_trials_that_differ_in_more_than_the_seed_are_no_seeds_of_one_row(tmp_path, grouped):
    for place, (seed, rate) in enumerate([(0, 0.1), (1, 0.1), (0, 0.2)]):
        write(tmp_path / str(place), config(arm="a", seed=seed, training__learning_rate=rate))
    (section,) = grouped(tmp_path, EXPERIMENT).sections
    found = {row.label: len(row.trials) for row in section.rows}
    assert found == {"a (training.learning_rate=0.1)": 2, "a (training.learning_rate=0.2)": 1}


def test_tracking_does_not_split_a_row(tmp_path, grouped):
    write(tmp_path / "0", config(arm="a", seed=0, tracking__wandb="offline"))
    write(tmp_path / "1", config(arm="a", seed=1, tracking__wandb="disabled"))
    (section,) = grouped(tmp_path, EXPERIMENT).sections
    assert [len(row.trials) for row in section.rows] == [2]


def test_a_config_that_was_run_twice_counts_once_and_the_finished_run_counts(tmp_path, grouped):
    RunDirectory.create(tmp_path / "0", config(arm="a"))
    write(tmp_path / "1", config(arm="a"), x=1.0)
    group = grouped(tmp_path, EXPERIMENT)
    assert group.duplicates == 1
    assert [trial.value("x") for trial in group.trials] == [1.0]


def test_unfinished_trials_are_counted_by_setting_and_row(tmp_path, grouped):
    write(tmp_path / "0", config(setting="first", arm="a", seed=0))
    for seed in (1, 2):
        RunDirectory.create(tmp_path / str(seed), config(setting="first", arm="a", seed=seed))
    assert unfinished(grouped(tmp_path, EXPERIMENT)) == {"first / a": 2}


def test_a_setting_is_described_by_what_its_trials_did(tmp_path, grouped):
    for seed, features in ((0, 8), (1, 8), (0, 16)):
        write(tmp_path / f"{seed}-{features}", config(arm=f"{features}", seed=seed, model__features=features))
    (section,) = grouped(tmp_path, EXPERIMENT).sections
    expected = "trained for 1000 steps of 32 sequences; 16/8 features; 1–2 seeds"
    assert describe(section) == f"MNIST, 784 steps of 1 pixel; {expected}"


def test_a_setting_with_budgets_is_described_by_them(tmp_path, grouped):
    for seed, changes in enumerate(({"model__parameter_budget": 100_000}, {"model__features": 8})):
        write(tmp_path / f"{seed}", config(arm="a", seed=seed, training__seconds=60.0, **changes))
    (section,) = grouped(tmp_path, EXPERIMENT).sections
    expected = "trained for 60 seconds, at most 1000 steps of 32 sequences; 8 features or 100,000 parameters; 1 seed"
    assert describe(section) == f"MNIST, 784 steps of 1 pixel; {expected}"


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"task__pixels_per_step": 28, "task__permuted": True}, "MNIST, 28 steps of 28 pixels in a fixed random order"),
        ({"task__name": "adding", "task__length": 50}, "adding problem, 50 steps"),
        ({"task__name": "pronunciation"}, "CMUdict, letters to phonemes"),
        ({"task__name": "speech_digits", "task__flite_strings": 3}, "connected digits, synthesised"),
        ({"task__name": "speech_syllables", "task__split": "base"}, "Mandarin syllables, held out by base"),
        ({"task__name": "speech_prompts"}, "recorded prompts, en"),
        ({"task__name": "image_digits", "task__digits": 3}, "strips of 1 to 3 digits"),
        ({"task__name": "image_stamps"}, "pictures to captions"),
        ({"task__name": "translation"}, "English to German, 3 to 10 words, 2000 pieces"),
        ({"task__name": "translation", "task__units": "characters"}, "English to German, 3 to 10 words, characters"),
    ],
)
def test_every_task_has_words(tmp_path, grouped, changes, shown):
    write(tmp_path / "0", config(**changes))
    (section,) = grouped(tmp_path, EXPERIMENT).sections
    assert task(section) == shown


def test_runs_are_grouped_by_experiment(gradient_runs, attention_runs):
    groups = read(find(gradient_runs.parent))
    assert [(group.name, len(group.trials)) for group in groups] == [("attention", 6), ("gradient_norms", 24)]


def test_an_experiment_that_is_gone_is_named_with_the_file(tmp_path):
    write(tmp_path / "0", config(experiment="gone"))
    with pytest.raises(UserError, match=r"0/config\.json: experiment 'gone': must be one of"):
        read(find(tmp_path))
