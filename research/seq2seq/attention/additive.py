"""Additive attention (Bahdanau, Cho, Bengio 2015).

e_us = v . tanh(W q_u + U m_s)
"""

from dataclasses import dataclass
from typing import Literal

from flax import nnx
from jaxtyping import Array, Float

from research.recurrence.kernels import additive
from research.seq2seq.attention.attention import AttentionModule, Source, WeightedAttention
from research.seq2seq.linear import linear


@dataclass(frozen=True)
class AdditiveAttention(WeightedAttention):
    """Additive scores, by a hidden layer of query and state (Bahdanau et al. 2015)."""

    name: Literal["additive"] = "additive"

    def create(self, query_size: int, memory_size: int, rngs: nnx.Rngs) -> "AdditiveModule":
        return AdditiveModule(self, query_size, memory_size, rngs)


class AdditiveModule(AttentionModule):
    """Weights of additive attention, with a hidden layer of H features."""

    def __init__(self, options: WeightedAttention, query_size: int, memory_size: int, rngs: nnx.Rngs) -> None:
        super().__init__(options, query_size)
        self.query = linear(query_size, query_size, rngs)
        self.memory = linear(memory_size, query_size, rngs)
        self.weight = linear(query_size, 1, rngs)

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S K"]:
        return self.memory(states)

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        return additive.scores(self.query(queries), source.keys, self.weight.kernel[...][:, 0])[:, None]
