"""Options of the training loop, and `TrialOptions`: all options of a trial, of the model and of its training.

`research.config.Config` adds the experiment, setting and variant that a trial belongs to.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from research.errors import UserError
from research.options import LARGE, require, require_between, require_default, static_key, traced
from research.probes import Probes, default_probes
from research.seq2seq.options import Seq2seqOptions
from research.tasks.task import Task
from research.tracking.tensorboard import TrackingOptions
from research.tracking.wandb import WandbOptions
from research.training.optimizers import Adam, Optimizer
from research.training.optimizers.optimizer import MAX_DECAY
from research.training.schedules import SCHEDULES, Constant, Schedule

MAX_COUNT = 2**31 - 1

T = TypeVar("T")


@dataclass(frozen=True)
class TrainingOptions:
    """Length of the training, batches, logging, evaluation and checkpoints."""

    steps: int = 1000
    """Updates of the weights."""
    batch_size: int = 32
    """Sequences in a batch."""
    batch_shards: int = 0
    """Shards of each batch, one for each device that computes it; 0: as many as there are idle devices per trial."""
    max_seconds: float = 0.0
    """Time limit of the updates, in seconds, in addition to `steps`. Trials with a limit train one after the other. 0:
    no limit."""
    divergence_loss: float = traced(1e6)
    """Loss above which a trial counts as diverged. A loss, gradient or weight that is not finite always does."""
    label_smoothing: float = traced(0.0, off=0.0)
    """Probability that is spread evenly over all tokens or classes of the target (Szegedy et al. 2016)."""
    gradient_regularizer: float = traced(0.0, off=0.0)
    """Weight of Omega, which keeps the norm of the encoder's gradient constant over time (Pascanu, Mikolov, Bengio
    2013)."""
    ema_decay: float = traced(0.0, off=0.0)
    """Decay of an exponential moving average of the weights, used in evaluation; 0: no average."""
    log_every: int = 50
    """Updates between two records of the training metrics."""
    eval_every: int = 0
    """Updates between two evaluations on validation data; 0: only after the last update."""
    eval_examples: int = 1000
    """Largest number of examples of a split to evaluate on."""
    early_stopping_patience: int = 0
    """Evaluations in a row without a better `checkpoint.metric` after which a trial stops; 0: it never does."""
    checkpoint_seconds: float = 60.0
    """Least time between two checkpoints, in seconds. The last state is always saved."""

    def __post_init__(self) -> None:
        counts = dict.fromkeys(("steps", "batch_size", "log_every", "eval_examples"), (1, MAX_COUNT))
        require_between(self, "training", **counts, eval_every=(0, MAX_COUNT), max_seconds=(0, 1e9))
        require_between(self, "training", early_stopping_patience=(0, MAX_COUNT))
        require_between(self, "training", ema_decay=(0, MAX_DECAY), gradient_regularizer=(0, LARGE))
        require_between(self, "training", checkpoint_seconds=(0, math.inf))
        loss = self.divergence_loss
        require(0 < loss < math.inf, "training.divergence_loss", loss, "greater than 0 and finite")
        smoothing = self.label_smoothing
        require(0 <= smoothing < 1, "training.label_smoothing", smoothing, "at least 0 and less than 1")
        shards = self.batch_shards
        divides = shards == 0 or (shards > 0 and self.batch_size % shards == 0)
        require(divides, "training.batch_shards", shards, f"0 or a divisor of training.batch_size={self.batch_size}")


@dataclass(frozen=True)
class CheckpointOptions:
    """Which weights are kept, scored on test data and used by `predict` and `evaluate`."""

    keep: Literal["last", "best", "both"] = "last"
    """last: those of the last update; best: those of the best evaluation on validation data; both: the best are used,
    and the last are kept, too."""
    metric: str = "loss"
    """Metric on validation data that tells the best evaluation; the last part of its name is enough if one has it."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether less or more of the metric is better; auto: as its name says."""


