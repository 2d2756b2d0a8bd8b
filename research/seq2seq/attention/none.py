"""No attention: the decoder starts from z, the state that the encoder read last, and sees nothing else.

h_0 = z, or a linear map of z where encoder and decoder differ in width
"""

from dataclasses import dataclass
from typing import Literal

from research.seq2seq.attention.attention import Attention


@dataclass(frozen=True)
class NoAttention(Attention):
    """No attention: the decoder starts from the encoder's last state (Sutskever, Vinyals, Le 2014)."""

    name: Literal["none"] = "none"
