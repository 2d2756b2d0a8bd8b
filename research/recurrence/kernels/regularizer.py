"""Omega, a regularizer against vanishing gradients: a step back in time should preserve the norm of the gradient.

    Omega = sum_t (|d_t J_t| / |d_t| - 1)^2        d_t = dL/dx_t        J_t = dx_t/dx_{t-1}

Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks, 2013, section 3.3. x_t is the carry
of a layer for one sequence, all parts concatenated. As in the paper, the derivative is immediate: the weights act
through J_t, while x_{t-1}, the inputs and d_t are constants. The paper's x_t is before the activation, where
J_t = W_rec diag(sigma'(x_{t-1})) depends on the recurrent matrix only. Here x_t is after the activation, so the input
matrix and the bias have a gradient as well. Steps that no gradient reaches, such as padding, are skipped.

Omega is not part of the loss. The backward pass of a layer (`backward`), which has each d_t, adds the gradient of Omega
to that of the weights, for all steps of a block at once.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.cells.cell import Carry, Cell, Tape
from research.recurrence.dropout import zone_out


def omega(
    cell: Cell,
    weights: Mapping[str, Array],
    xs: Float[Array, "T B D"],
    former: Carry,
    d: Carry,
    mask: Float[Array, "B H"] | None = None,
    hold: Carry | None = None,
    compute_dtype: Any = None,
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """Return Omega, summed over steps and sequences, and its immediate gradient with respect to the weights.

    `former` is the carry before each step, [T, B, _] for each part, and `d` is dL/dcarry after it, zeros for padding.
    The other arguments are those of `unroll`, time-major.
    """

    def rows(x: Array) -> Array:
        """Return one row for each step of each sequence."""
        return jnp.broadcast_to(x, (*xs.shape[:2], x.shape[-1])).reshape(-1, x.shape[-1])

    inputs, carry, directions, held = jax.tree.map(rows, (xs, former, d, hold))
    dropped = None if mask is None else rows(mask[None])
    reached, directions = _normalized(directions)

    def total(weights: Mapping[str, Array]) -> Array:
        def step(carry: Carry) -> Carry:
            x_gates = cell.input_gates(weights, inputs, compute_dtype)
            tape = Tape(weights, dropped, compute_dtype=compute_dtype)
            return zone_out(cell.advance(carry, x_gates, tape), carry, held)

        _, pullback = jax.vjp(step, carry)
        squares = _over_parts(jnp.sum, tuple(jnp.square(part) for part in pullback(directions)[0]))
        positive = squares > 0  # the root has no gradient at 0
        norms = jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1)), 0)
        return jnp.sum(jnp.where(reached, jnp.square(norms - 1), 0))

    return jax.value_and_grad(total)(dict(weights))


def _normalized(d: Carry) -> tuple[Array, Carry]:
    """Return which rows [N, 1] are not zero, and the rows scaled to norm 1."""
    limits = jnp.finfo(d[0].dtype)
    largest = _over_parts(jnp.max, tuple(jnp.abs(part) for part in d))
    reached = largest >= limits.tiny
    largest = jnp.clip(largest, limits.tiny, limits.max / 16)  # its reciprocal must be a normal number as well
    scaled = tuple(part / largest for part in d)
    norms = jnp.sqrt(_over_parts(jnp.sum, tuple(jnp.square(part) for part in scaled)))
    return reached, tuple(part / jnp.where(reached, norms, 1) for part in scaled)


def _over_parts(reduce: Any, parts: Carry) -> Float[Array, "N 1"]:
    return reduce(jnp.concatenate(parts, axis=1), axis=1, keepdims=True)
