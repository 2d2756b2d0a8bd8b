"""What may differ between the trials of one compiled program, and what decides that program."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from research.batch import Interface
from research.config import NOISE, Config, TrainingConfig
from research.dotted import flatten
from research.recurrent.dropout import Rates
from research.recurrent.initial import InitScheme
from research.seq2seq.conditions import Conditions, Forcing
from research.tracking.runs import NEUTRAL_KEYS

DYNAMIC = (
    "seed",
    "init.gain",
    "init.connections",
    "init.input_gain",
    "init.bias",
    "init.forget_bias",
    "init.chrono_length",
    "training.learning_rate",
    "training.warmup_steps",
    "training.decay",
    "training.plateau_steps",
    "training.plateau_patience",
    "training.plateau_factor",
    "training.beta1",
    "training.beta2",
    "training.square_decay",
    "training.epsilon",
    "training.momentum",
    "training.weight_decay",
    "training.clip_norm",
    "training.clip_value",
    "training.loss_ceiling",
    "training.label_smoothing",
    "training.gradient_regulariser",
    "training.ema_decay",
    "forcing.policy",
    "forcing.ratio",
    "forcing.half_life",
    "forcing.floor",
    "forcing.unit",
    *(f"training.{name}" for name in NOISE),
)
LABELS = ("experiment", "setting", "arm")
"""Keys that only name a trial; no program reads them, nor the keys that a continuation may change."""
SWITCHED = ("momentum", "label_smoothing", "gradient_regulariser", "ema_decay", *NOISE)
"""Numbers of the training that are off where they are 0, which decides the program."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rule:
    """The numbers of the update rule. Where a mean is almost all past, float32 holds what is new in it better."""

    share1: Float[Array, "*K"]
    """1 - beta1."""
    share2: Float[Array, "*K"]
    """1 - beta2."""
    square_decay: Float[Array, "*K"]
    epsilon: Float[Array, "*K"]
    momentum: Float[Array, "*K"] | None
    weight_decay: Float[Array, "*K"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Patience:
    """When the learning rate falls on a plateau, and how far."""

    steps: Int[Array, "*K"]
    means: Int[Array, "*K"]
    factor: Float[Array, "*K"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hparams:
    """Arrays: one trial's are scalars, a pack's have a leading axis K."""

    seed: Int[Array, "*K"]
    init: InitScheme
    learning_rate: Float[Array, "*K"]
    warmup_steps: Float[Array, "*K"]
    cosine: Float[Array, "*K"]
    """1: the learning rate decays to 0 at the last step; 0: it stays."""
    inverse_sqrt: Float[Array, "*K"]
    """1: it falls with the root of the updates; 0: it stays."""
    patience: Patience | None
    """None: it does not look at the loss."""
    rule: Rule
    clip_norm: Float[Array, "*K"]
    clip_value: Float[Array, "*K"] | None
    loss_ceiling: Float[Array, "*K"]
    forcing: Forcing | None
    """None: always."""
    label_smoothing: Float[Array, "*K"] | None
    gradient_regulariser: Float[Array, "*K"] | None
    """Weight of Omega."""
    averaging: Float[Array, "*K"] | None
    """1 - ema_decay: the share of the newest weights in their average; None: there is none."""
    rates: Rates
    """Of dropout and zoneout."""

    def conditions(self, step: Int[Array, ""]) -> Conditions:
        """What holds in update number `step`, from 0."""
        fed = (None, None) if self.forcing is None else (self.forcing.rate(step), self.forcing.whole)
        return Conditions(*fed, self.label_smoothing, self.rates, self.gradient_regulariser)


def of(config: Config, interface: Interface) -> Hparams:
    """One trial's hyperparameters, as NumPy scalars of the types that the program is compiled for."""
    training = config.training
    cut = training.clip_value < math.inf
    return Hparams(
        seed=_scalar(config.seed, np.int32),
        init=InitScheme.of(config.init, interface.input_length),
        learning_rate=_scalar(training.learning_rate),
        warmup_steps=_scalar(training.warmup_steps),
        cosine=_scalar(training.decay == "cosine"),
        inverse_sqrt=_scalar(training.decay == "inverse_sqrt"),
        patience=_patience(training) if training.decay == "plateau" else None,
        rule=_rule(training),
        clip_norm=_scalar(training.clip_norm),
        clip_value=_scalar(training.clip_value) if cut else None,
        loss_ceiling=_scalar(training.loss_ceiling),
        forcing=None if config.forcing.policy == "always" else Forcing.of(config.forcing),
        label_smoothing=_switched(training.label_smoothing),
        gradient_regulariser=_switched(training.gradient_regulariser),
        averaging=_scalar(1 - training.ema_decay) if training.ema_decay else None,
        rates=Rates(**{name: _switched(getattr(training, name)) for name in NOISE}),
    )


def _rule(training: TrainingConfig) -> Rule:
    return Rule(
        share1=_scalar(1 - training.beta1),
        share2=_scalar(1 - training.beta2),
        square_decay=_scalar(training.square_decay),
        epsilon=_scalar(training.epsilon),
        momentum=_switched(training.momentum),
        weight_decay=_scalar(training.weight_decay),
    )


def _patience(training: TrainingConfig) -> Patience:
    return Patience(
        steps=_scalar(training.plateau_steps, np.int32),
        means=_scalar(training.plateau_patience, np.int32),
        factor=_scalar(training.plateau_factor),
    )


def static_of(config: Config) -> tuple[tuple[str, Any], ...]:
    """What decides the program: trials that agree in it are trained in one."""
    fixed = tuple(
        (key, value)
        for key, value in flatten(config).items()
        if key not in DYNAMIC + LABELS and not key.startswith(NEUTRAL_KEYS)
    )
    training = config.training
    on = tuple((f"training.{name} > 0", getattr(training, name) > 0) for name in SWITCHED)
    cut, plateau = training.clip_value < math.inf, training.decay == "plateau"
    forced = config.forcing.policy == "always"
    return (*fixed, *on, ("values are cut", cut), ("looks for a plateau", plateau), ("always forced", forced))


def stack(trials: list[Hparams]) -> Hparams:
    """Hyperparameters of a pack, with a leading axis K."""
    return jax.tree.map(lambda *values: np.stack(values), *trials)


def _switched(value: float) -> Any:
    """None where the number is off."""
    return _scalar(value) if value else None


def _scalar(value: float, kind: type[np.generic] = np.float32) -> Any:
    """A NumPy scalar, which is an array as soon as a program gets it."""
    return kind(value)
