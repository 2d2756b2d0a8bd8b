"""The base class of learning rate schedules: a linear warmup, times a factor that may depend on a state.

    learning rate of update i, from 1:    peak * min(1, i / w) * multiplier(i)        w warmup updates

Unlike those of optax, these schedules take traced numbers of steps.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from research.errors import require_returned
from research.options import require_between, traced


@dataclass(frozen=True)
class Schedule:
    """The base of all schedules."""

    needs_last_step: ClassVar[bool] = False
    """Whether the factor depends on the total number of updates, which is unknown with `training.max_seconds`."""

    name: str = ""
    warmup_steps: int = traced(0)
    """Updates during which the learning rate rises linearly from 0 to its peak."""

    def __post_init__(self) -> None:
        require_between(self, "schedule", warmup_steps=(0, 2**31 - 1))

    def init(self) -> Any:
        """Return the state before the first update; None: the schedule has no state."""
        return None

    def observe(self, state: Any, loss: Float[Array, ""], step: Int[Array, ""]) -> Any:
        """Return the state after update number `step`, from 0, given its training loss."""
        return state

    def multiplier(self, step: Int[Array, ""], total_steps: int, state: Any) -> Float[Array, ""] | float:
        """Return the factor of update number `step`, from 0, of `total_steps`, without the warmup."""
        raise NotImplementedError

    def rate(
        self, peak: Float[Array, ""] | float, step: Int[Array, ""], total_steps: int, state: Any = None
    ) -> Float[Array, ""]:
        """Return the learning rate of update number `step`, from 0, of `total_steps`."""
        rise = jnp.minimum(1.0, (step + 1) / jnp.maximum(self.warmup_steps, 1))
        factor = self.multiplier(step, total_steps, state)
        require_returned(np.shape(factor) == (), f"schedule {self.name}: multiplier returns", factor, "a number")
        return peak * rise * factor
