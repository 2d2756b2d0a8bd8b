"""Adam with decoupled weight decay (Loshchilov, Hutter 2019)."""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import optax
from jaxtyping import Array, Float

from research.options import LARGE, require_between, traced
from research.training.optimizers.adam import Adam


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam, with weight decay of matrices that bypasses the moments (Loshchilov, Hutter 2019)."""

    name: Literal["adamw"] = "adamw"  # pyright: ignore[reportIncompatibleVariableOverride]
    weight_decay: float = traced(0.0)
    """Each update multiplies matrices by 1 - learning rate * weight_decay. Vectors, such as biases, do not decay."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "optimizer", weight_decay=(0, LARGE))

    def transform(self, rate: Float[Array, ""] | float) -> optax.GradientTransformation:
        def matrices(params: Any) -> Any:
            return jax.tree.map(lambda leaf: leaf.ndim >= 2, params)

        return optax.adamw(rate, self.beta1, self.beta2, self.eps, weight_decay=self.weight_decay, mask=matrices)
