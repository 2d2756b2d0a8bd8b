"""What a decoder has of the source without attention, in three historical forms.

With z the state at the step that the encoder has read last:

    none        h_0 = z                                                    Sutskever, Vinyals, Le 2014
    context     h_0 = z, and z is an input of every step and of the map to the vocabulary        Cho et al. 2014
    input       h_0 = 0, and z is an input of every step and of that map   Britz et al. 2017, "none-input"

Where encoder and decoder differ in width, h_0 is a linear map of z.
"""

from typing import ClassVar

from research.seq2seq.attention import Attention


class NoAttention(Attention):
    """No attention: the decoder starts from the encoder's last state, and sees nothing else (Sutskever et al. 2014)."""

    name: ClassVar[str] = "none"
    options: ClassVar[tuple[str, ...]] = ()
    weighs: ClassVar[bool] = False
    sees: ClassVar[bool] = False


class ContextAttention(Attention):
    """No attention: the decoder starts from the encoder's last state, and sees it at every step (Cho et al. 2014)."""

    name: ClassVar[str] = "context"
    options: ClassVar[tuple[str, ...]] = ()
    weighs: ClassVar[bool] = False


class InputAttention(Attention):
    """No attention: the decoder starts from zeros, sees the encoder's last state at every step (Britz et al. 2017)."""

    name: ClassVar[str] = "input"
    options: ClassVar[tuple[str, ...]] = ()
    weighs: ClassVar[bool] = False
    starts: ClassVar[bool] = False
