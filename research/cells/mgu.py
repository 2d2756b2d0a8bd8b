"""Minimal gated unit: a GRU with one gate in place of the reset and the update gate.

    f = sigmoid(W_f x_t + U_f h_{t-1} + b_f)
    n = tanh(W_n x_t + U_n ((1 - f) * h_{t-1}) + b_n)
    h_t = f * h_{t-1} + (1 - f) * n

Zhou, Wu, Zhang, Zhou, Minimal gated unit for recurrent neural networks, 2016. The paper's f is 1 - f. Here an open f
keeps the state, as in an LSTM, so `init.forget_bias` and chrono mean the same for all cells. As
sigmoid(-a) = 1 - sigmoid(a), changing the signs of W_f, U_f and b_f gives the paper's network.
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array

from research.cells.cell import Carry, Cell, Tape, activate
from research.cells.initializers import Matrix


@dataclass(frozen=True)
class MGU(Cell):
    """Minimal gated unit (Zhou et al. 2016).

    Gate blocks of `w` [D, 2·H], `b` [2·H]: f, n. `u` [H, H] is U_f, `u_n` [H, H] is U_n. The carry is h.
    """

    name: Literal["mgu"] = "mgu"
    gates = ("f", "n")
    keep_gate = "f"

    def matrices(self, hidden_size: int) -> dict[str, Matrix]:
        return {"u": Matrix(hidden_size, hidden_size), "u_n": Matrix(hidden_size, hidden_size)}

    def step(self, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
        (h,) = carry
        x_f, x_n = self.split(x_gates)
        (f,) = activate(tape.keep(x_f + tape.recur("u", h)), "sigmoid")
        f = tape.gate("f", f)
        remembered = (1 - f) * h
        n = jnp.tanh(tape.keep(x_n + tape.recur("u_n", remembered)))
        return (h - remembered + (1 - f) * n,)
