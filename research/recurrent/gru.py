"""Gated recurrent unit, with the reset gate applied after the recurrent product.

    r, z = sigmoid(W x_t + U h_{t-1} + b)
    n = tanh(W x_t + b + r * (U h_{t-1}))
    h_t = (1 - z) * n + z * h_{t-1}

Cho et al. 2014, in the variant of cuDNN, which needs one recurrent product instead of two.
"""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from research.recurrent.cell import Carry, Cell, activate
from research.recurrent.tape import Tape


class GRU(Cell):
    """Gated recurrent unit, reset after the product (Cho et al. 2014). Gate blocks: r, z, n."""

    name: ClassVar[str] = "gru"
    gates = ("r", "z", "n")
    keep_gate = "z"

    def step(self, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
        (h,) = carry
        features = h.shape[-1]
        h_gates = tape.recur("u", h)
        r, z = activate(tape.keep(x_gates[:, : 2 * features] + h_gates[:, : 2 * features]), "sigmoid", "sigmoid")
        x_n, h_n = tape.keep(x_gates[:, 2 * features :]), tape.keep(h_gates[:, 2 * features :])
        n = jnp.tanh(x_n + r * h_n)
        return (n + z * (h - n),)
