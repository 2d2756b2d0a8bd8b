"""A context that is the same at all steps: z, the state that the encoder read last.

    h_0 = z, or a linear map of z where encoder and decoder differ in width

z is an input of every step and of the map to the vocabulary.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from research.seq2seq.attention.attention import Attention


@dataclass(frozen=True)
class ContextAttention(Attention):
    """No attention: the decoder starts from the encoder's last state and sees it at every step (Cho et al. 2014)."""

    name: Literal["context"] = "context"

    has_context: ClassVar[bool] = True
