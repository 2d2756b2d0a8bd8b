"""Stochastic gradient descent."""

from dataclasses import dataclass
from typing import Literal

import optax
from jaxtyping import Array, Float

from research.options import require, traced
from research.training.optimizers.optimizer import Optimizer


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with optional momentum (Polyak 1964)."""

    name: Literal["sgd"] = "sgd"
    momentum: float = traced(0.0, off=0.0)
    """Fraction of the last direction that is added to the gradient; 0: none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.momentum < 1, "optimizer.momentum", self.momentum, "at least 0 and less than 1")

    def transform(self, rate: Float[Array, ""] | float) -> optax.GradientTransformation:
        return optax.sgd(rate, self.momentum)
