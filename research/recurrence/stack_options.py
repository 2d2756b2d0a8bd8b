"""Options of stacked recurrent layers."""

from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp

from research.options import require, require_between
from research.recurrence.unroll import Backend

COMPUTE_DTYPES: dict[str, Any] = {"float32": None, "bfloat16": jnp.bfloat16}
"""Type to which the factors of the layers' products are rounded, by `model.compute_dtype`; None: no rounding.

Sums, states, weights, embeddings, attention, normalization and the output layer keep the type of the arrays, also
float64.
"""


@dataclass(frozen=True)
class StackOptions:
    """Options of stacked recurrent layers, all compiled in."""

    hidden_size: int = 64
    """Hidden units of each layer and direction."""
    num_layers: int = 1
    """Number of stacked layers, in the encoder and in the decoder."""
    residual: bool = False
    """Add the input of every layer from the second on to its output (He et al. 2016; Wu et al. 2016)."""
    skip_connections: bool = False
    """Connect the inputs to all layers, and all layers to the output (Graves 2013)."""
    layer_norm: bool = False
    """Normalize the output of each layer for the layer above (Ba, Kiros, Hinton 2016); inside the LSTM, see
    cell.layer_norm."""
    remat_every: int = 0
    """Rematerialization: keep every n-th state for the backward pass, which recomputes the others; -1: n = √T; 0: keep
    all states."""
    tbptt_steps: int = 0
    """Truncated backpropagation: stop the gradient, but not the state, every n steps; 0: never."""
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    """Type to which factors of the layers' products are rounded; sums, states and weights are float32. With bfloat16,
    states have an error of 0.2 to 0.4%, gradients of 0.2 to 0.5%, with relu of 1 to 9%."""
    backend: Backend = "auto"
    """Implementation of the LSTM: scan, as for all cells, or cudnn; auto: cudnn on an NVIDIA GPU where it applies and
    is faster."""

    def __post_init__(self) -> None:
        require_between(self, "model", hidden_size=(1, 2**20), num_layers=(1, 2**10))
        for name in ("residual", "skip_connections", "layer_norm"):
            value = getattr(self, name)
            require(self.num_layers > 1 or not value, f"model.{name}", value, "False, as there is one layer only")
        for name, least in (("remat_every", -1), ("tbptt_steps", 0)):
            value = getattr(self, name)
            require(least <= value < 2**31, f"model.{name}", value, f"at least {least}, less than 2**31")
