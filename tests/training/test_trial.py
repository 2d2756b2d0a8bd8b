"""The number of batch shards is decided when a run starts and kept, whichever trials train next to it later."""

import shutil
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import pytest

from research.batch import TaskSpec
from research.errors import UserError
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint, devices
from research.training.trainer import train_trials
from research.training.trial import Start, Trial, TrialResult, find_starts, record_stems
from tests.training.trials import assert_same_run, counting_compilations, hparams_of, of, program, trial_of

AUTO = of(training__batch_shards=0, cell__name="rnn")


def trial_in(directory: Path, **changes) -> Trial:
    config = of(AUTO, **changes)
    RunDirectory.create(directory, config)
    return trial_of(config, directory)


def starts(*trials: Trial) -> list[Start]:
    template = jax.eval_shape(program(AUTO).init, hparams_of(AUTO))
    return list(find_starts(trials, template, len(trials))[0].values())


def save_checkpoint(trial: Trial, batch_shards: int) -> None:
    state = jax.jit(program(AUTO).init)(hparams_of(AUTO))
    details = {"batch_shards": batch_shards, **trial.run.snapshot(record_stems(trial.options))}
    checkpoint.save(trial.run.checkpoints, 2, state, details)


def shards_of(*trials: Trial) -> list[int]:
    return [start.batch_shards for start in starts(*trials)]


def test_a_trial_alone_gets_the_devices_that_others_leave(tmp_path):
    assert shards_of(trial_in(tmp_path / "alone")) == [2]
    assert shards_of(*(trial_in(tmp_path / name) for name in "ab")) == [1, 1]
    assert shards_of(trial_in(tmp_path / "odd", training__batch_size=5)) == [1]


def test_the_option_decides_the_number_of_shards(tmp_path):
    assert shards_of(*(trial_in(tmp_path / name, training__batch_shards=2) for name in "abc")) == [2, 2, 2]
    assert shards_of(trial_in(tmp_path / "alone", training__batch_shards=1)) == [1]


def test_the_number_of_shards_of_a_checkpoint_is_kept(tmp_path):
    alone, *others = (trial_in(tmp_path / name) for name in "abc")
    save_checkpoint(alone, 2)
    assert shards_of(alone, *others) == [2, 1, 1]
    assert shards_of(others[1]) == [2]


def test_the_processor_of_the_task_is_saved_with_a_run(tmp_path):
    trial = trial_in(tmp_path / "trial")
    shards_of(trial)
    assert not trial.run.processor_file.exists()  # the task has none

    class Spelled(type(trial.task)):
        def processor(self) -> Any:
            return SimpleNamespace(to_dict=lambda: {"symbols": ["nan", "ö"]})

    shards_of(
        replace(trial, task=Spelled(**{item.name: getattr(trial.task, item.name) for item in fields(trial.task)}))
    )
    saved = trial.run.processor()
    assert TaskSpec(**saved["spec"]) == trial.task.spec
    assert saved["processor"] == {"symbols": ["nan", "ö"]}


def test_data_that_have_changed_are_told_and_not_trained_on(tmp_path):
    trial = trial_in(tmp_path / "trial")

    class Read(type(trial.task)):
        fingerprint: Any = "first"

        def processor(self) -> Any:
            return SimpleNamespace(to_dict=dict)

    class Changed(Read):
        fingerprint: Any = "second"

    def with_task(kind: Any) -> Trial:
        return replace(trial, task=kind(**{item.name: getattr(trial.task, item.name) for item in fields(trial.task)}))

    shards_of(with_task(Read))
    save_checkpoint(trial, 2)
    assert shards_of(with_task(Read)) == [2]
    with pytest.raises(UserError, match="trial: its data have changed since it started; --restart trains anew"):
        shards_of(with_task(Changed))
    options = {kind: replace(trial.options, task=with_task(kind).task) for kind in (Read, Changed)}
    trial.run.finish({"status": "finished", "summary": {}, "environment": devices.environment(options[Read])})
    for kind, outdated in ((Read, ""), (Changed, "on other data than today's")):
        result = TrialResult.read("trial", trial.run, options[kind])
        assert result and result.outdated == outdated


def test_trials_that_are_finished_meanwhile_do_not_start(tmp_path):
    done, other = (trial_in(tmp_path / name) for name in "ab")
    done.run.finish({"status": "finished", "summary": {}})
    assert shards_of(done, other) == [1]  # as if both trained here


@pytest.mark.parametrize(
    ("started_with", "changes", "message"),
    [
        (None, {"training__batch_size": 8, "training__batch_shards": 4}, "batch_shards=4: must be at most 2, the numb"),
        (4, {}, "trial: the run was started with 4 batch shards and needs as many devices, not 2"),
    ],
)
def test_too_few_devices_are_an_error_before_training(started_with, changes, message, tmp_path):
    trial = trial_in(tmp_path / "trial", **changes)
    if started_with:
        save_checkpoint(trial, started_with)
    with pytest.raises(UserError, match=message) as raised:
        train_trials([("trial", trial.config)], tmp_path)
    assert "\n" not in str(raised.value)


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    """A trial alone, and two that were trained together."""
    directory = tmp_path_factory.mktemp("straight")
    with counting_compilations() as compilations:
        train_trials([("alone", AUTO)], directory)
    assert len(compilations) == len(["init", "run", "predict"])
    train_trials([("first", AUTO), ("second", of(AUTO, seed=1))], directory)
    return directory


def cut_off(straight: Path, directory: Path, *names: str) -> None:
    """Run directories as a kill after the checkpoint of step 6 leaves them."""
    for name in names:
        shutil.copytree(straight / name, directory / name)
        (directory / name / "result.json").unlink()
        shutil.rmtree(directory / name / "checkpoint" / "8")


def test_a_trial_that_started_in_a_pack_resumes_alone_to_the_same_bits(straight, tmp_path):
    cut_off(straight, tmp_path, "first")
    train_trials([("first", AUTO)], tmp_path)
    assert_same_run(tmp_path / "first", straight / "first", AUTO)


def test_a_trial_that_started_alone_resumes_in_a_pack_to_the_same_bits(straight, tmp_path):
    cut_off(straight, tmp_path, "alone", "first")
    train_trials([("alone", AUTO), ("first", AUTO)], tmp_path)
    for name, count in (("alone", 2), ("first", 1)):
        assert_same_run(tmp_path / name, straight / name, AUTO)
        assert checkpoint.newest_details(tmp_path / name / "checkpoint")["batch_shards"] == count
