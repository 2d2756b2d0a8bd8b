"""The scores of additive attention, with a backward pass of its own.

    e_us = sum_h v_h m_ush        m_ush = tanh(q_uh + k_sh)
    dq_uh = v_h sum_s de_us (1 - m_ush^2)     dk_sh = v_h sum_u de_us (1 - m_ush^2)     dv_h = sum_us de_us m_ush

The hidden layer m has U times S rows, and would be by far the largest array of a model: 1,600 rows for each pair of
sentences of 40 tokens. It is never whole. It is computed for a few sequences at a time, which on a CPU stay in a core's
cache, and again in the backward pass.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.batch import Tree

CACHED = 2**20
"""Bytes of the hidden layer that are computed at a time."""


@jax.custom_vjp
def additive_scores(
    queries: Float[Array, "B U H"], keys: Float[Array, "B S H"], weight: Float[Array, " H"]
) -> Float[Array, "B U S"]:
    return _forward(queries, keys, weight)[0]


def _forward(queries: Array, keys: Array, weight: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    def some(each: tuple[Array, Array]) -> Array:
        hidden = _hidden(*each)
        return (hidden.reshape(-1, hidden.shape[-1]) @ weight[:, None]).reshape(hidden.shape[:-1])

    blocks = _blocks(queries, keys)
    scores = some((queries, keys)) if blocks == 1 else _whole(jax.lax.map(some, _cut((queries, keys), blocks)))
    return scores, (queries, keys, weight)


def _backward(kept: tuple[Array, Array, Array], gradient: Array) -> tuple[Array, Array, Array]:
    queries, keys, weight = kept

    def some(d_weight: Array, each: tuple[Array, Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        hidden = _hidden(*each[:2])
        slope = each[2][..., None] * (1 - jnp.square(hidden))
        d_weight = d_weight + (each[2].reshape(1, -1) @ hidden.reshape(-1, hidden.shape[-1]))[0]
        return d_weight, (jnp.sum(slope, axis=2), jnp.sum(slope, axis=1))

    blocks, each = _blocks(queries, keys), (queries, keys, gradient)
    if blocks == 1:
        d_weight, sums = some(jnp.zeros_like(weight), each)
    else:
        d_weight, sums = jax.lax.scan(some, jnp.zeros_like(weight), _cut(each, blocks))
        sums = jax.tree.map(_whole, sums)
    own = weight[None, None, :]
    return sums[0] * own, sums[1] * own, d_weight


additive_scores.defvjp(_forward, _backward)


def _hidden(queries: Float[Array, "B U H"], keys: Float[Array, "B S H"]) -> Float[Array, "B U S H"]:
    return jnp.tanh(queries[:, :, None, :] + keys[:, None, :, :])


def _blocks(queries: Array, keys: Array) -> int:
    """How many parts the batch is cut into; on an accelerator it is not, as caches are not a core's."""
    batch, steps, features = queries.shape
    if jax.default_backend() != "cpu" or batch == 0:
        return 1
    rows = max(1, CACHED // max(1, steps * keys.shape[1] * features * queries.dtype.itemsize))
    return batch // max(count for count in range(1, min(rows, batch) + 1) if batch % count == 0)


def _cut(tree: Tree, blocks: int) -> Tree:
    return jax.tree.map(lambda x: x.reshape(blocks, -1, *x.shape[1:]), tree)


def _whole(x: Array) -> Array:
    return x.reshape(-1, *x.shape[2:])
