"""Independently recurrent network: each unit sees no unit's past but its own.

    h_t = relu(W x_t + u * h_{t-1} + b)

Li, Li, Cook, Zhu, Gao, Independently recurrent neural network: building a longer and deeper RNN, 2018. A gradient
decays or grows by the factor u a step, unit by unit. u starts uniform in (0, 2^(1/T)), T the length of the task's
input: there are units for short and for long memory, and none whose gradient more than doubles over the sequence. The
paper also clips |u| to that range throughout training, and in most experiments normalises over the batch; neither is
done here. As units meet in the layer above only, the paper uses at least two layers.
"""

from typing import ClassVar

import jax
from jaxtyping import Array

from research.recurrent import initial
from research.recurrent.cell import Carry, Cell
from research.recurrent.tape import Tape


class IndRNN(Cell):
    """Independently recurrent network (Li et al. 2018).

    One gate block of `w` [D, H], `b` [H]: h. `u` is a vector [H].
    """

    name: ClassVar[str] = "indrnn"
    gates = ("h",)

    def matrices(self, features: int) -> dict[str, tuple[int, int, int]]:
        return {}

    def vectors(self, features: int) -> dict[str, tuple[int, initial.VectorInit]]:
        return {"u": (features, initial.bounded_vector)}

    def step(self, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
        return (jax.nn.relu(tape.keep(x_gates + tape.vector("u") * tape.dropped(carry[0]))),)
