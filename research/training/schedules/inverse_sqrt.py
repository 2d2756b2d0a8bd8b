"""Inverse square root decay (Vaswani et al. 2017)."""

from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.training.schedules.schedule import Schedule


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    """Peak times sqrt(warmup_steps / updates) after the warmup (Vaswani et al. 2017)."""

    name: Literal["inverse_sqrt"] = "inverse_sqrt"

    def multiplier(self, step: Int[Array, ""], total_steps: int, state: Any) -> Float[Array, ""] | float:
        return jnp.sqrt(jnp.minimum(1.0, jnp.maximum(self.warmup_steps, 1) / (step + 1)))
