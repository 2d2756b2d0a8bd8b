"""Where a trial starts from: its checkpoint, and what is written into its run directory before it is trained.

One is its task's reader, for `predict`. The other is the number of parts that its batches are computed in, which
decides how sums are rounded. So it is settled once, when a trial begins, and kept: a run goes on to the last bit as it
began, whatever trials stand beside it then.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import jax

from research.batch import Interface
from research.config import Config
from research.errors import UserError
from research.recurrent import cudnn, dropout
from research.recurrent.cell import create
from research.seq2seq import search
from research.tasks import task as tasks
from research.training import budget, checkpoint, shards
from research.training.journal import Trial
from research.training.step import TrialState


@dataclass(frozen=True)
class Start:
    """A trial that is to be trained."""

    trial: Trial
    step: int
    state: TrialState | None
    """None: at initialisation."""
    batch_shards: int
    seconds: float = 0.0
    """That it has trained, if it has a budget of time."""


def check(trial: Trial) -> None:
    """See now, not after hours, that there are the devices that a trial needs, and that its cell knows its options.

    Raises:
        UserError: if there are not, or if they cannot share its batches, or if an option has nothing to act on.
    """
    if trial.config.model.backend == "cudnn":
        cudnn.require()
    if trial.config.training.recurrent_dropout:
        dropout.require(create(trial.config.model.cell, trial.config.cell))
    devices, processes = jax.device_count(), jax.process_count()
    training, begun_with = trial.config.training, _begun_with(trial)
    if begun_with and (begun_with > devices or (processes > 1 and begun_with != devices)):
        needs = f"the run was begun with its batches in {begun_with} parts and needs as many devices"
        raise UserError(f"{trial.run.path}: {needs}, not {devices}; go on where they are, or remove the directory")
    asked = training.batch_shards
    if processes > 1 and asked not in (0, devices):
        raise UserError(f"training.batch_shards={asked}: must be 0 or {devices}, the devices of all processes")
    if asked > devices:
        raise UserError(f"training.batch_shards={asked}: must be at most {devices}, the number of devices")
    if processes > 1 and training.batch_size % devices:
        size = training.batch_size
        raise UserError(f"training.batch_size={size}: must be a multiple of {devices}, the devices of all processes")


def check_sizes(config: Config, interface: Interface) -> None:
    """See now whether there is a model as wide, and are outputs as long, as a trial asks for.

    Raises:
        UserError: if there are not.
    """
    budget.settled(config, interface)
    if interface.target == "tokens":
        search.create(config.decoding, interface.target_length)


def starts(trials: Sequence[Trial], template: TrialState) -> list[Start]:
    """Where the trials of one program stand, without those that another process has finished meanwhile.

    Args:
        template: shapes and types of a trial's state.
    """
    unfinished = [trial for trial in trials if not trial.run.result()]
    new = sum(_begun_with(trial) is None for trial in unfinished)
    found = []
    for trial in unfinished:
        count = _begun_with(trial) or _decide(trial.config, new)
        trial.run.decide_batch_shards(count)
        _keep_reader(trial)
        step, state = checkpoint.restore(trial.checkpoints, template) or (0, None)
        found.append(Start(trial, step, state, count, _trained(trial, step)))
    return found


def _keep_reader(trial: Trial) -> None:
    """Save what the run alone is to answer `predict` with, if its task has a reader."""
    task = tasks.create(trial.config.task)
    if reader := task.own_reader():
        trial.run.keep_reader({"interface": asdict(task.interface), "reader": reader.saved()})


def _begun_with(trial: Trial) -> int | None:
    """The parts that a run was begun with; None if it has not begun."""
    decided = trial.run.batch_shards()
    return 1 if decided is None and trial.checkpoints.is_dir() else decided  # before there were parts, there was one


def _trained(trial: Trial, step: int) -> float:
    """The seconds of training until this step, as the records tell: checkpoints are saved at whole ones only."""
    known = [record.get("train/seconds", 0.0) for record in trial.run.records("metrics") if record["step"] <= step]
    return max(known, default=0.0)


def _decide(config: Config, trials: int) -> int:
    """The parts that each of so many trials gets; in several processes a trial has the devices of all."""
    training = config.training
    side_by_side = 1 if jax.process_count() > 1 else trials
    return training.batch_shards or shards.spare(side_by_side, jax.device_count(), training.batch_size)
