"""Local attention with a predicted position (Luong, Pham, Manning 2015, local-p).

    e_us = q_u . W m_s - (s - p_u)^2 / (2 sigma^2)  where |s - p_u| <= window        sigma = window / 2
    p_u = (length - 1) sigmoid(v . tanh(W' q_u))

Luong et al. multiply by the Gaussian after the softmax; here it is inside the softmax, so the weights sum to 1.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from research.options import require_between
from research.seq2seq.attention.attention import Source, WeightedAttention
from research.seq2seq.attention.dot import DotModule
from research.seq2seq.linear import linear


@dataclass(frozen=True)
class LocalAttention(WeightedAttention):
    """A window around a position that the query predicts (Luong et al. 2015)."""

    name: Literal["local_p"] = "local_p"
    window: int = 10
    """Largest distance, in states, from the predicted position."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "attention", window=(1, 2**20))

    def create(self, query_size: int, memory_size: int, rngs: nnx.Rngs) -> "LocalModule":
        return LocalModule(self, query_size, memory_size, rngs)


class LocalModule(DotModule):
    """General attention with a Gaussian window."""

    def __init__(self, options: LocalAttention, query_size: int, memory_size: int, rngs: nnx.Rngs) -> None:
        super().__init__(options, query_size, memory_size, rngs, project=True)
        self.window = options.window
        self.hidden = linear(query_size, query_size, rngs)
        self.place = linear(query_size, 1, rngs)

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        scores = super().score(queries, source)[:, 0]
        steps = scores.shape[2]
        last = jnp.asarray(steps if source.lengths is None else source.lengths[:, None, None]) - 1
        relative_place = jax.nn.sigmoid(self.place(jnp.tanh(self.hidden(queries))))
        distance = jnp.arange(steps)[None, None, :] - jnp.maximum(last, 0).astype(scores.dtype) * relative_place
        near = scores - jnp.square(distance) / (2 * (self.window / 2) ** 2)
        return jnp.where(jnp.abs(distance) <= self.window, near, -jnp.inf)[:, None]
