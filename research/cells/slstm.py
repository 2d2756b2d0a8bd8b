"""sLSTM, the scalar cell of the xLSTM: exponential input gate, normalizer, stabilizer.

    i = exp(a_i)   f = sigmoid(a_f)   z = tanh(a_z)   o = sigmoid(a_o)        a = W x_t + U h_{t-1} + b
    C_t = f * C_{t-1} + i * z
    N_t = f * N_{t-1} + i
    h_t = o * C_t / N_t

As i may overflow, the carry holds c = C / exp(m) and n = N / exp(m):

    m_t = max(log f + m_{t-1}, a_i)
    i' = exp(a_i - m_t)        f' = exp(log f + m_{t-1} - m_t)
    c_t = f' * c_{t-1} + i' * z        n_t = f' * n_{t-1} + i'
    h_t = o * c_t / max(n_t, 1/2)

Beck, Pöppel, Spanring, Auer, Prudnikova, Kopp, Klambauer, Brandstetter, Hochreiter, xLSTM: extended long short-term
memory, 2024.

Of i' and f' one is 1 and the other less, so nothing overflows. Where n = 0, the state is empty, and m_{t-1} counts as
-inf: m_t = a_i, n_t = 1, else i' could underflow and leave 0/0. (So of a learned initial state, which starts at zeros,
only h is learned.) From there n_t >= 1, and the bound 1/2 is never met by a state that came about by these equations;
it is for a carry that is set from outside, as by a decoder's bridge.

Of the paper's two choices for f this is the sigmoid, as in the authors' code, so that a forget bias means what it
means elsewhere. One head: U is a full matrix, not block-diagonal. This is the cell alone, without the convolution, the
group normalization and the projections of the paper's block around it.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array

from research.cells.cell import Carry, Cell, Tape, activate


@dataclass(frozen=True)
class SLSTM(Cell):
    """Scalar LSTM with exponential gates (Beck et al. 2024).

    Gate blocks of `w` [D, 4·H], `u` [H, 4·H], `b` [4·H]: i, f, z, o. The carry is h, c, n, m.
    """

    name: Literal["slstm"] = "slstm"
    gates = ("i", "f", "z", "o")
    parts = ("h", "c", "n", "m")
    averages = False  # c and n are in units of exp(m), which differ from step to step
    keep_gate = "f"
    write_gate = "i"

    def pointwise(self, carry: Carry, gates: Array, tape: Tape) -> Carry:
        _, c, n, m = carry
        size = c.shape[-1]
        log_i, log_f = gates[:, :size], jax.nn.log_sigmoid(gates[:, size : 2 * size])
        z, o = activate(gates[:, 2 * size :], "tanh", "sigmoid")
        log_kept = jnp.where(n == 0, -jnp.inf, log_f + m)
        m = tape.part("m", jnp.maximum(log_kept, log_i))
        i, f = jnp.exp(log_i - m), jnp.exp(log_kept - m)
        c = tape.part("c", f * c + i * z)
        n = tape.part("n", f * n + i)
        return o * c / jnp.maximum(n, 0.5), c, n, m
