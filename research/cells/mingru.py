"""Minimal gated recurrent unit: a GRU whose gate does not read the state, and so a linear recurrence.

    z = sigmoid(W x_t + b)
    n = W x_t + b
    h_t = z * h_{t-1} + (1 - z) * n

Feng, Tung, Ahmed, Bengio, Hajimirsadeghi, Were RNNs all we needed?, 2024. The paper's z is 1 - z; here z keeps the
state, as in the GRU.

The paper works in log space, with a positive n, as its scan divides prefix products by each other (Heinsen 2023). The
associative scan of this project only multiplies factors between 0 and 1, so it is stable for any n: where a product
underflows, the state is forgotten.
"""

from dataclasses import dataclass
from typing import Literal

import jax
from jaxtyping import Array

from research.cells.cell import Tape
from research.cells.linear import LinearCell


@dataclass(frozen=True)
class MinGRU(LinearCell):
    """Minimal GRU, computed by an associative scan (Feng et al. 2024).

    Gate blocks of `w` [D, 2·H], `b` [2·H]: z, n. No recurrent weights. The carry is h.
    """

    name: Literal["mingru"] = "mingru"
    gates = ("z", "n")
    keep_gate = "z"

    def coefficients(self, x_gates: Array, tape: Tape) -> tuple[Array, Array]:
        z, n = self.split(x_gates)
        keep = tape.gate("z", jax.nn.sigmoid(z))
        return keep, (1 - keep) * n
