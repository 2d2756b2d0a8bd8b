"""General attention (Luong, Pham, Manning 2015).

e_us = q_u . W m_s
"""

from dataclasses import dataclass
from typing import Literal

from flax import nnx

from research.seq2seq.attention.attention import WeightedAttention
from research.seq2seq.attention.dot import DotModule


@dataclass(frozen=True)
class GeneralAttention(WeightedAttention):
    """Dot product of the query and a linear map of the state (Luong et al. 2015)."""

    name: Literal["general"] = "general"

    def create(self, query_size: int, memory_size: int, rngs: nnx.Rngs) -> DotModule:
        return DotModule(self, query_size, memory_size, rngs, project=True)
