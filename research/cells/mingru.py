"""Minimal gated recurrent unit: a GRU whose gate does not see the state, so that it is a linear recurrence.

    z = sigmoid(W x_t + b)
    n = W x_t + b
    h_t = z * h_{t-1} + (1 - z) * n

Feng, Tung, Ahmed, Bengio, Hajimirsadeghi, Were RNNs all we needed?, 2024. The paper's z is our 1 - z: as in our GRU, z
keeps the state.

The paper's log-space form, for which it makes n positive by another activation, is needed where prefix products are
formed as sums of logarithms and divided by each other (Heinsen 2023). The associative scan only multiplies factors
between 0 and 1 and never divides, so the plain form is stable for any n: a product that underflows is the share of a
state that is forgotten.
"""

from dataclasses import dataclass
from typing import Literal

import jax
from jaxtyping import Array

from research.cells.cell import Tape
from research.cells.linear import LinearCell


@dataclass(frozen=True)
class MinGRU(LinearCell):
    """Minimal GRU, an associative scan (Feng et al. 2024).

    Gate blocks of `w` [D, 2·H], `b` [2·H]: z, n. No recurrent weights. The carry is h.
    """

    name: Literal["mingru"] = "mingru"
    gates = ("z", "n")
    keep_gate = "z"

    def coefficients(self, x_gates: Array, tape: Tape) -> tuple[Array, Array]:
        z, n = self.split(x_gates)
        keep = jax.nn.sigmoid(z)
        return keep, (1 - keep) * n
