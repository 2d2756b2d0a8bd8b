"""The simple recurrent network.

    h_t = tanh(W x_t + U h_{t-1} + b)        or relu

Elman, Finding structure in time, 1990.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array

from research.cells.cell import Carry, Cell, Tape


@dataclass(frozen=True)
class RNN(Cell):
    """Simple recurrent network (Elman 1990), tanh or relu.

    One gate block, h: `w` [D, H], `u` [H, H], `b` [H]. The carry is h.
    """

    name: Literal["rnn"] = "rnn"
    activation: Literal["tanh", "relu"] = "tanh"
    """Activation of the state; relu with init.recurrent=identity is the IRNN (Le, Jaitly, Hinton 2015)."""

    gates = ("h",)

    def pointwise(self, carry: Carry, gates: Array, tape: Tape) -> Carry:
        activation = {"tanh": jnp.tanh, "relu": jax.nn.relu}[self.activation]
        return (activation(gates),)
