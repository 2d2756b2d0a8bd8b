"""The simple recurrent network.

    h_t = tanh(W x_t + U h_{t-1} + b)

Elman, Finding structure in time, 1990.
"""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from research.recurrent.cell import Carry, Cell
from research.recurrent.tape import Tape


class RNN(Cell):
    """tanh network (Elman 1990). One gate block: h."""

    name: ClassVar[str] = "rnn"
    gates = ("h",)

    def pointwise(self, carry: Carry, gates: Array, tape: Tape) -> Carry:
        return (jnp.tanh(gates),)
