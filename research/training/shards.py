"""The parts of a batch that devices compute at the same time: how many, and how their results become one.

Sums are taken in the order of the parts, so that they are the same to the last bit in every run, whatever connects the
devices.
"""

import functools
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.batch import WHOLE, Shard
from research.recurrence.kernels.backward import norm

AXIS = "batch"
"""The axis of the mesh that the parts lie along."""
Tree = TypeVar("Tree")


def spare_devices(trials: int, devices: int, batch_size: int) -> int:
    """Return how many devices each of so many trials can have: what the others leave, if that divides a batch."""
    most = max(1, devices // trials)
    return max(count for count in range(1, min(most, batch_size) + 1) if batch_size % count == 0)


def this_shard(count: int) -> Shard:
    """Return the part of this device, in a program over `count` of them."""
    return WHOLE if count == 1 else Shard(jax.lax.axis_index(AXIS), count)


def total(tree: Tree, count: int) -> Tree:
    """Return the sum of all parts' arrays; every device gets the same bits."""
    if count == 1:
        return tree

    def add(x: Array) -> Array:
        parts = jax.lax.all_gather(x, AXIS)
        return functools.reduce(jnp.add, [parts[index] for index in range(count)])

    return jax.tree.map(add, tree)


def total_norm(norms: Float[Array, "*shape"], count: int) -> Float[Array, "*shape"]:
    """Return the norm of a vector, element by element, from the norms of what its parts hold of it."""
    if count == 1:
        return norms
    gathered = jax.lax.all_gather(norms, AXIS)
    return jax.vmap(norm, in_axes=1)(gathered.reshape(count, -1)).reshape(norms.shape)
