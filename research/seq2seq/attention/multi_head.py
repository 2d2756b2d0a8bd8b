"""Multi-head attention (Vaswani et al. 2017).

e_nus = W_n q_u . U_n m_s / sqrt(H / N)        context_u = O [sum_s a_1us V_1 m_s; ..; sum_s a_Nus V_N m_s]
"""

import math
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from research.options import require, require_between
from research.seq2seq.attention.attention import AttentionModule, Source, WeightedAttention
from research.seq2seq.linear import linear


@dataclass(frozen=True)
class MultiHeadAttention(WeightedAttention):
    """Several scaled dot products in parallel, each with its own linear maps (Vaswani et al. 2017)."""

    name: Literal["multi_head"] = "multi_head"
    num_heads: int = 4
    """Number of heads; each has `hidden_size / num_heads` features."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "attention", num_heads=(1, 2**20))

    def check_query_size(self, query_size: int) -> None:
        allowed = f"a divisor of the decoder's {query_size} features"
        require(query_size % self.num_heads == 0, "attention.num_heads", self.num_heads, allowed)

    def create(self, query_size: int, memory_size: int, rngs: nnx.Rngs) -> "MultiHeadModule":
        return MultiHeadModule(self, query_size, memory_size, rngs)


class MultiHeadModule(AttentionModule):
    """Linear maps of queries, keys, values and contexts of N heads."""

    def __init__(self, options: MultiHeadAttention, query_size: int, memory_size: int, rngs: nnx.Rngs) -> None:
        super().__init__(options, query_size)
        self.num_heads = options.num_heads
        self.query = linear(query_size, query_size, rngs)
        self.key = linear(memory_size, query_size, rngs)
        self.value = linear(memory_size, query_size, rngs)
        self.context = linear(query_size, memory_size, rngs)

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S K"]:
        return self.key(states)

    def values(self, states: Float[Array, "B S M"]) -> Float[Array, "B N S C"]:
        return self._split(self.value(states))

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        heads = self._split(self.query(queries))
        return heads @ jnp.swapaxes(self._split(source.keys), 2, 3) / math.sqrt(heads.shape[3])

    def output(self, contexts: Float[Array, "B U NC"]) -> Float[Array, "B U M"]:
        return self.context(contexts)

    def _split(self, x: Float[Array, "B T H"]) -> Float[Array, "B N T C"]:
        return jnp.swapaxes(x.reshape(*x.shape[:2], self.num_heads, x.shape[2] // self.num_heads), 1, 2)
