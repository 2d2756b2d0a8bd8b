"""Sampling: y_u ~ softmax(logits_u / temperature), over the top_k likeliest tokens where top_k > 0."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.options import LARGE, require_between
from research.seq2seq.decoding.decoding import SingleDecoding


@dataclass(frozen=True)
class Sample(SingleDecoding):
    """A token sampled at each step, with a temperature, from all or from the likeliest (top-k: Fan et al. 2018).

    The draws of a sequence depend on the key, on its row in the batch and on the position.
    """

    name: Literal["sample"] = "sample"
    temperature: float = 1.0
    """Divisor of the logits."""
    top_k: int = 0
    """Sample from the k likeliest tokens; 0: from all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "decoding", temperature=(1 / LARGE, LARGE), top_k=(0, 2**20))

    def token(self, logits: Float[Array, "B V"], key: Array | None, position: Int[Array, ""]) -> Int[Array, " B"]:
        assert key is not None, "sampling needs a key"
        rows = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(len(logits)))
        keys = jax.vmap(jax.random.fold_in, (0, None))(rows, position)
        k = min(self.top_k, logits.shape[1])
        best, tokens = jax.lax.top_k(logits, k) if k else (logits, None)
        # The largest is subtracted so that low temperatures make no infinity.
        scaled = (best - jnp.max(best, axis=1, keepdims=True)) / self.temperature
        places = jax.vmap(jax.random.categorical)(keys, scaled)
        return places if tokens is None else jnp.take_along_axis(tokens, places[:, None], axis=1)[:, 0]
