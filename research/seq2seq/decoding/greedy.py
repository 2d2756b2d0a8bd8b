"""Greedy decoding: y_u = argmax p_u."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Array, Float, Int

from research.recurrence.kernels.cross_entropy import argmax
from research.seq2seq.decoding.decoding import SingleDecoding


@dataclass(frozen=True)
class Greedy(SingleDecoding):
    """The likeliest token at each step."""

    name: Literal["greedy"] = "greedy"

    def token(self, logits: Float[Array, "B V"], key: Array | None, position: Int[Array, ""]) -> Int[Array, " B"]:
        return argmax(logits)
