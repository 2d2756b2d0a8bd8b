"""Long short-term memory with a forget gate, without peepholes.

    i, f, o = sigmoid(W x_t + U h_{t-1} + b)        g = tanh(W x_t + U h_{t-1} + b)
    c_t = f * c_{t-1} + i * g
    h_t = o * tanh(c_t)

Hochreiter & Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000.
"""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from research.recurrent.cell import Carry, Cell, activate
from research.recurrent.tape import Tape


class LSTM(Cell):
    """Long short-term memory (Gers et al. 2000). Gate blocks: i, f, g, o."""

    name: ClassVar[str] = "lstm"
    gates = ("i", "f", "g", "o")
    parts = ("h", "c")
    keep_gate = "f"
    write_gate = "i"

    def pointwise(self, carry: Carry, gates: Array, tape: Tape) -> Carry:
        i, f, g, o = activate(gates, "sigmoid", "sigmoid", "tanh", "sigmoid")
        c = tape.part("c", f * carry[1] + i * g)
        return o * jnp.tanh(c), c
