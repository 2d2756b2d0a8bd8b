"""A scan over blocks of time steps."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Block = Callable[[Any, Array, Any, Any], tuple[Any, Any, Any]]
"""`block(carry, xs, timed, saved)` returns the carry, outputs [steps, ...], and values to save for another pass."""


def over_blocks(
    length: int,
    block: Block,
    carry: Any,
    xs: Float[Array, "B T D"],
    timed: Any,
    reverse: bool,
    saved: tuple[Any, Any] = (None, None),
    into: Float[Array, "B T M"] | None = None,
    unroll: bool = False,
) -> tuple[Any, Any, tuple[Any, Any]]:
    """Scan `block` over time; the last block may be shorter.

    Args:
        length: steps of a block.
        block: reads a block of `xs` as [steps, B, D], and the values that the same block saved in another pass.
        carry: carry of the first block.
        xs: batch-major inputs, which are not copied to time-major order as a whole.
        timed: other arrays [T, ...] to cut into blocks.
        reverse: scan from the last block to the first.
        saved: saved values of another pass.
        into: array to write the first output of each block to, [steps, B, M], in batch-major order; it replaces that
            output.
        unroll: unroll scans of two blocks, which saves a carry of zeros as large as the weights, but needs the memory
            of both blocks.

    Returns:
        The last carry, the outputs [T, ...], and the saved values.
    """
    steps = xs.shape[1]
    whole = steps // length
    split = whole * length
    ends: Any = None
    ends_saved: Any = None

    def run(carry: Any, into: Any, start: Any, count: int, *others: Any) -> tuple[Any, Any, Any, Any]:
        """Run the block from `start` on."""
        inputs = jax.lax.dynamic_slice_in_dim(xs, start, count, axis=1)
        carry, outputs, block_saved = block(carry, jnp.swapaxes(inputs, 0, 1), *others)
        if into is not None:
            first, *outputs = outputs
            into = jax.lax.dynamic_update_slice_in_dim(into, jnp.swapaxes(first, 0, 1).astype(into.dtype), start, 1)
        return carry, into, outputs, block_saved

    def body(state: Any, inputs: Any) -> tuple[Any, Any]:
        index, *others = inputs
        carry, into, *results = run(*state, index * length, length, *others)
        return (carry, into), results

    def rest(carry: Any, into: Any) -> tuple[Any, Any, Any, Any]:
        return run(carry, into, split, steps - split, jax.tree.map(lambda x: x[split:], timed), saved[1])

    if split < steps and reverse:
        carry, into, ends, ends_saved = rest(carry, into)
    cut = jax.tree.map(lambda x: x[:split].reshape(whole, length, *x.shape[1:]), timed)
    inputs = (jnp.arange(whole), cut, saved[0])
    (carry, into), (starts, starts_saved) = jax.lax.scan(
        body, (carry, into), inputs, reverse=reverse, unroll=unroll and whole == 2
    )
    outputs = jax.tree.map(lambda x: x.reshape(split, *x.shape[2:]), starts)
    if split < steps and not reverse:
        carry, into, ends, ends_saved = rest(carry, into)
    if split < steps:
        outputs = jax.tree.map(lambda *x: jnp.concatenate(x), outputs, ends)
    return carry, outputs if into is None else (into, *outputs), (starts_saved, ends_saved)
