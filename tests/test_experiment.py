"""Experiments declare trials that exist."""

import pytest

from research import catalogue, experiment
from research.config import AddingConfig, Config
from research.dotted import flatten
from research.errors import UserError
from research.experiment import Experiment

EXPERIMENTS = tuple(catalogue.experiments())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_setting_with_every_arm_is_a_config_that_says_where_it_comes_from(name):
    declared = experiment.load(name)
    for setting in ["", *declared.settings]:
        for arm in ["", *declared.arms]:
            config = declared.config(setting, arm)
            assert (config.experiment, config.setting, config.arm) == (name, setting, arm)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_rows_of_the_table_are_told_apart_by_an_option(name):
    declared = experiment.load(name)
    assert declared.rows in flatten(declared.base)
    assert declared.claim
    assert declared.columns
    assert declared.figures


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_arms_of_an_experiment_differ(name):
    declared = experiment.load(name)
    options = [
        tuple(value for key, value in flatten(declared.config(arm=arm)).items() if key != "arm")
        for arm in declared.arms
    ]
    assert len(set(options)) == len(options)


def test_an_arm_overrides_the_setting():
    made = Experiment("", Config(), {"s": {"task.name": "adding", "seed": 1}}, {"a": {"seed": 2}})
    assert made.config("s", "a") == Config(setting="s", arm="a", seed=2, task=AddingConfig())


def test_unknown_names_are_errors_that_tell_the_known_ones():
    made = Experiment("", Config(), {"short": {}})
    with pytest.raises(UserError, match="^setting=long: must be one of short$"):
        made.config("long")
    with pytest.raises(UserError, match="^arm=a: must be absent: the experiment has no arms$"):
        made.config(arm="a")
    with pytest.raises(UserError, match="^experiment 'none': must be one of .*gradient_norms"):
        experiment.load("none")
