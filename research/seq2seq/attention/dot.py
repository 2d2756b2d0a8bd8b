"""Dot-product attention (Luong, Pham, Manning 2015).

e_us = q_u . k_s        k_s = m_s, or W m_s where encoder and decoder differ in width
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from research.recurrence.kernels.linear import linear
from research.seq2seq.attention.attention import AttentionModule, Source, WeightedAttention


@dataclass(frozen=True)
class DotAttention(WeightedAttention):
    """Dot product of state and query (Luong et al. 2015)."""

    name: Literal["dot"] = "dot"

    def create(self, query_size: int, memory_size: int, rngs: nnx.Rngs) -> "DotModule":
        return DotModule(self, query_size, memory_size, rngs, project=query_size != memory_size)


class DotModule(AttentionModule):
    """Dot products of queries and keys."""

    def __init__(
        self,
        options: WeightedAttention,
        query_size: int,
        memory_size: int,
        rngs: nnx.Rngs,
        *,
        project: bool,
        divisor: float = 1.0,
    ) -> None:
        """Draw the weights.

        Args:
            options: those of the kind.
            query_size: H, the width of the decoder's states.
            memory_size: M, the width of the encoder's states.
            rngs: the stream `params` is read.
            project: make keys by a linear map of the states; otherwise they are the states.
            divisor: of the products.
        """
        super().__init__(options, query_size)
        self.project = linear(memory_size, query_size, rngs) if project else None
        self.divisor = divisor

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S K"]:
        return states if self.project is None else self.project(states)

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        return (queries @ jnp.swapaxes(source.keys, 1, 2))[:, None] / self.divisor
