"""A layer over time.

Public arrays are batch-major [B, T, D]; time-major order exists only within this package. A step past a sequence's
length holds the carry and yields zeros, in both directions: in reverse, a shorter sequence starts at its last step.
"""

import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.cells.cell import Carry, Cell, Tape, Weights
from research.cells.linear import LinearCell
from research.recurrence.dropout import zone_out
from research.recurrence.kernels import cudnn
from research.recurrence.kernels.associative import associative
from research.recurrence.kernels.backward import Noise, Plan, plain_recurrence, recurrence
from research.recurrence.kernels.cudnn import Backend

Form = Literal["auto", "sequential"]
Kernel = Literal["scan", "associative", "cudnn"]
CACHED = 2**19
"""Bytes of a block's gates: so that they stay in a core's cache between two stages."""
ROWS = 256
"""Least rows of a block's products with weights, steps times batch, or as many as a matrix has, if that is more: with
fewer, reading the matrices and their gradients once a block would cost more than the block's gates."""


def unroll(
    cell: Cell,
    weights: Weights,
    xs: Float[Array, "B T D"],
    *,
    carry: Carry | None = None,
    lengths: Int[Array, " B"] | None = None,
    reverse: bool = False,
    mask: Float[Array, "B H"] | None = None,
    hold: tuple[Float[Array, "..."], ...] | None = None,
    probe: Float[Array, "T P"] | None = None,
    omega: Float[Array, ""] | None = None,
    remat_every: int = 0,
    tbptt_steps: int = 0,
    compute_dtype: Any = None,
    block: int = 0,
    plain: bool = False,
    form: Form = "auto",
    backend: Backend = "scan",
) -> tuple[Float[Array, "B T H"], Carry]:
    """Return the hidden states at all steps, and the last carry.

    Args:
        cell: the equations.
        weights: those of the layer and direction.
        xs: what the layer reads.
        carry: the state before the first step; zeros by default.
        lengths: valid steps of each sequence; all by default.
        reverse: read from the last valid step to the first.
        mask: factors on the state that enters recurrent products, the same at all steps (variational dropout).
        hold: share of the former carry in the new one, [B, T, H] or what broadcasts to it, for each part (zoneout).
        probe: zeros; its gradient is the norm of dL/dcarry_t for each step and part (see `kernels.backward`).
        omega: weight of Omega, the regularizer of the gradient, which is added to the gradient of the weights; its own
            gradient is the sum of Omega over steps and sequences (see `kernels.regularizer`).
        remat_every: keep one carry in so many steps for the backward pass, and compute the steps between again; -1: in
            as many as is best for memory, √T; 0: keep all.
        tbptt_steps: the gradient does not flow from a block of so many steps to the one before; 0: it flows.
        compute_dtype: type of the factors in matrix products (bfloat16); sums, carries and weights keep theirs.
        block: steps that share the products with weights (see `kernels.backward`); 0: as many as fit the cache.
        plain: differentiate the scan itself: needed for forward-mode derivatives, slower. Without `probe` and `omega`,
            and all states are kept.
        form: of a linear recurrence (see `kernels.associative`): an associative scan where possible, or sequential.
        backend: what runs the steps of an LSTM (see `kernels.cudnn`).

    Raises:
        ValueError: if `plain` is to have a `probe` or an `omega`, whose gradients it would not fill.
    """
    if plain and not (probe is None and omega is None):
        raise ValueError("unroll(plain=True): must have neither probe nor omega")
    batch, steps, _ = xs.shape
    arrays = weights.arrays()
    width = arrays["b"].shape[0]
    if carry is None:
        carry = cell.initial_carry(batch, width // len(cell.gates), xs.dtype)
    if not steps:
        return jnp.zeros((batch, 0, carry[0].shape[1]), xs.dtype), carry
    stepwise = plain or bool(remat_every or tbptt_steps) or hold is not None or omega is not None
    only_scan = stepwise or mask is not None or probe is not None or compute_dtype is not None
    kernel = kernel_of(cell, backend, xs.dtype, stepwise=stepwise or form == "sequential", only_scan=only_scan)
    if kernel == "cudnn":
        return cudnn.lstm(arrays["w"], arrays["u"], arrays["b"], xs, (carry[0], carry[1]), lengths, reverse)
    valid = None if lengths is None else jnp.arange(steps)[:, None] < lengths[None, :]
    if valid is not None:  # what is not finite past a sequence's end must not meet the zeros of a gradient
        xs = jnp.where(valid.T[:, :, None], xs, 0)
    if kernel == "associative":
        assert isinstance(cell, LinearCell)
        time_major = jnp.swapaxes(xs, 0, 1)
        hidden, last = associative(cell, arrays, time_major, carry, valid, probe, reverse, compute_dtype)
        return jnp.swapaxes(hidden, 0, 1), last
    over_time = None if hold is None else tuple(_over_time(share, steps) for share in hold)
    noise = Noise(valid, over_time, mask)
    length = remat_block(steps, remat_every) or min(block, steps)
    length = length or block_length(steps, batch, width * xs.dtype.itemsize, xs.shape[2])
    plan = Plan(cell, length, reverse, remat_every != 0, tbptt_steps, compute_dtype)
    results: Any  # the type that custom_vjp forgets
    if plain:
        results = plain_recurrence(plan, arrays, xs, carry, noise)
    else:
        results = recurrence(plan, arrays, xs, carry, noise, probe, omega)
    hidden, last = results
    return jnp.swapaxes(hidden, 0, 1), last


def kernel_of(
    cell: Cell, backend: Backend = "auto", dtype: Any = jnp.float32, *, stepwise: bool = False, only_scan: bool = False
) -> Kernel:
    """Return what runs a layer of this cell on this machine.

    `stepwise`: an option is on that needs the steps one after the other: zoneout, Omega, rematerialization, truncated
    backpropagation. `only_scan`: one that cuDNN does not have: those, recurrent dropout, a probe, a type of products.
    """
    if cudnn.runs(backend, cell, dtype, only_scan or stepwise):
        return "cudnn"
    return "associative" if isinstance(cell, LinearCell) and not stepwise else "scan"


def step(
    cell: Cell,
    weights: Weights,
    x: Float[Array, "B D"],
    carry: Carry,
    *,
    mask: Float[Array, "B H"] | None = None,
    hold: tuple[Float[Array, "..."], ...] | None = None,
    compute_dtype: Any = None,
) -> Carry:
    """Take one step from `carry`; the first part of what it returns is the output.

    The arguments are those of `unroll`, without the axis of time.
    """
    arrays = weights.arrays()
    x_gates = cell.input_gates(arrays, x, compute_dtype)
    return zone_out(cell.step(carry, x_gates, Tape(arrays, mask, compute_dtype=compute_dtype)), carry, hold)


def block_length(steps: int, batch: int, row_bytes: int, inputs: int) -> int:
    """Return the steps of a block: their gates fit a cache, if they are not too few; a divisor of T, if one is near.

    All steps on an accelerator, where large products count and caches are not a core's. `row_bytes` are those of the
    gates of one step of one sequence.
    """
    if jax.default_backend() != "cpu":
        return steps
    most = min(max(CACHED // max(batch * row_bytes, 1), max(ROWS, inputs) // max(batch, 1), 8), steps)
    divisors = [length for length in range(most, max(most // 2, 1) - 1, -1) if steps % length == 0]
    return divisors[0] if divisors else most


def remat_block(steps: int, every: int) -> int:
    """Return the steps of a block of `model.remat_every`; 0: none."""
    return math.isqrt(steps - 1) + 1 if every < 0 else min(every, steps)


def _over_time(share: Array, steps: int) -> Array:
    """Return [T, B or 1, H or 1] of [B or 1, T or 1, H or 1]."""
    return jnp.swapaxes(jnp.broadcast_to(share, (share.shape[0], steps, share.shape[2])), 0, 1)
