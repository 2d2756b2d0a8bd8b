"""Cosine decay (Loshchilov, Hutter 2017)."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.training.schedules.schedule import Schedule


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from the peak, after the warmup, to 0 (Loshchilov, Hutter 2017).

    As in optax: the factor of update i, from 1, is (1 + cos(pi (i - 1 - w) / (n - w))) / 2, with n updates in total and
    w warmup updates.
    """

    needs_last_step: ClassVar[bool] = True
    name: Literal["cosine"] = "cosine"

    def multiplier(self, step: Int[Array, ""], total_steps: int, state: Any) -> Float[Array, ""] | float:
        warmup = self.warmup_steps
        progress = jnp.clip((step - warmup) / jnp.maximum(total_steps - warmup, 1), 0.0, 1.0)
        return 1 - 0.5 * (1 - jnp.cos(jnp.pi * progress))
