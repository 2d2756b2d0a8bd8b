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

As i is not bounded, the gates that probes see are the parts of N_t that are old and new, f * N_{t-1} / N_t and i / N_t:
the factors by which the average C / N keeps its value and takes z in.

The larger of i' and f' is 1, so nothing overflows. If n = 0, the state is empty and m_{t-1} is taken as -inf, which
gives m_t = a_i and n_t = 1; otherwise i' could underflow and h_t be 0/0. (So a learned initial state, which starts at
zeros, learns only h.) After the first step n_t >= 1. The bound 1/2 acts only on a carry that is set by something else,
such as a decoder's bridge.

The paper allows exp or sigmoid for f; this cell uses the sigmoid, as the authors' code does, so a forget bias means the
same as in other cells. There is one head: U is a full matrix, not block-diagonal. The convolution, the group
normalization and the projections of the paper's block are not part of the cell.
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
    averages = False  # the scale of c and n, exp(m), differs from step to step
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
        c, former = tape.part("c", f * c + i * z), n
        n = tape.part("n", f * n + i)
        tape.gate("f", f * former / n)
        tape.gate("i", i / n)
        return tape.gate("o", o) * c / jnp.maximum(n, 0.5), c, n, m
