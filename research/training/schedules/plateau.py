"""A learning rate that falls when the training loss no longer does.

The loss is that of training: validation data decide nothing while a model is trained.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.options import require, require_between, traced
from research.training.schedules.schedule import Schedule

THRESHOLD = 1e-4
"""A mean of the loss is lower than another if it is so by this fraction of it, as in torch and optax."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PlateauState:
    """What the schedule knows of the loss."""

    factor: Float[Array, ""]
    lowest: Float[Array, ""]
    """The lowest mean."""
    total: Float[Array, ""]
    """Sum of the losses that the next mean is of."""
    count: Int[Array, ""]
    """Number of these losses."""
    waited: Int[Array, ""]
    """Means since the lowest, or since the rate fell."""


@dataclass(frozen=True)
class Plateau(Schedule):
    """The peak times `factor` for each plateau of the training loss so far."""

    name: Literal["plateau"] = "plateau"
    steps: int = traced(200)
    """Updates, after the warm-up, over which the training loss is averaged and compared with the lowest mean so far;
    lower is what is lower by 1 in 10,000 at least."""
    patience: int = traced(2)
    """Means that are no lower, one after the other, with the last of which the rate falls."""
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