@dataclass(frozen=True)
class LoaderOptions:
    """How training examples that do not fit on the device are read. No option changes a result."""

    num_threads: int = 4
    """Threads in each process that reads."""
    num_workers: int = 0
    """Processes that read; 0: the training process reads."""

    def __post_init__(self) -> None:
        require_between(self, "loader", num_threads=(1, 256), num_workers=(0, 256))


@dataclass(frozen=True)
class TrialOptions(Seq2seqOptions):
    """All options that decide the result of a trial."""

    seed: int = traced(0)
    """Seed of the initial weights, the batches and all noise."""
    resume_from: str = ""
    """Directory of a finished run to go on from: its weights, optimizer and step are the first of this trial."""
    init_from: str = ""
    """Directory of a finished run whose weights are the initial ones, where name and shape fit."""
    task: Task = field(kw_only=True)
    optimizer: Optimizer = field(default_factory=Adam)
    schedule: Schedule = field(default_factory=Constant)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    checkpoint: CheckpointOptions = field(default_factory=CheckpointOptions)
    loader: LoaderOptions = field(default_factory=LoaderOptions)
    probes: Probes = field(default_factory=default_probes)
    tracking: TrackingOptions = field(default_factory=TrackingOptions)
    wandb: WandbOptions = field(default_factory=WandbOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.seed <= MAX_COUNT, "seed", self.seed, f"between 0 and {MAX_COUNT}")
        self.check_task(self.task.input_kind, self.task.target_kind)
        training = self.training
        smoothing, reason = training.label_smoothing, f"0, as the targets of {self.task.name} are values"
        require(smoothing == 0 or self.task.target_kind != "value", "training.label_smoothing", smoothing, reason)
        timeless = ", ".join(name for name, schedule in SCHEDULES.items() if not schedule.needs_last_step)
        known = not (self.schedule.needs_last_step and training.max_seconds)
        allowed = f"one of {timeless} with training.max_seconds={training.max_seconds:g}"
        require(known, "schedule.name", self.schedule.name, allowed)
        weight, reason = training.gradient_regularizer, "0 with model.backend=cudnn (auto and scan allow it)"
        require(weight == 0 or self.model.backend != "cudnn", "training.gradient_regularizer", weight, reason)
        for probe in self.probes.enabled().values():
            probe.check(self)
        keep, patience = f"checkpoint.keep={self.checkpoint.keep}", training.early_stopping_patience
        by = f"training.early_stopping_patience={patience}" if patience else keep
        every = training.eval_every
        require(every > 0 or not self.monitored, "training.eval_every", every, f"greater than 0 with {by}")
        for name in ("metric", "mode"):
            require_default(self.checkpoint, "checkpoint", name, self.monitored, f"{keep} without early stopping")
        if self.resume_from and self.init_from:
            raise UserError(f"resume_from={self.resume_from}: must be absent with init_from={self.init_from}")

    @property
    def monitored(self) -> bool:
        """Whether evaluations during training decide which weights are kept, or when it stops."""
        return self.checkpoint.keep != "last" or self.training.early_stopping_patience > 0

    def completes_record(self, step: int) -> bool:
        """Return whether a record of training metrics ends at a step; if monitored, one does at each evaluation."""
        training = self.training
        return step % training.log_every == 0 or (self.monitored and step % training.eval_every == 0)


def group_by_program(
    trials: Sequence[T], named: Callable[[T], tuple[str, TrialOptions]], most: int = 0
) -> list[list[T]]:
    """Group trials that one program trains, in the order of first appearance.

    `named` returns name and options of a trial. A group has at most `most` trials; 0: no limit.
    """
    groups: dict[Any, list[T]] = {}
    for trial in trials:
        name, options = named(trial)  # one with a time limit trains alone
        key = name if options.training.max_seconds else "", static_key(options)
        groups.setdefault(key, []).append(trial)
    size = most or max(1, len(trials))
    return [group[k : k + size] for group in groups.values() for k in range(0, len(group), size)]
