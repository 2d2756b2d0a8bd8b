"""Minimal long short-term memory: an LSTM whose gates do not read the state, and so a linear recurrence.

    f, i = sigmoid(W x_t + b)
    n = W x_t + b
    h_t = f / (f + i) * h_{t-1} + i / (f + i) * n

The gates that probes see are the factors f / (f + i) and i / (f + i).

Feng, Tung, Ahmed, Bengio, Hajimirsadeghi, Were RNNs all we needed?, 2024. See `mingru` about log space.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array

from research.cells.cell import Tape
from research.cells.linear import LinearCell


@dataclass(frozen=True)
class MinLSTM(LinearCell):
    """Minimal LSTM with normalized gates, computed by an associative scan (Feng et al. 2024).

    Gate blocks of `w` [D, 3·H], `b` [3·H]: f, i, n. No recurrent weights. The carry is h.
    """

    name: Literal["minlstm"] = "minlstm"
    gates = ("f", "i", "n")
    keep_gate = "f"
    write_gate = "i"

    def coefficients(self, x_gates: Array, tape: Tape) -> tuple[Array, Array]:
        f, i, n = self.split(x_gates)
        # f / (f + i) is 0 / 0 if both gates are closed, so compute p / (p + q), p = 1 + exp(-i), q = 1 + exp(-f), with
        # p and q scaled to prevent overflow. The scale cancels and needs no derivative.
        scale = jax.lax.stop_gradient(jnp.minimum(jnp.minimum(f, i), 0))
        unit = jnp.exp(scale)
        p, q = unit + jnp.exp(scale - i), unit + jnp.exp(scale - f)
        keep = tape.gate("f", p / (p + q))
        return keep, tape.gate("i", 1 - keep) * n
