"""Simple recurrent unit: each gate reads the state of its own unit only, and a highway bypasses the recurrence.

    f = sigmoid(W_f x_t + v_f * c_{t-1} + b_f)        r = sigmoid(W_r x_t + v_r * c_{t-1} + b_r)
    c_t = f * c_{t-1} + (1 - f) * (W_n x_t + b_n)
    h_t = r * c_t + (1 - r) * (W_s x_t + b_s)

Lei, Zhang, Wang, Dai, Artzi, Simple recurrent units for highly parallelizable recurrence, 2018. The paper's highway is
x, or a projection if x does not have H features; this cell always projects, by W_s, which can also learn the paper's
scale alpha. The paper has no b_n and b_s, which are initially 0. v_f and v_r are initialized by
`initializers.gate_vector`, smaller than in the authors' code.
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array

from research.cells.cell import Carry, Cell, Tape, activate
from research.cells.initializers import Matrix, Vector, gate_vector


@dataclass(frozen=True)
class SRU(Cell):
    """Simple recurrent unit (Lei et al. 2018).

    Gate blocks of `w` [D, 4·H], `b` [4·H]: f, r, n, s. `v_f`, `v_r` are vectors [H]. The carry is h, c; the next step
    does not read h.
    """

    name: Literal["sru"] = "sru"
    gates = ("f", "r", "n", "s")
    parts = ("h", "c")
    state = "c"
    keep_gate = "f"

    def matrices(self, hidden_size: int) -> dict[str, Matrix]:
        return {}

    def vectors(self, hidden_size: int) -> dict[str, Vector]:
        return dict.fromkeys(("v_f", "v_r"), Vector(hidden_size, gate_vector, recurrent=True))

    def step(self, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
        _, c = carry
        size = c.shape[-1]
        former = tape.dropped(c)
        from_state = jnp.concatenate([tape.vector("v_f") * former, tape.vector("v_r") * former], axis=-1)
        f, r = activate(tape.keep(x_gates[:, : 2 * size] + from_state), "sigmoid", "sigmoid")
        f, r = tape.gate("f", f), tape.gate("r", r)
        n, s = jnp.split(tape.keep(x_gates[:, 2 * size :]), 2, axis=-1)
        c = tape.part("c", n + f * (c - n))
        return s + r * (c - s), c
