"""Cells whose state is a linear recurrence.

    s_t = a_t * s_{t-1} + b_t

a_t and b_t do not depend on the state, so an associative scan computes all states (see
`recurrence.kernels.associative`).

A cell defines a, b and how to compute h from s, for any number of rows. The sequential form calls it with the rows of
one step, the associative form with the rows of all steps of all sequences.
"""

from dataclasses import dataclass

import jax
from jaxtyping import Array, Float, Inexact

from research.cells.cell import Carry, Cell, Tape
from research.cells.initializers import Matrix

COMPLEX = ("h", "re", "im")
"""Parts of the carry of a complex state; the next step reads the state, not `h`."""


@dataclass(frozen=True)
class LinearCell(Cell):
    """A cell with a linear recurrence. Its state is `h`, or complex if `parts` is `COMPLEX`."""

    def coefficients(self, x_gates: Float[Array, "B GH"], tape: Tape) -> tuple[Array, Array]:
        """Return the coefficients a [B or 1, H] and b [B, H], real or complex like the state."""
        raise NotImplementedError

    def read(self, state: Inexact[Array, "B H"], x_gates: Float[Array, "B GH"], tape: Tape) -> Float[Array, "B H"]:
        """Return h, computed from a complex state."""
        raise NotImplementedError

    def matrices(self, hidden_size: int) -> dict[str, Matrix]:
        return {}

    def step(self, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
        gates = tape.keep(x_gates)
        a, b = self.coefficients(gates, tape)
        state = a * state_of(carry) + b
        if self.parts != COMPLEX:
            return (state,)
        re, im = tape.part("re", state.real), tape.part("im", state.imag)
        return self.read(jax.lax.complex(re, im), gates, tape), re, im


def state_of(carry: Carry) -> Inexact[Array, "B H"]:
    """Return the state in a carry."""
    return carry[0] if len(carry) == 1 else jax.lax.complex(carry[1], carry[2])
