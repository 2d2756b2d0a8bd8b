"""A trial with its data, sizes and run directory; where its training starts, and how it ended.

The number of batch shards decides how sums are rounded. Checkpoints hold it: a resumed run keeps it and gives the same
bits as an uninterrupted run, whichever trials train next to it.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import jax

from research.errors import UserError, visible
from research.options import require
from research.recurrence.kernels import cudnn
from research.seq2seq.budget import resolve_hidden_size
from research.tasks import task as tasks
from research.tasks.task import Task
from research.tracking.run_directory import METRICS, RunDirectory
from research.tracking.strict_json import FIRST
from research.training import checkpoint, devices, origin, shards
from research.training.options import TrialOptions
from research.training.state import TrialState

OTHER_CODE = "resumes with other code than it started with; --restart trains anew"
NO_CHECKPOINT = "has records, but no checkpoint; starts anew at step 0"


@dataclass(frozen=True)
class Trial:
    """One trial, resolved once and passed to training, evaluation and records."""

    name: str
    config: TrialOptions
    """As written by the user and recorded in `config.json`."""
    options: TrialOptions
    """With the hidden size that meets the parameter budget."""
    task: Task
    """With loaded data."""
    run: RunDirectory

    @classmethod
    def resolve(cls, name: str, config: TrialOptions, run: RunDirectory) -> "Trial":
        """Load the data and resolve all sizes.

        Raises:
            UserError: if the data cannot be read, or no model meets the parameter budget.
        """
        task = tasks.load(config.task)
        options = resolve_hidden_size(config, task.spec)
        if task.target_kind == "tokens":
            options.decoding.resolve(task.spec.target_length)  # checks the lengths
        return cls(name, config, options, task, run)


@dataclass(frozen=True)
class Start:
    """Where the training of a trial starts."""

    step: int
    state: TrialState | None
    """None: the initial state."""
    batch_shards: int
    snapshot: Mapping[str, Any] = field(default_factory=dict)
    """The records that belong to the state (`RunDirectory.snapshot`); empty: none, as the trial starts."""
    best: TrialState | None = None
    """State of the best evaluation so far, if it is another one."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """The run that the trial started from, if any."""
    weights: Mapping[str, Any] = field(default_factory=dict)
    """Weights that replace initial ones, by their paths."""


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended."""

    name: str
    path: Path
    status: str
    """finished, diverged, or stopped (by a sweep's early termination); paused, busy (another process trains it) or
    waiting, if the trial has not ended."""
    summary: dict[str, Any]
    skipped: bool = False
    """Whether the run was finished before."""
    outdated: str = ""
    """Why the same command would not give it today: "by other code than today's", of its cell, task, model or trainer,
    or "on other data than today's"; "" if it would."""
    signatures: dict[str, str] = field(default_factory=dict)
    """Definitions of metrics with several variants (sacrebleu), by metric."""

    divergence: str = ""
    """In which update the trial has diverged, and why; "" if it has not."""
    remark: str = ""
    """Where the trial has stopped early, and which weights are kept, unless they are the last."""

    @property
    def ended(self) -> bool:
        """Whether nothing is left to train."""
        return self.status in ("finished", "diverged", "stopped")

    @classmethod
    def of(cls, name: str, run: RunDirectory, result: Mapping[str, Any], **marks: Any) -> "TrialResult":
        divergence = f"diverged in update {result.get('diverged_at')}" if result["status"] == "diverged" else ""
        divergence += f": {reason}" if (reason := result.get("diverged_because")) else ""
        loss = result.get("loss_before")
        divergence += f"; the loss before was {loss:.4g}" if loss is not None else ""
        signatures = result.get("signatures") or {}
        weights, stopped = result.get("weights") or {}, result.get("stopped_early")
        remark = f"stopped early at step {stopped['step']}; " if stopped else ""
        if stopped and "threshold" in stopped:
            remark += f"its {stopped['metric']} was {stopped['value']:.4g}, the threshold {stopped['threshold']:.4g}"
        if weights.get("kept") == "best":
            remark += f"weights of step {weights['step']}, with the best {weights['metric']}: {weights['value']:.4g}"
        return cls(
            name,
            run.path,
            result["status"],
            result["summary"],
            signatures=signatures,
            divergence=divergence,
            remark=remark.removesuffix("; "),
            **marks,
        )

    @classmethod
    def unfinished(cls, name: str, run: RunDirectory, status: Literal["paused", "busy", "waiting"]) -> "TrialResult":
        """Return how a trial stands that has not ended."""
        return cls(name, run.path, status, {})

    @classmethod
    def read(cls, name: str, run: RunDirectory, config: TrialOptions) -> "TrialResult | None":
        """Return the result of a run that was finished before; None if it is unfinished."""
        if not (result := run.result()):
            return None
        source = (result.get("environment") or {}).get("source", "unknown")
        outdated = "by other code than today's" if source != devices.source_fingerprint(config) else ""
        if has_other_data(run, config.task):
            outdated = "on other data than today's"
        return cls.of(name, run, result, skipped=True, outdated=outdated)


