"""A trial, resolved once: its options, its task with data, the sizes of its model, and its run directory.

Also where a trial starts from: its checkpoint, and what is written into its run directory before it is trained. One is
its task's processor, for `predict`. The other is the number of parts that its batches are computed in, which decides
how sums are rounded. So it is decided once, when a trial starts, and kept: a run resumes to the last bit as it started,
whatever trials are trained next to it then.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jax

from research.batch import TaskSpec
from research.errors import UserError
from research.options import require
from research.recurrence.kernels import cudnn
from research.seq2seq.budget import resolve_hidden_size
from research.tasks import task as tasks
from research.tasks.task import Task
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint, shards
from research.training.options import TrialOptions
from research.training.state import TrialState


@dataclass(frozen=True)
class Trial:
    """All that training, evaluation and records need to know of one trial."""

    name: str
    config: TrialOptions
    """As the user wrote it, and as it is recorded."""
    options: TrialOptions
    """With the hidden size that a parameter budget stands for."""
    task: Task
    """Loaded."""
    run: RunDirectory

    @classmethod
    def resolve(cls, name: str, config: TrialOptions, run: RunDirectory) -> "Trial":
        """Load the data and decide every size.

        Raises:
            UserError: if the data cannot be read, or no model or output has the sizes that the options name.
        """
        task = tasks.load(config.task)
        options = resolve_hidden_size(config, task.spec)
        if task.target == "tokens":
            options.decoding.resolve(task.spec.target_length)  # a bad length fails now
        return cls(name, config, options, task, run)

    @property
    def spec(self) -> TaskSpec:
        """Kinds and sizes of the task's inputs and targets."""
        return self.task.spec

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.run.path / "checkpoint"


@dataclass(frozen=True)
class Start:
    """The state that a trial is trained from."""

    step: int
    state: TrialState | None
    """None: at initialization."""
    batch_shards: int


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended."""

    name: str
    path: Path
    status: str
    """finished, or diverged."""
    summary: dict[str, Any]
    skipped: bool = False
    """The run directory held a result already."""
    signatures: dict[str, str] = field(default_factory=dict)
    """Exact definition of metrics that have several, by the metric's name."""

    @classmethod
    def read(cls, name: str, run: RunDirectory) -> "TrialResult | None":
        """Return the result that a run directory holds already; None if it holds none."""
        if not (result := run.result()):
            return None
        return cls(name, run.path, result["status"], result["summary"], True, result.get("signatures", {}))


def check(options: TrialOptions, run: RunDirectory) -> None:
    """Check before any training that a run can start or resume on this machine.

    Raises:
        UserError: if a record cannot be read, or there are too few devices, or they cannot share its batches.
    """
    run.check_records()
    if options.model.backend == "cudnn":
        cudnn.require_kernel()
    devices, processes = jax.device_count(), jax.process_count()
    training, decided = options.training, run.batch_shards()
    if decided and (decided > devices or (processes > 1 and decided != devices)):
        needs = f"the run was started with its batches in {decided} parts and needs as many devices"
        raise UserError(f"{run.path}: {needs}, not {devices}; resume it where they are, or remove the directory")
    parts, size = training.batch_shards, training.batch_size
    fits = processes == 1 or parts in (0, devices)
    require(fits, "training.batch_shards", parts, f"0 or {devices}, the devices of all processes")
    require(parts <= devices, "training.batch_shards", parts, f"at most {devices}, the number of devices")
    divides = processes == 1 or size % devices == 0
    require(divides, "training.batch_size", size, f"a multiple of {devices}, the devices of all processes")


def find_starts(trials: Sequence[Trial], template: TrialState) -> tuple[dict[str, Start], list[TrialResult]]:
    """Return where trials start, by name, and the results of those that another process has finished meanwhile.

    Args:
        trials: of one program.
        template: shapes and types of a trial's state.
    """
    results = [result for trial in trials if (result := TrialResult.read(trial.name, trial.run))]
    finished = {result.name for result in results}
    unfinished = [trial for trial in trials if trial.name not in finished]
    new = sum(trial.run.batch_shards() is None for trial in unfinished)
    starts = {}
    for trial in unfinished:
        parts = trial.run.batch_shards() or _decide_shards(trial.options, new)
        trial.run.decide_batch_shards(parts)
        if processor := trial.task.processor():
            trial.run.save_processor({"spec": asdict(trial.spec), "processor": processor.to_dict()})
        step, state = checkpoint.restore(trial.checkpoints, template) or (0, None)
        starts[trial.name] = Start(step, state, parts)
    return starts, results


def _decide_shards(options: TrialOptions, trials: int) -> int:
    """Return the number of parts for each of so many trials; in several processes a trial has all devices."""
    training = options.training
    at_once = 1 if jax.process_count() > 1 else trials
    return training.batch_shards or shards.spare_devices(at_once, jax.device_count(), training.batch_size)
