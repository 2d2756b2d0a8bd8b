"""RMSProp (Hinton 2012)."""

from dataclasses import dataclass
from typing import Literal

import optax
from jaxtyping import Array, Float

from research.options import require, require_between, traced
from research.training.optimizers.optimizer import MAX_DECAY, Optimizer


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """RMSProp as in PyTorch: gradient divided by the root of the mean squared gradient (Hinton 2012)."""

    name: Literal["rmsprop"] = "rmsprop"
    decay: float = traced(0.9)
    """Decay of the mean of the squared gradient."""
    eps: float = traced(1e-8)
    """Added to the denominator."""
    momentum: float = traced(0.0, off=0.0)
    """Fraction of the last update that is added to the next one; 0: none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "optimizer", decay=(0, MAX_DECAY), eps=(1e-30, 1))
        require(0 <= self.momentum < 1, "optimizer.momentum", self.momentum, "at least 0 and less than 1")

    def transform(self, rate: Float[Array, ""] | float) -> optax.GradientTransformation:
        return optax.rmsprop(rate, self.decay, self.eps, eps_in_sqrt=False, momentum=self.momentum)
