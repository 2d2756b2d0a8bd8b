"""Kinds without weights over the source; z is the encoder's last state.

    none       h_0 = z
    context    h_0 = z, and z is an input of every step and of the readout
    input      h_0 = 0, and z is an input as in `context`

If encoder and decoder differ in width, h_0 is a linear map of z.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from research.seq2seq.attention.attention import Attention


@dataclass(frozen=True)
class NoAttention(Attention):
    """No attention: the decoder starts from the encoder's last state (Sutskever, Vinyals, Le 2014)."""

    name: Literal["none"] = "none"


@dataclass(frozen=True)
class ContextAttention(Attention):
    """No attention: the decoder starts from the encoder's last state and reads it at every step (Cho et al. 2014)."""

    name: Literal["context"] = "context"

    has_context: ClassVar[bool] = True


@dataclass(frozen=True)
class InputAttention(Attention):
    """No attention: the decoder starts from zeros, reads the encoder's last state at every step (Britz et al. 2017)."""

    name: Literal["input"] = "input"

    has_context: ClassVar[bool] = True
    initializes_decoder: ClassVar[bool] = False
