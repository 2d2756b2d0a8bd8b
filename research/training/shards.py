"""The parts of a batch that devices compute side by side: how many, and how their results become one.

Sums are taken in the order of the parts, so that they are the same to the last bit in every run, whatever connects the
devices. Each part adds up one stretch of the vector and hands the sum to the others: as much traffic as an all-reduce.
"""

import functools
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from research.batch import WHOLE, Shard
from research.recurrent.vjp import norm

AXIS = "batch"
"""The axis of the mesh that the parts lie along."""
Tree = TypeVar("Tree")


def spare(trials: int, devices: int, batch_size: int) -> int:
    """The parts that each of so many trials can have: as many devices as the others leave, if that divides a batch."""
    most = max(1, devices // trials)
    return max(count for count in range(1, min(most, batch_size) + 1) if batch_size % count == 0)


def own(count: int) -> Shard:
    """The part of this device, in a program over `count` of them."""
    return WHOLE if count == 1 else Shard(jax.lax.axis_index(AXIS), count)


def total(tree: Tree, count: int) -> Tree:
    """The sum over the parts, leaf by leaf; all parts get the same bits."""
    if count == 1:
        return tree
    vector, unravel = ravel_pytree(tree)
    stretches = jnp.pad(vector, (0, -len(vector) % count)).reshape(count, -1)
    of_all = jax.lax.all_to_all(stretches, AXIS, 0, 0)
    mine = functools.reduce(jnp.add, [of_all[part] for part in range(count)])
    return unravel(jax.lax.all_gather(mine, AXIS).reshape(-1)[: len(vector)])


def total_norm(norms: Float[Array, "*shape"], count: int) -> Float[Array, "*shape"]:
    """The norm of a vector, element by element, from the norms of what its parts hold of it."""
    if count == 1:
        return norms
    of_all = jax.lax.all_gather(norms, AXIS)
    return jax.vmap(norm, in_axes=1)(of_all.reshape(count, -1)).reshape(norms.shape)
