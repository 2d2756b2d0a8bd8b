"""Scores of additive attention, without storing the hidden layer m.

    e_us = v . m_us        m_us = tanh(q_u + k_s)

    dL/dv = sum_us g_us m_us        dL/dq_u = v * sum_s g_us (1 - m_us^2)        dL/dk_s = v * sum_u g_us (1 - m_us^2)

with g = dL/de. m has U S H numbers for each sequence, more than any other array of a model. On a CPU, blocks of m stay
in a core's cache, and the backward pass computes m again. It takes a quarter of the time of the backward pass that JAX
derives, which writes m and its gradient to memory.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

BLOCK = 2**15
"""Numbers of m in a block on a CPU: few enough that XLA does not split a block over threads. An accelerator computes
all of m at once."""


@jax.custom_vjp
def scores(
    queries: Float[Array, "B U H"], keys: Float[Array, "B S H"], weight: Float[Array, " H"]
) -> Float[Array, "B U S"]:
    """Return the score of each query with each key of its sequence."""
    return _forward(queries, keys, weight)[0]


def _forward(queries: Array, keys: Array, weight: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    def rows(_: None, block: tuple[Array, Array]) -> tuple[None, Array]:
        pieces, keys = block

        def piece(_: None, queries: Array) -> tuple[None, Array]:
            hidden = _hidden(queries, keys)
            return None, (hidden.reshape(-1, hidden.shape[3]) @ weight[:, None]).reshape(hidden.shape[:3])

        return None, jax.lax.scan(piece, None, pieces)[1]

    row, column = block_size(queries.shape[0], queries.shape[1], keys[0].size)
    blocks = jax.lax.scan(rows, None, (_cut(queries, row, column), _rows(keys, row)))[1]
    return _joined(blocks, queries.shape[1]), (queries, keys, weight)


def _backward(residuals: tuple[Array, Array, Array], d_scores: Array) -> tuple[Array, Array, Array]:
    queries, keys, weight = residuals

    def rows(d_weight: Array, block: tuple[Array, Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        pieces, keys, d_pieces = block

        def piece(sums: tuple[Array, Array], part: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
            queries, d_scores = part
            hidden = _hidden(queries, keys)
            slope = d_scores[..., None] * (1 - hidden * hidden)
            d_weight = (d_scores.reshape(1, -1) @ hidden.reshape(-1, hidden.shape[3]))[0]
            return (sums[0] + d_weight, sums[1] + jnp.sum(slope, axis=1)), jnp.sum(slope, axis=2)

        (d_weight, d_keys), d_queries = jax.lax.scan(piece, (d_weight, jnp.zeros_like(keys)), (pieces, d_pieces))
        return d_weight, (d_queries, d_keys)

    row, column = block_size(queries.shape[0], queries.shape[1], keys[0].size)
    blocks = (_cut(queries, row, column), _rows(keys, row), _cut(d_scores, row, column))
    d_weight, (d_queries, d_keys) = jax.lax.scan(rows, jnp.zeros_like(weight), blocks)
    v = weight[None, None, :]
    return v * _joined(d_queries, queries.shape[1]), v * d_keys.reshape(keys.shape), d_weight


scores.defvjp(_forward, _backward)


def block_size(batch: int, queries: int, size: int) -> tuple[int, int]:
    """Return the sequences in a block, a divisor of the batch, and the queries of each; `size` is m for one query."""
    if jax.default_backend() != "cpu":
        return batch, queries
    most = max(BLOCK // max(size, 1), 1)
    if most < queries:
        return 1, -(-queries // -(-queries // most))
    return max(row for row in range(1, min(most // max(queries, 1), batch) + 1) if batch % row == 0), queries


def _hidden(queries: Float[Array, "R C H"], keys: Float[Array, "R S H"]) -> Float[Array, "R C S H"]:
    return jnp.tanh(queries[:, :, None, :] + keys[:, None, :, :])


def _rows(x: Float[Array, "B S H"], row: int) -> Float[Array, "N R S H"]:
    return x.reshape(-1, row, *x.shape[1:])


def _cut(x: Float[Array, "B U X"], row: int, column: int) -> Float[Array, "N P R C X"]:
    """Cut into blocks, the last padded by zeros."""
    filled = jnp.pad(x, ((0, 0), (0, -x.shape[1] % column), (0, 0)))
    return jnp.swapaxes(filled.reshape(-1, row, filled.shape[1] // column, column, x.shape[2]), 1, 2)


def _joined(blocks: Float[Array, "N P R C X"], queries: int) -> Float[Array, "B U X"]:
    """Join blocks: the inverse of `_cut`."""
    _, pieces, _, column, width = blocks.shape
    return jnp.swapaxes(blocks, 1, 2).reshape(-1, pieces * column, width)[:, :queries]
