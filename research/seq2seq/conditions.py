"""What holds in one update: how targets are forced, smoothed, and what is dropped."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from research.config import ForcingConfig
from research.recurrent.dropout import OFF, Rates

CONSTANT, LINEAR, EXPONENTIAL, INVERSE_SIGMOID = range(4)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Forcing:
    """The course of teacher forcing over a training, as numbers that trials of one program may differ in.

        linear            max(floor, 1 - i / (2 n))
        exponential       max(floor, k^i)                     k = 2^(-1/n)
        inverse sigmoid   max(floor, k / (k + exp(i / k)))    k ln k = n

    with update i (from 0) and half-life n: the three of Bengio et al. 2015, each of which is 1/2 at i = n.
    """

    course: Int[Array, "*K"]
    ratio: Float[Array, "*K"]
    half_life: Float[Array, "*K"]
    floor: Float[Array, "*K"]
    steepness: Float[Array, "*K"]
    """k of the inverse sigmoid."""
    whole: Float[Array, "*K"]
    """1: one draw for all tokens of a target; 0: one for each."""

    @classmethod
    def of(cls, config: ForcingConfig) -> "Forcing":
        from scipy.special import lambertw  # k ln k = n  <=>  k = n / W(n)

        courses = {"linear": LINEAR, "exponential": EXPONENTIAL, "inverse_sigmoid": INVERSE_SIGMOID}
        ratio = {"always": 1.0, "never": 0.0}.get(config.policy, config.ratio)
        numbers = (ratio, config.half_life, config.floor, config.half_life / lambertw(config.half_life).real)
        whole = config.unit == "sequence"
        return cls(_scalar(courses.get(config.policy, CONSTANT), np.int32), *map(_scalar, (*numbers, whole)))

    def rate(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """The probability of the true token in update number `step`, from 0."""
        i, k = step.astype(self.ratio.dtype), self.steepness
        courses = jnp.stack(
            [
                1 - i / (2 * self.half_life),
                jnp.exp2(-i / self.half_life),
                1 / (1 + jnp.exp(jnp.minimum(i / k, 80.0)) / k),
            ]
        )
        falling = jnp.maximum(courses[jnp.maximum(self.course - LINEAR, 0)], self.floor)
        return jnp.where(self.course == CONSTANT, self.ratio, falling)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Conditions:
    """Of one update; None: off, and then nothing of it is in the program."""

    teacher_forcing: Float[Array, ""] | None = None
    """Probability of the true previous token; None: it is always fed."""
    whole: Float[Array, ""] | None = None
    """1: one draw for all tokens of a target; 0 or None: one for each."""
    label_smoothing: Float[Array, ""] | None = None
    rates: Rates = OFF
    gradient_regulariser: Float[Array, ""] | None = None
    """Weight of Omega of the encoder, the mean over the sequences (see `recurrent.regulariser`)."""


PLAIN = Conditions()


def _scalar(value: float, kind: type[np.generic] = np.float32) -> Any:
    """A NumPy scalar, which is an array as soon as a program gets it."""
    return kind(value)
