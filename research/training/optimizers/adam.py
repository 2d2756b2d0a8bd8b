"""Adam (Kingma, Ba 2015)."""

from dataclasses import dataclass
from typing import Literal

import optax
from jaxtyping import Array, Float

from research.options import require_between, traced
from research.training.optimizers.optimizer import MAX_DECAY, Optimizer


@dataclass(frozen=True)
class Adam(Optimizer):
    """Mean gradient divided by the root of the mean squared gradient (Kingma, Ba 2015)."""

    name: Literal["adam"] = "adam"
    beta1: float = traced(0.9)
    """Decay of the mean of the gradient."""
    beta2: float = traced(0.999)
    """Decay of the mean of the squared gradient."""
    eps: float = traced(1e-8)
    """Added to the denominator."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "optimizer", beta1=(0, MAX_DECAY), beta2=(0, MAX_DECAY), eps=(1e-30, 1))

    def transform(self, rate: Float[Array, ""] | float) -> optax.GradientTransformation:
        return optax.adam(rate, self.beta1, self.beta2, self.eps)
