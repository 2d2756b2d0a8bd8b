"""A trial is named by its flags."""

import pytest

from research.config import naming
from research.config.flags import read_flags
from research.config.naming import folder_name, name_trial


def trial_name(*args: str) -> str:
    return name_trial("gradient_norms", read_flags(args)).name


def test_a_trial_is_named_by_its_flags_in_the_order_of_the_config():
    assert trial_name("--init.gain=2", "--seed=0", "--variant=rnn gain 1.2", "--setting=mnist_784") == (
        "setting=mnist_784,variant=rnn_gain_1.2,seed=0,gain=2.0"
    )
    assert trial_name() == "base"


def test_a_name_does_not_depend_on_how_a_value_is_spelt():
    assert trial_name("--optimizer.learning_rate", "1e-3") == trial_name("--optimizer.learning-rate=.001")
    assert trial_name("--task.permuted=true") == trial_name("--task.permuted=True") == "permuted=True"


def test_flags_that_do_not_touch_what_is_computed_are_not_in_the_name():
    assert trial_name("--wandb.mode=disabled", "--training.checkpoint_seconds=1", "--seed=1") == "seed=1"
    assert trial_name("--experiment=gradient_norms", "--seed=1") == "seed=1"


def test_a_choice_is_named_by_its_section_and_keys_of_one_name_are_told_apart():
    assert trial_name("--task.name=adding", "--task.length=9") == "task=adding,length=9"
    assert trial_name("--cell.name=gru", "--zoneout.cell=0") == "cell=gru,zoneout.cell=0.0"
    assert trial_name("--init.input=normal") == "init.input=normal"  # dropout.input, too


def test_long_names_are_cut_and_still_differ(monkeypatch):
    monkeypatch.setattr(naming, "MAX_NAME", 14)
    first, second = (trial_name("--variant=rnn gain 1", f"--seed={seed}") for seed in (1, 2))
    assert first != second
    assert first[:15] == second[:15] == "variant=rnn_ga,"
    assert len(first) == 23


@pytest.mark.parametrize("text", ["rnn gain 1", "a/b", "../x", "ü", "a,b=c", "$(x)\n"])
def test_folder_names_hold_no_letter_that_is_special_to_a_file_system_or_shell(text):
    safe = folder_name(text)
    assert len(safe) == len(text)
    assert safe.isascii()
    assert not set(safe) & set("/ ,=$()\n\\:*?\"<>|'&;")
