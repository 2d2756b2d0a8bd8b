"""What may differ between the trials of one compiled program, and what decides that program."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from research.batch import Interface
from research.config import NOISE, Config
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
    "training.clip_norm",
    "training.loss_ceiling",
    "training.label_smoothing",
    "forcing.policy",
    "forcing.ratio",
    "forcing.half_life",
    "forcing.floor",
    "forcing.unit",
    *(f"training.{name}" for name in NOISE),
)
LABELS = ("experiment", "setting", "arm")
"""Keys that only name a trial; no program reads them, nor the keys that a continuation may change."""


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
    clip_norm: Float[Array, "*K"]
    loss_ceiling: Float[Array, "*K"]
    forcing: Forcing | None
    """None: always."""
    label_smoothing: Float[Array, "*K"] | None
    rates: Rates
    """Of dropout and zoneout."""

    def conditions(self, step: Int[Array, ""]) -> Conditions:
        """What holds in update number `step`, from 0."""
        if self.forcing is None:
            return Conditions(label_smoothing=self.label_smoothing, rates=self.rates)
        return Conditions(self.forcing.rate(step), self.forcing.whole, self.label_smoothing, self.rates)


def of(config: Config, interface: Interface) -> Hparams:
    """One trial's hyperparameters, as NumPy scalars of the types that the program is compiled for."""
    training = config.training
    return Hparams(
        seed=_scalar(config.seed, np.int32),
        init=InitScheme.of(config.init, interface.input_length),
        learning_rate=_scalar(training.learning_rate),
        warmup_steps=_scalar(training.warmup_steps),
        cosine=_scalar(training.decay == "cosine"),
        clip_norm=_scalar(training.clip_norm),
        loss_ceiling=_scalar(training.loss_ceiling),
        forcing=None if config.forcing.policy == "always" else Forcing.of(config.forcing),
        label_smoothing=_scalar(training.label_smoothing) if training.label_smoothing else None,
        rates=Rates(**{name: _scalar(getattr(training, name)) or None for name in NOISE}),
    )


def static_of(config: Config) -> tuple[tuple[str, Any], ...]:
    """What decides the program: trials that agree in it are trained in one."""
    fixed = tuple(
        (key, value)
        for key, value in flatten(config).items()
        if key not in DYNAMIC + LABELS and not key.startswith(NEUTRAL_KEYS)
    )
    switched = ("label_smoothing", *NOISE)
    on = tuple((f"training.{name} > 0", getattr(config.training, name) > 0) for name in switched)
    return (*fixed, *on, ("always forced", config.forcing.policy == "always"))


def stack(trials: list[Hparams]) -> Hparams:
    """Hyperparameters of a pack, with a leading axis K."""
    return jax.tree.map(lambda *values: np.stack(values), *trials)


def _scalar(value: float, kind: type[np.generic] = np.float32) -> Any:
    """A NumPy scalar, which is an array as soon as a program gets it."""
    return kind(value)
