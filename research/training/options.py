"""Options of one training, and of a trial as a whole: the model's options beside those of how it is trained.

A trial's options are all that training reads. `research.config` adds what a trial is called and which experiment it
belongs to.
"""

import math
from dataclasses import dataclass, field

from research.options import LARGE, require, require_between, traced
from research.probes import Probes, default_probes
from research.seq2seq.options import Seq2seqOptions
from research.tasks.task import Task
from research.tracking.wandb import WandbOptions
from research.training.optimizers import Adam, Optimizer
from research.training.optimizers.optimizer import MAX_DECAY
from research.training.schedules import SCHEDULES, Constant, Schedule

MAX_COUNT = 2**31 - 1


@dataclass(frozen=True)
class TrainingOptions:
    """How long the model is trained, on what batches, and what is recorded."""

    steps: int = 1000
    """Updates of the weights."""
    batch_size: int = 32
    """Sequences in a batch."""
    batch_shards: int = 0
    """Parts of a batch, each computed by a device of its own; 0: as many as other trials leave devices idle."""
    max_seconds: float = 0.0
    """Seconds after which training ends, after at most `steps` updates; each trial then has the machine alone. 0: no
    limit."""
    divergence_loss: float = traced(1e6)
    """Loss above which a trial has diverged, as has one with a loss, gradient or weight that is not finite."""
    label_smoothing: float = traced(0.0, off=0.0)
    """Fraction of the target's probability that is spread evenly over all tokens or classes (Szegedy et al. 2016)."""
    gradient_regularizer: float = traced(0.0, off=0.0)
    """Weight of Omega on the encoder, which keeps the norm of the gradient over a step back in time (Pascanu, Mikolov,
    Bengio 2013)."""
    ema_decay: float = traced(0.0, off=0.0)
    """Decay of an exponential moving average of the weights, which is then what is evaluated; 0: no average."""
    log_every: int = 50
    """Updates between two records of the training metrics."""
    eval_every: int = 0
    """Updates between two evaluations on validation data; 0: only after the last update."""
    eval_examples: int = 1000
    """Examples of a split to evaluate on, at most."""
    checkpoint_seconds: float = 60.0
    """Least time between two checkpoints, in seconds; one more is always written at the end."""

    def __post_init__(self) -> None:
        counts = dict.fromkeys(("steps", "batch_size", "log_every", "eval_examples"), (1, MAX_COUNT))
        require_between(self, "training", **counts, eval_every=(0, MAX_COUNT), max_seconds=(0, 1e9))
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
class LoaderOptions:
    """How training examples are read that do not fit on the device; none of it changes a number."""

    num_threads: int = 4
    """Threads that read them, in each process that does."""
    num_workers: int = 0
    """Processes that read them; 0: threads of the training process."""

    def __post_init__(self) -> None:
        require_between(self, "loader", num_threads=(1, 256), num_workers=(0, 256))


@dataclass(frozen=True)
class TrialOptions(Seq2seqOptions):
    """All options that the training of one trial reads."""

    seed: int = traced(0)
    """Decides the initial weights and every random draw of the training."""
    task: Task = field(kw_only=True)
    optimizer: Optimizer = field(default_factory=Adam)
    schedule: Schedule = field(default_factory=Constant)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    loader: LoaderOptions = field(default_factory=LoaderOptions)
    probes: Probes = field(default_factory=default_probes)
    wandb: WandbOptions = field(default_factory=WandbOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.seed <= MAX_COUNT, "seed", self.seed, f"between 0 and {MAX_COUNT}")
        self.check_task(self.task.inputs, self.task.target, self.task.same_length)
        training = self.training
        smoothing, reason = training.label_smoothing, f"0, as the targets of {self.task.name} are values"
        require(smoothing == 0 or self.task.target != "value", "training.label_smoothing", smoothing, reason)
        timeless = ", ".join(name for name, schedule in SCHEDULES.items() if not schedule.needs_last_step)
        known = not (self.schedule.needs_last_step and training.max_seconds)
        allowed = f"one of {timeless} with training.max_seconds={training.max_seconds:g}"
        require(known, "schedule.name", self.schedule.name, allowed)
        weight, reason = training.gradient_regularizer, "0 with model.backend=cudnn (auto and scan allow it)"
        require(weight == 0 or self.model.backend != "cudnn", "training.gradient_regularizer", weight, reason)
        for probe in self.probes.enabled().values():
            probe.check(self)
