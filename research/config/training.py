"""Options of the training: how long, with which rule, and what is recorded of it."""

from dataclasses import dataclass
from typing import Literal

from research.config.checks import require, require_positive

NOISE = ("input_dropout", "output_dropout", "recurrent_dropout", "attention_dropout", "zoneout_h", "zoneout_c")
"""Rates of a training; whether one is 0 decides the program."""


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
    """sgd, rmsprop: share of the last update in the next."""
    weight_decay: float = 0.0
    """adamw: share of a matrix, times the learning rate, that each update takes off; vectors are spared."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    warmup_steps: int = 0
    """Steps in which the learning rate rises from 0 to its peak."""
    decay: Literal["none", "cosine", "inverse_sqrt", "plateau"] = "none"
    """Course of the learning rate after the warm-up: cosine reaches 0 at the last step; inverse_sqrt falls with the
    root of the steps since the start; plateau falls when the training loss does not."""
    plateau_steps: int = 200
    """plateau: updates over which the training loss is averaged and compared with the lowest such mean."""
    plateau_patience: int = 2
    """plateau: means that must be no lower, one after the other, before the rate falls."""
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
    """Weight of Pascanu's Omega on the encoder: a step back in time is to keep the norm of the gradient."""
    ema_decay: float = 0.0
    """Decay of the exponential moving average of the weights, which are then those evaluated; 0: no average."""
    input_dropout: float = 0.0
    """Share of an embedding to drop, the same at all steps (Gal & Ghahramani 2016)."""
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
        for name in NOISE:
            require(0 <= getattr(self, name) < 1, f"training.{name}", getattr(self, name), "at least 0 and less than 1")
        for name in ("warmup_steps", "eval_every", "checkpoint_seconds"):
            require(getattr(self, name) >= 0, f"training.{name}", getattr(self, name), "at least 0")


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
