"""A context that is the same at all steps, and a decoder that starts from zeros.

The context enters as that of `context`; Britz et al. 2017 call the kind "none-input".
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from research.seq2seq.attention.attention import Attention


@dataclass(frozen=True)
class InputAttention(Attention):
    """No attention: the decoder starts from zeros, sees the encoder's last state at every step (Britz et al. 2017)."""

    name: Literal["input"] = "input"

    has_context: ClassVar[bool] = True
    initializes_decoder: ClassVar[bool] = False
