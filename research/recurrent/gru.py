"""Gated recurrent unit, with the reset gate applied after the recurrent product.

    r, z = sigmoid(W x_t + U h_{t-1} + b)
    n = tanh(W x_t + b + r * (U h_{t-1}))
    h_t = (1 - z) * n + z * h_{t-1}

Cho et al. 2014, in the variant of cuDNN, which needs one recurrent product instead of two.
"""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from research.recurrent.cell import Carry, Cell, Perturb, activate, unperturbed


class GRU(Cell):
    """Gated recurrent unit, reset after the product (Cho et al. 2014). Gate blocks: r, z, n."""

    name: ClassVar[str] = "gru"
    gates: ClassVar[int] = 3
    adds_gates: ClassVar[bool] = False
    keep_gate: ClassVar[int | None] = 1

    def pointwise(self, carry: Carry, x_gates: Array, h_gates: Array, perturb: Perturb = unperturbed) -> Carry:
        features = carry[0].shape[-1]
        # The block of n is activated for nothing: cheaper than to break the one contiguous kernel.
        r, z, _ = activate(x_gates + h_gates, "sigmoid", "sigmoid", "sigmoid")
        n = jnp.tanh(x_gates[..., 2 * features :] + r * h_gates[..., 2 * features :])
        return (n + z * (carry[0] - n),)
