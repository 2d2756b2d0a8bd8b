"""A constant learning rate."""

from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Array, Float, Int

from research.training.schedules.schedule import Schedule


@dataclass(frozen=True)
class Constant(Schedule):
    """Constant learning rate after the warmup."""

    name: Literal["constant"] = "constant"

    def multiplier(self, step: Int[Array, ""], total_steps: int, state: Any) -> Float[Array, ""] | float:
        return 1.0
