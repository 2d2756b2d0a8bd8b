"""Run a layer over time.

Public arrays are batch-major [B, T, D]; only this package uses time-major order. Steps past the length of a sequence
keep the carry and output zeros. In reverse, a sequence starts at its last valid step.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from research.cells.cell import Carry, Cell, Tape
from research.cells.linear import LinearCell
from research.recurrence.dropout import zone_out
from research.recurrence.kernels import cudnn
from research.recurrence.kernels.associative import associative
from research.recurrence.kernels.backward import Noise, Plan, plain_recurrence, recurrence
from research.recurrence.kernels.cudnn import Backend

Kernel = Literal["scan", "associative", "cudnn"]
CACHED = 2**19
"""Bytes of a block's gates that stay in a core's cache between two stages."""
ROWS = 256
"""Fewest rows (steps times batch) of a block's products with weights, unless the matrix has more rows. With fewer rows,
reading the matrices and their gradients for each block would cost more than the gates."""


@dataclass(frozen=True)
class LayerInputs:
    """A layer and direction: its equations and weights, and what it reads."""

    name: str
    """Such as "layer_1/forward"."""
    cell: Cell
    weights: Mapping[str, Array]
    xs: Float[Array, "B T D"]
    carry: Carry
    """Before the first step."""
    lengths: Int[Array, " B"] | None = None
    """Valid steps of each sequence; None: all are."""
    reverse: bool = False
    """Read from the last valid step to the first."""
    mask: Float[Array, "B H"] | None = None
    """Variational dropout: factors on the state in recurrent products, the same at all steps."""
    hold: tuple[Float[Array, "..."], ...] | None = None
    """Zoneout: fraction of the previous carry in the new one, broadcast to [B, T, H], for each part."""
    compute_dtype: Any = None
    """Type to which factors of matrix products are rounded; None: no rounding."""

    @property
    def steps(self) -> Int[Array, " B"]:
        """Valid steps of each sequence."""
        return jnp.full(len(self.xs), self.xs.shape[1]) if self.lengths is None else self.lengths

    @property
    def valid(self) -> Bool[Array, "T B"]:
        """Which steps are not padding; the step that is read first is the first."""
        return jnp.arange(self.xs.shape[1])[:, None] < self.steps[None, :]

    def in_order(self, x: Float[Array, "#B #T N"]) -> Float[Array, "T #B N"]:
        """Return values of the steps in the order of reading, time-major."""
        x = jnp.swapaxes(jnp.broadcast_to(x, (x.shape[0], self.xs.shape[1], x.shape[2])), 0, 1)
        if not self.reverse:
            return x
        if self.lengths is None or x.shape[1] == 1 < len(self.lengths):  # the same at all steps
            return x[::-1]
        return x[(self.steps[None, :] - 1 - jnp.arange(len(x))[:, None]) % len(x), jnp.arange(x.shape[1])[None, :]]


def unroll(
    layer: LayerInputs,
    *,
    perturbation: Float[Array, "T *B P"] | None = None,
    omega: Float[Array, ""] | None = None,
    remat_every: int = 0,
    tbptt_steps: int = 0,
    block: int = 0,
    plain: bool = False,
    backend: Backend = "scan",
) -> tuple[Float[Array, "B T H"], Carry]:
    """Return the hidden states at all steps, and the last carry.

    Args:
        layer: the layer and what it reads.
        perturbation: zeros; its gradient is the norm of dL/dcarry_t for each step and part, over the batch or of each
            sequence (see `kernels.backward`).
        omega: weight of the gradient regularizer Omega, which is added to the gradient of the weights; its own gradient
            is the sum of Omega over steps and sequences (see `kernels.regularizer`).
        remat_every: keep every n-th carry for the backward pass, which recomputes the steps between; -1: n = √T, the
            best for memory; 0: keep all.
        tbptt_steps: stop the gradient every n steps; 0: never.
        block: steps that share the products with weights (see `kernels.backward`); 0: as many as fit the cache.
        plain: let JAX differentiate the scan, as forward-mode derivatives need; slower, and keeps all states.
        backend: implementation of the LSTM (see `kernels.cudnn`).

    Raises:
        ValueError: for `plain` with `perturbation` or `omega`, which need the hand-written backward pass.
    """
    if plain and not (perturbation is None and omega is None):
        raise ValueError("unroll(plain=True): must have neither perturbation nor omega")
    cell, weights, xs, carry = layer.cell, layer.weights, layer.xs, layer.carry
    lengths, reverse = layer.lengths, layer.reverse
    batch, steps, _ = xs.shape
    if not steps:
        return jnp.zeros((batch, 0, carry[0].shape[1]), xs.dtype), carry
    stepwise = plain or bool(remat_every or tbptt_steps) or layer.hold is not None or omega is not None
    only_scan = stepwise or not (layer.mask is None and perturbation is None and layer.compute_dtype is None)
    kernel = kernel_of(cell, backend, xs.dtype, stepwise=stepwise, only_scan=only_scan)
    if kernel == "cudnn":
        return cudnn.lstm(weights["w"], weights["u"], weights["b"], xs, (carry[0], carry[1]), lengths, reverse)
    valid = None if lengths is None else jnp.arange(steps)[:, None] < lengths[None, :]
    if valid is not None:  # inf or nan in the padding times a zero gradient would be nan
        xs = jnp.where(valid.T[:, :, None], xs, 0)
    if kernel == "associative":
        assert isinstance(cell, LinearCell)
        time_major = jnp.swapaxes(xs, 0, 1)
        hidden, last = associative(cell, weights, time_major, carry, valid, perturbation, reverse, layer.compute_dtype)
        return jnp.swapaxes(hidden, 0, 1), last
    over_time = None if layer.hold is None else tuple(_over_time(share, steps) for share in layer.hold)
    noise = Noise(valid, over_time, layer.mask)
    length = remat_block(steps, remat_every) or min(block, steps)
    length = length or block_length(steps, batch, weights["b"].size * xs.dtype.itemsize, xs.shape[2])
    plan = Plan(cell, length, reverse, remat_every != 0, tbptt_steps, layer.compute_dtype)
    results: Any  # the type that custom_vjp forgets
    if plain:
        results = plain_recurrence(plan, weights, xs, carry, noise)
    else:
        results = recurrence(plan, weights, xs, carry, noise, perturbation, omega)
    hidden, last = results
    return jnp.swapaxes(hidden, 0, 1), last


def kernel_of(
    cell: Cell, backend: Backend = "auto", dtype: Any = jnp.float32, *, stepwise: bool = False, only_scan: bool = False
) -> Kernel:
    """Return the kernel that runs a layer of this cell on this machine.

    Args:
        cell: the cell of the layer.
        backend: `model.backend`.
        dtype: type of the arrays.
        stepwise: whether zoneout, Omega, rematerialization or truncation need the steps one after the other.
        only_scan: whether recurrent dropout, a perturbation or a compute type is used, which cuDNN does not support.
    """
    if cudnn.runs(backend, cell, dtype, only_scan or stepwise):
        return "cudnn"
    return "associative" if isinstance(cell, LinearCell) and not stepwise else "scan"


def step(
    cell: Cell,
    weights: Mapping[str, Array],
    x: Float[Array, "B D"],
    carry: Carry,
    *,
    mask: Float[Array, "B H"] | None = None,
    hold: tuple[Float[Array, "..."], ...] | None = None,
    compute_dtype: Any = None,
) -> Carry:
    """Return the carry after one step from `carry`; its first part is the output.

    The arguments are those of `LayerInputs`, without the time axis.
    """
    x_gates = cell.input_gates(weights, x, compute_dtype)
    return zone_out(cell.advance(carry, x_gates, Tape(weights, mask, compute_dtype=compute_dtype)), carry, hold)


def block_length(steps: int, batch: int, row_bytes: int, inputs: int) -> int:
    """Return the steps of a block: on an accelerator all steps, on a CPU as many as fit the cache or `ROWS` requires.

    A nearby divisor of T is preferred. `row_bytes` is the size of the gates of one step of one sequence.
    """
    if jax.default_backend() != "cpu":
        return steps
    most = min(max(CACHED // max(batch * row_bytes, 1), max(ROWS, inputs) // max(batch, 1), 8), steps)
    divisors = [length for length in range(most, max(most // 2, 1) - 1, -1) if steps % length == 0]
    return divisors[0] if divisors else most


def remat_block(steps: int, every: int) -> int:
    """Return the steps of a block for `remat_every`; 0: no blocks."""
    return math.isqrt(steps - 1) + 1 if every < 0 else min(every, steps)


def _over_time(share: Array, steps: int) -> Array:
    """Return [T, B or 1, H or 1] of [B or 1, T or 1, H or 1]."""
    return jnp.swapaxes(jnp.broadcast_to(share, (share.shape[0], steps, share.shape[2])), 0, 1)
