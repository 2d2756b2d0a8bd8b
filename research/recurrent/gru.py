"""Gated recurrent unit, with the reset gate applied after the recurrent product or before it.

    r, z = sigmoid(W x_t + U h_{t-1} + b)
    n = tanh(W x_t + b + r * (U h_{t-1} + b_n))  after
    n = tanh(W x_t + b + U (r * h_{t-1}))        before
    h_t = (1 - z) * n + z * h_{t-1}

Before: Cho et al. 2014. After: the variant of cuDNN, which needs one recurrent product instead of two.
"""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from research.recurrent import initial
from research.recurrent.cell import Carry, Cell, activate
from research.recurrent.tape import Tape


class GRU(Cell):
    """Gated recurrent unit (Cho et al. 2014), reset after or before the product.

    Gate blocks of `w` [D, 3H], `u` [H, 3H], `b` [3H]: r, z, n. The carry is h.

    reset=before: `u` [H, 2H] has r, z; `u_n` [H, H] takes r * h.
    recurrent_bias: `b_n` [H], at first 0, the recurrent bias of n of cuDNN and torch; without it, b_n = 0. Their other
    recurrent biases are added to `b`.
    """

    name: ClassVar[str] = "gru"
    options = ("reset", "recurrent_bias")
    gates = ("r", "z", "n")
    keep_gate = "z"

    def step(self, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
        (h,) = carry
        split = 2 * h.shape[-1]
        h_gates = tape.recur("u", h)
        r, z = activate(tape.keep(x_gates[:, :split] + h_gates[:, :split]), "sigmoid", "sigmoid")
        if self.config.reset == "before":
            n = jnp.tanh(tape.keep(x_gates[:, split:] + tape.recur("u_n", r * h)))
        else:
            h_n = h_gates[:, split:] + (tape.vector("b_n") if self.config.recurrent_bias else 0)
            n = jnp.tanh(tape.keep(x_gates[:, split:] + r * tape.keep(h_n)))
        return (n + z * (h - n),)

    def matrices(self, features: int) -> dict[str, tuple[int, int, int]]:
        if self.config.reset == "before":
            return {"u": (features, features, 2), "u_n": (features, features, 1)}
        return super().matrices(features)

    def vectors(self, features: int) -> dict[str, tuple[int, initial.VectorInit]]:
        return {"b_n": (features, initial.zeros)} if self.config.recurrent_bias else {}
