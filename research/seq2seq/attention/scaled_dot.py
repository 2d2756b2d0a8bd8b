"""Scaled dot-product attention (Vaswani et al. 2017).

e_us = q_u . k_s / sqrt(H)        k_s as in `dot`
"""

import math
from dataclasses import dataclass
from typing import Literal

from flax import nnx

from research.seq2seq.attention.attention import WeightedAttention
from research.seq2seq.attention.dot import DotModule


@dataclass(frozen=True)
class ScaledDotAttention(WeightedAttention):
    """Dot product divided by the square root of its width (Vaswani et al. 2017)."""

    name: Literal["scaled_dot"] = "scaled_dot"

    def create(self, query_size: int, memory_size: int, rngs: nnx.Rngs) -> DotModule:
        project, divisor = query_size != memory_size, math.sqrt(query_size)
        return DotModule(self, query_size, memory_size, rngs, project=project, divisor=divisor)
