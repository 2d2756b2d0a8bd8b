"""A layer over time: the hoisted input product, then the recurrence.

Public arrays are batch-major [B, T, D]; time-major order exists only in here. A step past a sequence's length holds the
carry and yields zeros, in both directions: read in reverse, a shorter sequence starts at its own last step.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.recurrent.cell import Carry, Cell, Weights
from research.recurrent.vjp import Stacked, input_product, plain_recurrence, recurrence


def unroll(
    cell: Cell,
    weights: Weights,
    xs: Float[Array, "B T D"],
    *,
    carry: Carry | None = None,
    lengths: Int[Array, " B"] | None = None,
    reverse: bool = False,
    probe: Float[Array, "T P"] | None = None,
    plain: bool = False,
) -> tuple[Float[Array, "B T H"], Carry]:
    """Hidden states at all steps, and the last carry.

    Args:
        carry: the state before the first step; zeros by default.
        lengths: valid steps of each sequence; all by default.
        reverse: read from the last valid step to the first.
        probe: zeros; its gradient is the norm of dL/dcarry_t for each step and part (see `vjp`).
        plain: differentiate the scan itself: needed for forward-mode and second derivatives, slower.
    """
    steps = xs.shape[1]
    if carry is None:
        carry = cell.initial_carry(xs.shape[0], weights.u.shape[0], xs.dtype)
    valid = None if lengths is None else jnp.arange(steps)[:, None] < lengths[None, :]
    product = jnp.matmul if plain else input_product
    x_gates = product(jnp.swapaxes(xs, 0, 1), weights.w[...]) + weights.b[...][None, None, :]
    u = weights.u[...]
    carries: Stacked  # the type that custom_vjp forgets
    if plain:
        carries = plain_recurrence(cell, u, x_gates, carry, valid, None, reverse)
    else:
        carries = recurrence(cell, u, x_gates, carry, valid, probe, reverse)
    last = tuple(part[0 if reverse else -1] for part in carries) if steps else carry
    hidden = carries[0] if valid is None else jnp.where(valid[:, :, None], carries[0], 0)
    return jnp.swapaxes(hidden, 0, 1), last


def step(cell: Cell, weights: Weights, x: Float[Array, "B D"], carry: Carry) -> Carry:
    """One step from `carry`; its first part is the output."""
    x_gates = x @ weights.w[...] + weights.b[...][None, :]
    return cell.pointwise(carry, x_gates, carry[0] @ weights.u[...])
