"""Gated recurrent unit, with the reset gate after or before the recurrent product.

    r, z = sigmoid(W x_t + U h_{t-1} + b)
    n = tanh(W x_t + b + r * (U h_{t-1} + b_n))  after
    n = tanh(W x_t + b + U (r * h_{t-1}))        before
    h_t = (1 - z) * n + z * h_{t-1}

"before" is Cho et al. 2014; "after" is cuDNN's variant, which needs one recurrent product instead of two.
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array

from research.cells.cell import Carry, Cell, Tape, activate
from research.cells.initializers import Matrix, Vector, zeros
from research.options import require


@dataclass(frozen=True)
class GRU(Cell):
    """Gated recurrent unit (Cho et al. 2014), reset after or before the product.

    Gate blocks of `w` [D, 3H], `u` [H, 3H], `b` [3H]: r, z, n. The carry is h.

    reset=before: `u` [H, 2H] has r, z; `u_n` [H, H] multiplies r * h.
    recurrent_bias: `b_n` [H], initially 0. `b` is the sum of the other two biases that cuDNN and torch have.
    """

    name: Literal["gru"] = "gru"
    reset: Literal["after", "before"] = "after"
    """Whether the reset gate acts on the recurrent product (cuDNN) or on the state before it (Cho et al. 2014)."""
    recurrent_bias: bool = False
    """Add a bias to the recurrent product that the reset gate multiplies, as cuDNN and torch do."""

    gates = ("r", "z", "n")
    keep_gate = "z"

    def __post_init__(self) -> None:
        inside = self.reset == "after" or not self.recurrent_bias
        require(inside, "cell.recurrent_bias", self.recurrent_bias, "False with cell.reset=before")

    def step(self, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
        (h,) = carry
        split = 2 * h.shape[-1]
        h_gates = tape.recur("u", h)
        r, z = activate(tape.keep(x_gates[:, :split] + h_gates[:, :split]), "sigmoid", "sigmoid")
        r, z = tape.gate("r", r), tape.gate("z", z)
        if self.reset == "before":
            n = jnp.tanh(tape.keep(x_gates[:, split:] + tape.recur("u_n", r * h)))
        else:
            h_n = h_gates[:, split:] + (tape.vector("b_n") if self.recurrent_bias else 0)
            n = jnp.tanh(tape.keep(x_gates[:, split:] + r * tape.keep(h_n)))
        return (n + z * (h - n),)

    def matrices(self, hidden_size: int) -> dict[str, Matrix]:
        if self.reset == "before":
            return {"u": Matrix(hidden_size, hidden_size, 2), "u_n": Matrix(hidden_size, hidden_size)}
        return super().matrices(hidden_size)

    def vectors(self, hidden_size: int) -> dict[str, Vector]:
        return {"b_n": Vector(hidden_size, zeros)} if self.recurrent_bias else {}
