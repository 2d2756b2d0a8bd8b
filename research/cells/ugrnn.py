"""Update gate recurrent network: a simple recurrent network with one gate that keeps the state.

    g = sigmoid(W x_t + U h_{t-1} + b)        c = tanh(W x_t + U h_{t-1} + b)
    h_t = g * h_{t-1} + (1 - g) * c

Collins, Sohl-Dickstein, Sussillo, Capacity and trainability in recurrent neural networks, 2017. The paper also tries
relu for the candidate c. Its forget bias of 1 is `init.forget_bias=1`.
"""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Array

from research.cells.cell import Carry, Cell, Tape, activate


@dataclass(frozen=True)
class UGRNN(Cell):
    """Update gate network (Collins et al. 2017).

    Gate blocks of `w` [D, 2·H], `u` [H, 2·H], `b` [2·H]: g, c. The carry is h.
    """

    name: Literal["ugrnn"] = "ugrnn"
    gates = ("g", "c")
    keep_gate = "g"

    def pointwise(self, carry: Carry, gates: Array, tape: Tape) -> Carry:
        (h,) = carry
        g, c = activate(gates, "sigmoid", "tanh")
        g = tape.gate("g", g)
        return (c + g * (h - c),)
