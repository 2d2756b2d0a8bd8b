"""Cosine decay (Loshchilov, Hutter 2017)."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.training.schedules.schedule import Schedule


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from the peak, after the warm-up, to 0, which the update after the last would have.

    Loshchilov, Hutter 2017, as in optax: with n updates in all and w of warm-up, update i (from 1) has the factor
    (1 + cos(pi (i - 1 - w) / (n - w))) / 2.
    """

    needs_last_step: ClassVar[bool] = True
    name: Literal["cosine"] = "cosine"

    def multiplier(self, step: Int[Array, ""], total_steps: int, state: Any) -> Float[Array, ""] | float:
        warmup = self.warmup_steps
        progress = jnp.clip((step - warmup) / jnp.maximum(total_steps - warmup, 1), 0.0, 1.0)
        return 1 - 0.5 * (1 - jnp.cos(jnp.pi * progress))
