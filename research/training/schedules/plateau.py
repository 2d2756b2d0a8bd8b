"""Lower the learning rate when the training loss stops falling.

Only the training loss decides: no schedule uses validation data.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.options import require, require_between, traced
from research.training.schedules.schedule import Schedule

THRESHOLD = 1e-4
"""Least relative decrease of the mean loss that counts as lower, as in PyTorch and optax."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PlateauState:
    """Statistics of the training loss."""

    factor: Float[Array, ""]
    lowest: Float[Array, ""]
    """Lowest mean loss so far."""
    total: Float[Array, ""]
    """Sum of the losses since the last mean."""
    count: Int[Array, ""]
    """Number of these losses."""
    waited: Int[Array, ""]
    """Means since the lowest one, or since the learning rate fell."""


@dataclass(frozen=True)
class Plateau(Schedule):
    """Peak times `factor` for each plateau of the training loss so far."""

    name: Literal["plateau"] = "plateau"
    steps: int = traced(200)
    """Updates over which the training loss is averaged, after the warmup. A mean is lower than the lowest so far if it
    is lower by at least 0.01%."""
    patience: int = traced(2)
    """Number of successive means that are not lower, after which the learning rate falls."""
    factor: float = traced(0.5)
    """Factor on the learning rate at a plateau."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "schedule", steps=(1, 2**31 - 1), patience=(1, 2**31 - 1))
        require(0 < self.factor < 1, "schedule.factor", self.factor, "greater than 0 and less than 1")

    def init(self) -> PlateauState:
        return PlateauState(jnp.float32(1), jnp.float32(jnp.inf), jnp.float32(0), jnp.int32(0), jnp.int32(0))

    def observe(self, state: PlateauState, loss: Float[Array, ""], step: Int[Array, ""]) -> PlateauState:
        counts = step >= self.warmup_steps
        total, count = state.total + jnp.where(counts, loss, 0), state.count + counts
        mean = total / self.steps
        lower = mean < (1 - THRESHOLD) * state.lowest
        waited = jnp.where(lower, 0, state.waited + 1)
        falls = waited == self.patience
        after_mean = PlateauState(
            factor=jnp.where(falls, state.factor * self.factor, state.factor),
            lowest=jnp.where(lower, mean, state.lowest),
            total=jnp.zeros_like(total),
            count=jnp.zeros_like(count),
            waited=jnp.where(falls, 0, waited),
        )
        within_mean = PlateauState(state.factor, state.lowest, total, count, state.waited)
        full = count == self.steps
        return jax.tree.map(lambda new, old: jnp.where(full, new, old), after_mean, within_mean)

    def multiplier(self, step: Int[Array, ""], total_steps: int, state: PlateauState) -> Float[Array, ""] | float:
        return state.factor
