"""The simple recurrent network.

    h_t = tanh(W x_t + U h_{t-1} + b)

Elman, Finding structure in time, 1990.
"""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from research.recurrent.cell import Carry, Cell, Perturb, unperturbed


class RNN(Cell):
    """tanh network (Elman 1990). One gate block: h."""

    name: ClassVar[str] = "rnn"
    gates: ClassVar[int] = 1

    def pointwise(self, carry: Carry, x_gates: Array, h_gates: Array, perturb: Perturb = unperturbed) -> Carry:
        return (jnp.tanh(x_gates + h_gates),)
