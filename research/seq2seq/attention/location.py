"""Location-based attention: additive, with features of the previous step's weights (Chorowski et al. 2015).

e_us = v . tanh(W q_u + U m_s + V (F * a_{u-1})_s)        F: `num_filters` filters over `kernel_size` states
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from research.options import require, require_between
from research.seq2seq.attention.additive import AdditiveModule
from research.seq2seq.attention.attention import Trace, WeightedAttention
from research.seq2seq.linear import linear


@dataclass(frozen=True)
class LocationAttention(WeightedAttention):
    """Additive scores that read a convolution of the previous step's weights (Chorowski et al. 2015)."""

    name: Literal["location"] = "location"
    num_filters: int = 10
    """Number of filters of the convolution."""
    kernel_size: int = 15
    """Width of a filter in states; an odd number."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "attention", num_filters=(1, 2**20), kernel_size=(1, 2**20))
        require(self.kernel_size % 2 == 1, "attention.kernel_size", self.kernel_size, "an odd number")

    @property
    def has_memory(self) -> bool:
        return True

    def create(self, query_size: int, memory_size: int, rngs: nnx.Rngs) -> "LocationModule":
        return LocationModule(self, query_size, memory_size, rngs)


class LocationModule(AdditiveModule):
    """Additive attention whose keys are shifted by a convolution of the previous step's weights."""

    def __init__(self, options: LocationAttention, query_size: int, memory_size: int, rngs: nnx.Rngs) -> None:
        super().__init__(options, query_size, memory_size, rngs)
        self.kernel_size = options.kernel_size
        self.convolution = linear(options.kernel_size, options.num_filters, rngs)
        self.place = linear(options.num_filters, query_size, rngs)

    def shift(self, trace: Trace) -> Float[Array, "B S K"]:
        half, steps = self.kernel_size // 2, trace.last.shape[1]
        padded = jnp.pad(trace.last, ((0, 0), (half, half)))
        windows = jnp.arange(steps)[:, None] + jnp.arange(self.kernel_size)[None, :]
        return self.place(self.convolution(padded[:, windows])) + super().shift(trace)