def has_other_data(run: RunDirectory, task: Task) -> bool:
    """Return whether the data of a task have changed since the run started."""
    saved = run.processor().get("data", "") if run.processor_file.exists() else ""
    return bool(saved and task.fingerprint) and saved != task.fingerprint


def record_stems(options: TrialOptions) -> tuple[str, ...]:
    """Return the names of a run's record files, without their suffix."""
    return METRICS, *options.probes.enabled()


def check(options: TrialOptions, run: RunDirectory, restart: bool) -> None:
    """Check that a run can start or resume on this machine; on `restart`, whatever it has written so far.

    Raises:
        UserError: if a record cannot be read, there are too few devices, or the shards do not fit them.
    """
    details = {} if restart else checkpoint.newest_details(run.checkpoints)
    for stem in () if restart else record_stems(options):
        run.records(stem)
    if not details and (options.resume_from or options.init_from):
        origin.find(options)
    if options.model.backend == "cudnn":
        cudnn.require_kernel()
    num_devices, processes = jax.device_count(), jax.process_count()
    training, decided = options.training, details.get("batch_shards")
    if decided and (decided > num_devices or (processes > 1 and decided != num_devices)):
        needs = f"the run was started with {decided} batch shards and needs as many devices"
        raise UserError(f"{run.path}: {needs}, not {num_devices}; resume it where they exist, or remove the directory")
    count, size = training.batch_shards, training.batch_size
    fits = processes == 1 or count in (0, num_devices)
    require(fits, "training.batch_shards", count, f"0 or {num_devices}, the devices of all processes")
    require(count <= num_devices, "training.batch_shards", count, f"at most {num_devices}, the number of devices")
    divides = processes == 1 or size % num_devices == 0
    require(divides, "training.batch_size", size, f"a multiple of {num_devices}, the devices of all processes")


def find_starts(
    trials: Sequence[Trial], template: TrialState, peers: int
) -> tuple[dict[str, Start], list[TrialResult]]:
    """Return where unfinished trials start, by name, and the results of those that other processes finished meanwhile.

    `peers` is the number of trials of this program in the sweep, however few train here: they decide how many shards a
    batch has.
    """
    results = [result for trial in trials if (result := TrialResult.read(trial.name, trial.run, trial.config))]
    finished = {result.name for result in results}
    unfinished = [trial for trial in trials if trial.name not in finished]
    checkpoints = {
        trial.name: checkpoint.restore(trial.run.checkpoints, template, trial.run.mismatch) for trial in unfinished
    }
    starts: dict[str, Start] = {}
    warnings: dict[str, list[str]] = {}
    """Names of trials by what there is to say of them."""
    for trial in unfinished:
        if checkpoints[trial.name] and has_other_data(trial.run, trial.task):
            raise UserError(f"{trial.run.path}: its data have changed since it started; --restart trains anew")
        if processor := trial.task.processor():
            saved = {"spec": asdict(trial.task.spec), "processor": processor.to_dict()}
            trial.run.save_processor(saved | ({"data": digest} if (digest := trial.task.fingerprint) else {}))
        if saved := checkpoints[trial.name]:
            step, state, details, best = saved
            if details.get("source") not in (None, devices.source_fingerprint(trial.config)):
                warnings.setdefault(OTHER_CODE, []).append(trial.name)
            known = details.get("started_from", {})
            starts[trial.name] = Start(step, state, details["batch_shards"], details, best, known)
        else:
            if trial.run.records(METRICS, chosen=FIRST):
                warnings.setdefault(NO_CHECKPOINT, []).append(trial.name)
            first = origin.first_state(trial.config, template)
            starts[trial.name] = Start(**first, batch_shards=decide_shards(trial.options, peers))
    for text, names in warnings.items():
        more = f" and {len(names) - 1} more" if names[1:] else ""
        print(visible(f"warning: {names[0]}{more}: {text}"), file=sys.stderr)
    return starts, results


def decide_shards(options: TrialOptions, trials: int) -> int:
    """Return the number of batch shards of each new trial. With several processes, each trial uses all devices."""
    training = options.training
    at_once = 1 if jax.process_count() > 1 else trials
    return training.batch_shards or shards.spare_devices(at_once, jax.device_count(), training.batch_size)
