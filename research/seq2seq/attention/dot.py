"""Attention by dot products.

dot           e_us = q_u . k_s              k_s = m_s, or W m_s if encoder and decoder differ in width
scaled_dot    e_us = q_u . k_s / sqrt(H)    k_s as in `dot`
general       e_us = q_u . W m_s
"""

import math
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from research.seq2seq.attention.attention import AttentionModule, Source, WeightedAttention
from research.seq2seq.linear import linear


@dataclass(frozen=True)
class DotAttention(WeightedAttention):
    """Dot product of state and query (Luong et al. 2015)."""

    name: Literal["dot"] = "dot"

    def create(self, query_size: int, memory_size: int, rngs: nnx.Rngs) -> "DotModule":
        return DotModule(self, query_size, memory_size, rngs, project=query_size != memory_size)


@dataclass(frozen=True)
class ScaledDotAttention(WeightedAttention):
    """Dot product divided by the square root of its width (Vaswani et al. 2017)."""

    name: Literal["scaled_dot"] = "scaled_dot"

    def create(self, query_size: int, memory_size: int, rngs: nnx.Rngs) -> "DotModule":
        project, divisor = query_size != memory_size, math.sqrt(query_size)
        return DotModule(self, query_size, memory_size, rngs, project=project, divisor=divisor)


@dataclass(frozen=True)
class GeneralAttention(WeightedAttention):
    """Dot product of the query and a linear map of the state (Luong et al. 2015)."""

    name: Literal["general"] = "general"

    def create(self, query_size: int, memory_size: int, rngs: nnx.Rngs) -> "DotModule":
        return DotModule(self, query_size, memory_size, rngs, project=True)


class DotModule(AttentionModule):
    """Dot products of queries and keys; the keys are the states, or a linear map of them with `project`."""

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
        super().__init__(options, query_size)
        self.project = linear(memory_size, query_size, rngs) if project else None
        self.divisor = divisor

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S K"]:
        return states if self.project is None else self.project(states)

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        return (queries @ jnp.swapaxes(source.keys, 1, 2))[:, None] / self.divisor
