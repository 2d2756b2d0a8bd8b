"""Tapes of the hand-written backward pass: the forward pass records kept values, the backward pass replays the step.

The replay computes nothing twice, and collects both factors of every weight gradient, for many steps at once.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import Array, Float

from research.cells.cell import Tape, matmul


class Recorder(Tape):
    """Tape of the forward pass, which lists the kept values in `kept`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kept: list[Array] = []

    def keep(self, value: Array) -> Array:
        self.kept.append(value)
        return value


class Replay(Tape):
    """Tape of the backward pass, which returns kept values and adds `offsets` to the products.

    The gradient of a matrix is `operands[name].T @ d_offsets[name]`, summed over the steps.
    """

    def __init__(
        self,
        *args: Any,
        kept: list[Array],
        offsets: Mapping[str, Array],
        transposed: Mapping[str, Array],
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.kept, self.offsets, self.transposed = iter(kept), offsets, transposed
        self.operands: dict[str, Array] = {}

    def project(self, name: str, x: Float[Array, "B M"]) -> Float[Array, "B N"]:
        assert name not in self.operands, f"the matrix {name} is used twice in a step"
        self.operands[name] = x
        product: Any = _linked_product(x, self.weights[name], self.transposed[name], self.compute_dtype)
        return product + self.offsets[name]

    def keep(self, value: Array) -> Array:
        return _kept(value, next(self.kept))


class GateTape(Tape):
    """Tape that lists the gates of a step in `gates`, by name."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.gates: dict[str, Array] = {}

    def gate(self, name: str, value: Float[Array, "*B H"]) -> Float[Array, "*B H"]:
        self.gates[name] = value
        return value


@jax.custom_vjp
def _kept(value: Array, kept: Array) -> Array:
    """Return `kept` with the derivative of `value`, so that `value` need not be computed."""
    del value
    return kept


_kept.defvjp(lambda value, kept: (kept, None), lambda _, d: (d, None))


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _linked_product(x: Array, matrix: Array, transposed: Array, compute_dtype: Any) -> Array:
    """Return `x @ matrix`, with a gradient for x only, by a product with the transposed matrix."""
    del transposed
    return matmul(x, matrix, compute_dtype)


_linked_product.defvjp(
    lambda x, matrix, transposed, compute_dtype: (matmul(x, matrix, compute_dtype), transposed),
    lambda compute_dtype, transposed, d: (matmul(d, transposed, compute_dtype), None, None),
)
