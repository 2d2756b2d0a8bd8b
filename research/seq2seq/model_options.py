"""Options of the encoder and the decoder that decide shapes."""

from dataclasses import dataclass
from typing import Literal

from research.options import require, require_between, require_default
from research.recurrence.stack_options import StackOptions

BETWEEN_LAYERS = ("pyramid", "mean", "max")
"""Kinds of subsampling between two layers; a convolution is in front of the first layer."""


@dataclass(frozen=True)
class ModelOptions(StackOptions):
    """Size and structure of the sequence-to-sequence model."""

    bidirectional: bool = False
    """Encode the source in both directions."""
    subsampling: Literal["none", "pyramid", "mean", "max", "convolution"] = "none"
    """Shorten the source in the encoder: between two layers, concatenate neighboring states (pyramid, Chan et al. 2016)
    or take their mean or maximum; or convolve the inputs of the first layer."""
    subsampling_factor: int = 2
    """Number of steps that become one: in front of each layer from the second on, or by the convolution."""
    reverse_source: bool = False
    """Read the source from its end (Sutskever et al. 2014)."""
    tie_embeddings: bool = False
    """Use the target's embedding as the output layer (Press & Wolf 2017)."""
    readout_size: int = 0
    """Features that the output layer reads; 0: hidden_size."""
    parameter_budget: int = 0
    """Choose the hidden_size whose number of weights is nearest to this number; 0: use hidden_size."""
    initial_state: Literal["zeros", "learned"] = "zeros"
    """Initial state of the encoder's layers, and of a decoder whose attention does not initialize it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(
            self, "model", subsampling_factor=(2, 2**10), readout_size=(0, 2**20), parameter_budget=(0, 2**40)
        )
        kind, between = self.subsampling, self.subsampling in BETWEEN_LAYERS
        allowed = "none or convolution with model.num_layers=1"
        require(not between or self.num_layers > 1, "model.subsampling", kind, allowed)
        require_default(self, "model", "subsampling_factor", kind != "none", f"model.subsampling={kind}")
        for name, fits in (("residual", kind != "pyramid"), ("skip_connections", not between)):
            value = getattr(self, name)
            require(fits or not value, f"model.{name}", value, f"False with model.subsampling={kind}")
        fits = not (self.reverse_source and self.bidirectional)
        require(fits, "model.reverse_source", self.reverse_source, "False with model.bidirectional=True")
        fits = not (self.readout_size and self.tie_embeddings)
        require(fits, "model.readout_size", self.readout_size, "0 with model.tie_embeddings=True")
        budget = self.parameter_budget
        require_default(self, "model", "hidden_size", budget == 0, f"model.parameter_budget={budget}")

    @property
    def shortening(self) -> int:
        """How many steps of the source a state of the encoder stands for."""
        if self.subsampling == "none":
            return 1
        return self.subsampling_factor ** (1 if self.subsampling == "convolution" else self.num_layers - 1)
