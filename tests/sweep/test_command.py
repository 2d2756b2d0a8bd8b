"""The flags of a trial are those that W&B's agent writes for the command of a sweep file."""

from pathlib import Path
from typing import Any

import pytest
from wandb.sdk.launch.sweeps import utils as agent

from research.sweep import command
from research.sweep.place import Place

START = ["${env}", "${interpreter}", "-m", "research", "train", "attention"]
VALUES = {"a": 1, "b.c": 1e-05, "d": True, "e": False, "f": None, "g": [1, "x"], "h": "two words"}


@pytest.fixture
def flags(monkeypatch):
    """Return what a trial of a command is named after: the experiment and the flags."""
    monkeypatch.setattr(command, "name_trial", lambda *arguments: arguments)

    def read(words: list[Any] | None, **content: Any) -> Any:
        listed = {"command": words} if words is not None else {}
        return command.read({"parameters": {}, **listed, **content}, Place(Path("some.yaml")), "").trial(VALUES)

    return read


@pytest.mark.parametrize("macro", ["args", "args_no_equals", "args_no_hyphens", "args_no_boolean_flags"])
def test_each_macro_of_the_parameters_is_read_as_the_agent_writes_it(flags, macro):
    written = agent.create_sweep_command_args({"args": {key: {"value": value} for key, value in VALUES.items()}})[macro]
    if macro == "args_no_equals":
        written = [f"{key}={text}" for key, text in zip(written[::2], written[1::2], strict=True)]
    words = [word.removeprefix("--").partition("=") for word in written]
    expected = {key: text if equals else "True" for key, equals, text in words}
    assert flags([*START, "${" + macro + "}"]) == ("attention", expected)
    assert ("e" in expected) == (macro != "args_no_boolean_flags")


def test_fixed_flags_stand_before_or_after_the_parameters(flags):
    _, written = flags([*START, "--x=1", "${args}", "--y", 2])
    assert written == {"x": "1", "y": "2", **{key: str(value) for key, value in VALUES.items()}}


@pytest.mark.parametrize("words", [None, [], ["python3", "${program}", "${args}"]])
def test_the_program_is_the_experiment(flags, words):
    experiment, _ = flags(words, program="experiments/attention.py")
    assert experiment == "experiments/attention.py"


def test_an_environment_variable_is_replaced(flags, monkeypatch):
    monkeypatch.setenv("RATE", "0.5")
    _, written = flags([*START, "--rate=${envvar:RATE}e-${envvar:RATE}", "${args}"])
    assert written["rate"] == "0.5e-0.5"


def test_project_and_entity_become_flags_unless_they_are_given(flags):
    _, written = flags([*START, "--wandb.project=mine", "${args}"], project="theirs", entity="lab")
    assert (written["wandb.project"], written["wandb.entity"]) == ("mine", "lab")
    _, written = flags([*START, "${args}"], project="theirs", entity="", parameters={"wandb.project": {"value": 1}})
    assert not {"wandb.project", "wandb.entity"} & written.keys()
