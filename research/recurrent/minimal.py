"""Minimal gated networks: LSTM and GRU whose gates do not see the state, so that it is a linear recurrence.

    minGRU                                      minLSTM
    z = sigmoid(W x_t + b)                      f, i = sigmoid(W x_t + b)
    n = W x_t + b                               n = W x_t + b
    h_t = z * h_{t-1} + (1 - z) * n             h_t = f / (f + i) * h_{t-1} + i / (f + i) * n

Feng, Tung, Ahmed, Bengio, Hajimirsadeghi, Were RNNs all we needed?, 2024. Its z is our 1 - z: here, as in our GRU, z
keeps the state.

The paper's log-space form, for which it makes n positive by another activation, is needed where prefix products are
formed as sums of logarithms and divided by each other (Heinsen 2023). The associative scan only multiplies factors
between 0 and 1 and never divides, so the plain form is stable as it stands, for any n: a product that underflows is
the share of a state that is forgotten.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

from research.recurrent.linear import LinearCell
from research.recurrent.tape import Tape


class MinGRU(LinearCell):
    """Minimal GRU, an associative scan (Feng et al. 2024).

    Gate blocks of `w` [D, 2·H], `b` [2·H]: z, n. No recurrent weights. The carry is h.
    """

    name: ClassVar[str] = "mingru"
    gates = ("z", "n")
    keep_gate = "z"

    def coefficients(self, x_gates: Array, tape: Tape) -> tuple[Array, Array]:
        z, n = self.split(x_gates)
        keep = jax.nn.sigmoid(z)
        return keep, (1 - keep) * n


class MinLSTM(LinearCell):
    """Minimal LSTM with normalised gates, an associative scan (Feng et al. 2024).

    Gate blocks of `w` [D, 3·H], `b` [3·H]: f, i, n. No recurrent weights. The carry is h.
    """

    name: ClassVar[str] = "minlstm"
    gates = ("f", "i", "n")
    keep_gate = "f"
    write_gate = "i"

    def coefficients(self, x_gates: Array, tape: Tape) -> tuple[Array, Array]:
        f, i, n = self.split(x_gates)
        # f / (f + i) = p / (p + q), p = 1 + exp(-i), q = 1 + exp(-f), both scaled so that they do not overflow: where
        # both gates are shut, f / (f + i) would be 0 / 0. The scale cancels, so its derivative is left out.
        scale = jax.lax.stop_gradient(jnp.minimum(jnp.minimum(f, i), 0))
        one = jnp.exp(scale)
        p, q = one + jnp.exp(scale - i), one + jnp.exp(scale - f)
        keep = p / (p + q)
        return keep, (1 - keep) * n
