"""Options of the training: how long, with which rule, and what is recorded of it."""

from dataclasses import dataclass
from typing import Literal

from research.config.checks import LARGE, require, require_default, require_positive

NOISE = ("input_dropout", "output_dropout", "recurrent_dropout", "attention_dropout", "zoneout_h", "zoneout_c")
"""Rates of a training; whether one is 0 decides the program."""
SLOWEST = 1 - 1e-6
"""The largest decay of a mean: float32 still tells it from 1."""
READERS = {
    "beta1": ("adam", "adamw"),
    "beta2": ("adam", "adamw"),
    "square_decay": ("rmsprop",),
    "epsilon": ("adam", "adamw", "rmsprop"),
    "momentum": ("sgd", "rmsprop"),
    "weight_decay": ("adamw",),
}
"""The numbers of an update rule, and the rules that read them."""


@dataclass(frozen=True)
class TrainingConfig:
    """How long and how the model is trained."""

    steps: int = 1000
    """Updates of the weights."""
    batch_size: int = 32
    """Sequences in a batch."""
    batch_shards: int = 0
    """Parts of a batch, each computed by a device of its own; 0: as many as other trials leave devices idle."""
    seconds: float = 0.0
    """Train for so long, at most `steps` updates, each trial alone on the machine; 0: for all steps."""
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    """Update rule (optax)."""
    beta1: float = 0.9
    """adam, adamw: decay of the mean of the gradient."""
    beta2: float = 0.999
    """adam, adamw: decay of the mean of its square."""
    square_decay: float = 0.9
    """rmsprop: decay of the mean of the gradient's square."""
    epsilon: float = 1e-8
    """adam, adamw, rmsprop: added to the root of that mean."""
    momentum: float = 0.0
    """sgd: share of the last direction in the next; rmsprop: of the last update, learning rate included."""
    weight_decay: float = 0.0
    """adamw: share of a matrix, times the learning rate, that each update takes off; vectors are spared."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    warmup_steps: int = 0
    """Steps in which the learning rate rises from 0 to its peak."""
    decay: Literal["none", "cosine", "inverse_sqrt", "plateau"] = "none"
    """Course of the learning rate after the warm-up: cosine falls from the peak to 0, which the update after the last
    would have; inverse_sqrt is the peak times the root of warmup_steps / step (Vaswani et al. 2017); plateau falls when
    the training loss does not."""
    plateau_steps: int = 200
    """plateau: updates, after the warm-up, over which the training loss is averaged and compared with the lowest mean
    so far; lower is what is lower by 1 in 10,000 at least."""
    plateau_patience: int = 2
    """plateau: means that are no lower, one after the other, with the last of which the rate falls."""
    plateau_factor: float = 0.5
    """plateau: what the rate is multiplied by."""
    clip_norm: float = 1.0
    """Global gradient norm above which the gradient is scaled down; inf: never."""
    clip_value: float = float("inf")
    """Magnitude beyond which each entry of the gradient is cut, before its norm is taken; inf: never."""
    loss_ceiling: float = 1e6
    """A trial whose loss exceeds this has diverged, as has one with a loss, gradient or weight that is not finite."""
    label_smoothing: float = 0.0
    """Share of the target's probability that is spread evenly over all tokens or classes (Szegedy et al. 2016)."""
    gradient_regulariser: float = 0.0
    """Weight of Omega on the encoder: a step back in time is to keep the norm of the gradient (Pascanu, Mikolov, Bengio
    2013)."""
    ema_decay: float = 0.0
    """Decay of the exponential moving average of the weights, which are then those evaluated; 0: no average."""
    input_dropout: float = 0.0
    """Share to drop of what enters the first layer, the same at all steps (Gal & Ghahramani 2016): embeddings; in a
    decoder also the context and the read-out, where they enter. Input features are spared."""
    output_dropout: float = 0.0
    """Share of a layer's output to drop, the same at all steps."""
    recurrent_dropout: float = 0.0
    """Share of the state to drop where it enters a recurrent product, the same at all steps."""
    attention_dropout: float = 0.0
    """Share of the attention's weights to drop, drawn for each of them."""
    zoneout_h: float = 0.0
    """Share of h to hold, drawn at every step (Krueger et al. 2017)."""
    zoneout_c: float = 0.0
    """Share of the rest of the state to hold, such as the cell state c of the lstm."""
    log_every: int = 50
    """Steps between two records of the training metrics."""
    eval_every: int = 0
    """Steps between two evaluations; 0: only after the last step."""
    eval_examples: int = 1000
    """Held-out examples of an evaluation, at most."""
    checkpoint_seconds: float = 60.0
    """Least time between two checkpoints, in seconds; one more is always written at the end."""

    def __post_init__(self) -> None:
        counts = ("steps", "batch_size", "learning_rate", "loss_ceiling", "log_every", "eval_examples")
        require_positive(self, "training", *counts)
        for name in ("steps", "batch_size", "log_every", "eval_every", "eval_examples"):
            require(getattr(self, name) < 2**31, f"training.{name}", getattr(self, name), "less than 2**31")
        require(self.clip_norm > 0, "training.clip_norm", self.clip_norm, "greater than 0 (inf: never clip)")
        shards = self.batch_shards
        divides = shards == 0 or (shards > 0 and self.batch_size % shards == 0)
        require(divides, "training.batch_shards", shards, f"0 or a divisor of training.batch_size={self.batch_size}")
        for name in (*NOISE, "label_smoothing", "momentum"):
            require(0 <= getattr(self, name) < 1, f"training.{name}", getattr(self, name), "at least 0 and less than 1")
        for name in ("warmup_steps", "eval_every", "checkpoint_seconds"):
            require(getattr(self, name) >= 0, f"training.{name}", getattr(self, name), "at least 0")
        require(0 <= self.seconds <= 1e9, "training.seconds", self.seconds, "between 0 and 1e9")
        allowed = f"none, inverse_sqrt or plateau with training.seconds={self.seconds:g}: the last step is not known"
        require(self.decay != "cosine" or self.seconds == 0, "training.decay", self.decay, allowed)
        self._check_rule()

    def _check_rule(self) -> None:
        """The numbers of the update rule and of the learning rate's course: their ranges, and that they are read."""
        ranges = {
            (0, SLOWEST): ("beta1", "beta2", "square_decay", "ema_decay"),
            (0, LARGE): ("weight_decay", "gradient_regulariser"),
            (1e-30, 1): ("epsilon",),
            (1, 2**31 - 1): ("plateau_steps", "plateau_patience"),
        }
        for (least, most), names in ranges.items():
            for name in names:
                value = getattr(self, name)
                require(least <= value <= most, f"training.{name}", value, f"between {least:g} and {most}")
        require(self.clip_value > 0, "training.clip_value", self.clip_value, "greater than 0 (inf: never cut)")
        factor = self.plateau_factor
        require(0 < factor < 1, "training.plateau_factor", factor, "greater than 0 and less than 1")
        for name, rules in READERS.items():
            require_default(self, "training", name, self.optimizer in rules, f"training.optimizer={self.optimizer}")
        for name in ("plateau_steps", "plateau_patience", "plateau_factor"):
            require_default(self, "training", name, self.decay == "plateau", f"training.decay={self.decay}")


@dataclass(frozen=True)
class ProbesConfig:
    """What is read from the training step beside the loss."""

    gradient_flow_every: int = 0
    """Steps between two records of the norm of dL/dh_t for every t, the first at initialisation; 0: none."""

    def __post_init__(self) -> None:
        every = self.gradient_flow_every
        require(every >= 0, "probes.gradient_flow_every", every, "at least 0")


@dataclass(frozen=True)
class TrackingConfig:
    """Where metrics go beside the run directory."""

    wandb: Literal["auto", "online", "offline", "disabled"] = "auto"
    """W&B mode; auto: online when the user is logged in, offline otherwise."""
    project: str = "recurrent-research"
    """W&B project."""


@dataclass(frozen=True)
class InputConfig:
    """How training examples are read that do not fit on the device; none of it changes a number."""

    threads: int = 4
    """Threads that read them, in each process that does."""
    workers: int = 0
    """Processes that read them; 0: the threads of the training process."""

    def __post_init__(self) -> None:
        require(1 <= self.threads <= 256, "input.threads", self.threads, "between 1 and 256")
        require(0 <= self.workers <= 256, "input.workers", self.workers, "between 0 and 256")
