"""The parts of a batch that devices compute side by side: how many, and how their results become one.

Sums are taken in the order of the parts, so that they are the same to the last bit in every run, whatever connects the
devices. What is as large as the weights is not summed here but in `stretches`.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.batch import WHOLE, Shard
from research.recurrent.vjp import norm

AXIS = "batch"
"""The axis of the mesh that the parts lie along."""


def spare(trials: int, devices: int, batch_size: int) -> int:
    """The parts that each of so many trials can have: as many devices as the others leave, if that divides a batch."""
    most = max(1, devices // trials)
    return max(count for count in range(1, min(most, batch_size) + 1) if batch_size % count == 0)


def own(count: int) -> Shard:
    """The part of this device, in a program over `count` of them."""
    return WHOLE if count == 1 else Shard(jax.lax.axis_index(AXIS), count)


def added(parts: Float[Array, "parts *shape"]) -> Float[Array, "*shape"]:
    """Their sum, in their order."""
    return functools.reduce(jnp.add, [parts[index] for index in range(len(parts))])


def total(x: Float[Array, "*shape"], count: int) -> Float[Array, "*shape"]:
    """The sum over the parts; all get the same bits."""
    return x if count == 1 else added(jax.lax.all_gather(x, AXIS))


def largest(x: Float[Array, "*shape"], count: int) -> Float[Array, "*shape"]:
    """The maximum over the parts."""
    return x if count == 1 else jnp.max(jax.lax.all_gather(x, AXIS), axis=0)


def total_norm(norms: Float[Array, "*shape"], count: int) -> Float[Array, "*shape"]:
    """The norm of a vector, element by element, from the norms of what its parts hold of it."""
    if count == 1:
        return norms
    of_all = jax.lax.all_gather(norms, AXIS)
    return jax.vmap(norm, in_axes=1)(of_all.reshape(count, -1)).reshape(norms.shape)
