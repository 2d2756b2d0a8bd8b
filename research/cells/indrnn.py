"""Independently recurrent network: each unit reads its own previous state and no other unit's.

    h_t = relu(W x_t + u * h_{t-1} + b)

Li, Li, Cook, Zhu, Gao, Independently recurrent neural network: building a longer and deeper RNN, 2018. In each unit the
gradient is multiplied by u at every step. u is initialized uniformly in (0, 2^(1/T)), where T is the length that the
layer reads: some units have short memory and some long, and no gradient more than doubles over the sequence. The paper
also clips |u| to that range during training, and in most experiments uses batch normalization; this cell does neither.
Units interact only in the layer above, so the paper uses at least two layers.
"""

from dataclasses import dataclass
from typing import Literal

import jax
from jaxtyping import Array

from research.cells.cell import Carry, Cell, Tape
from research.cells.initializers import Matrix, Vector, bounded_vector


@dataclass(frozen=True)
class IndRNN(Cell):
    """Independently recurrent network (Li et al. 2018).

    One gate block of `w` [D, H], `b` [H]: h. `u` is a vector [H].
    """

    name: Literal["indrnn"] = "indrnn"
    gates = ("h",)

    def matrices(self, hidden_size: int) -> dict[str, Matrix]:
        return {}

    def vectors(self, hidden_size: int) -> dict[str, Vector]:
        return {"u": Vector(hidden_size, bounded_vector, recurrent=True)}

    def unused_init_options(self) -> tuple[str, ...]:
        return tuple(name for name in super().unused_init_options() if name != "recurrent")  # identity: u is the gain

    def step(self, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
        return (jax.nn.relu(tape.keep(x_gates + tape.vector("u") * tape.dropped(carry[0]))),)
