"""The parts of a batch are settled when a run begins, and kept, whatever trials stand beside it later."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest

from research.batch import TaskSpec
from research.errors import UserError
from research.tasks import task as tasks
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint, start
from research.training.journal import Trial
from research.training.trainer import train_trials
from tests.training.trials import assert_same_run, counting_compilations, hparams_of, of, program

AUTO = of(training__batch_shards=0, cell__name="rnn")

pytestmark = pytest.mark.usefixtures("quick_compilation")


def trial_in(directory: Path, **changes) -> Trial:
    config = of(AUTO, **changes)
    return Trial(directory.name, config, RunDirectory.create(directory, config))


def begun_with(*trials: Trial) -> list[int]:
    template = jax.eval_shape(program(AUTO).init, hparams_of(AUTO))
    return [one.batch_shards for one in start.starts(trials, template)]


def test_a_trial_alone_gets_the_devices_that_others_leave(tmp_path):
    assert begun_with(trial_in(tmp_path / "alone")) == [2]
    assert begun_with(*(trial_in(tmp_path / name) for name in "ab")) == [1, 1]
    assert begun_with(trial_in(tmp_path / "odd", training__batch_size=5)) == [1]


def test_what_is_asked_for_is_done(tmp_path):
    assert begun_with(*(trial_in(tmp_path / name, training__batch_shards=2) for name in "abc")) == [2, 2, 2]
    assert begun_with(trial_in(tmp_path / "alone", training__batch_shards=1)) == [1]


def test_what_was_settled_stays(tmp_path):
    alone, *others = (trial_in(tmp_path / name) for name in "abc")
    assert begun_with(alone) == [2]
    assert begun_with(alone, *others) == [2, 1, 1]
    assert begun_with(others[1]) == [1]


def test_a_run_from_before_batches_had_parts_goes_on_as_one(tmp_path):
    trial = trial_in(tmp_path / "old")
    checkpoint.save(trial.checkpoints, 3, program(AUTO).init(hparams_of(AUTO)))
    assert begun_with(trial) == [1]


def test_the_reader_of_the_task_is_kept_with_a_run(tmp_path, monkeypatch):
    trial = trial_in(tmp_path / "trial")
    begun_with(trial)
    assert not trial.run.reader_file.exists()  # the task has none
    task = tasks.create(AUTO.task)
    monkeypatch.setattr(task, "own_reader", lambda: SimpleNamespace(saved=lambda: {"symbols": ["nan", "ö"]}))
    begun_with(trial)
    kept = trial.run.reader()
    assert TaskSpec(**kept["interface"]) == task.interface
    assert kept["reader"] == {"symbols": ["nan", "ö"]}


def test_a_trial_goes_on_with_the_seconds_that_it_had_trained_by_its_checkpoint(tmp_path):
    trial = trial_in(tmp_path / "timed", training__max_seconds=60.0)
    for step, seconds in ((2, 1.5), (4, 3.0)):
        trial.run.append("metrics", {"step": step, "train/seconds": seconds})
        trial.run.append("metrics", {"step": step, "eval/loss": 9.0})
    template = jax.eval_shape(program(AUTO).init, hparams_of(AUTO))
    assert [one.seconds for one in start.starts([trial], template)] == [0.0]
    checkpoint.save(trial.checkpoints, 2, program(AUTO).init(hparams_of(AUTO)))
    assert [one.seconds for one in start.starts([trial], template)] == [1.5]


def test_trials_that_are_finished_meanwhile_do_not_start(tmp_path):
    done, other = (trial_in(tmp_path / name) for name in "ab")
    done.run.finish({"status": "finished", "summary": {}})
    assert begun_with(done, other) == [2]


@pytest.mark.parametrize(
    ("begun", "changes", "said"),
    [
        (None, {"training__batch_size": 8, "training__batch_shards": 4}, "batch_shards=4: must be at most 2, the numb"),
        (4, {}, "trial: the run was begun with its batches in 4 parts and needs as many devices, not 2"),
    ],
)
def test_too_few_devices_are_told_before_anything_is_trained(begun, changes, said, tmp_path):
    trial = trial_in(tmp_path / "trial", **changes)
    if begun:
        trial.run.decide_batch_shards(begun)
    with pytest.raises(UserError, match=said) as raised:
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


def test_a_trial_begun_in_a_pack_goes_on_alone_to_the_same_bits(straight, tmp_path):
    cut_off(straight, tmp_path, "first")
    train_trials([("first", AUTO)], tmp_path)
    assert_same_run(tmp_path / "first", straight / "first", AUTO)


def test_a_trial_begun_alone_goes_on_beside_others_to_the_same_bits(straight, tmp_path):
    cut_off(straight, tmp_path, "alone", "first")
    train_trials([("alone", AUTO), ("first", AUTO)], tmp_path)
    for name, count in (("alone", 2), ("first", 1)):
        assert_same_run(tmp_path / name, straight / name, AUTO)
        assert RunDirectory(tmp_path / name).batch_shards() == count
