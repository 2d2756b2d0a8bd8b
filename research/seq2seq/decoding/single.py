"""Decoding of one hypothesis, one token per step.

greedy    y_u = argmax p_u
sample    y_u ~ softmax(logits_u / temperature), over the top_k likeliest tokens if top_k > 0
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.batch import BOS, EOS, PAD
from research.options import LARGE, require_between
from research.seq2seq.decoder import NO_NOISE, Decoder, DecoderNoise
from research.seq2seq.decoding.decoding import Decoding, Hypotheses
from research.seq2seq.encoder import Memory
from research.seq2seq.loss import argmax


@dataclass(frozen=True)
class SingleDecoding(Decoding):
    """Decoding of one hypothesis, one token per step; a subclass chooses the token."""

    def token(self, logits: Float[Array, "B V"], key: Array | None, position: Int[Array, ""]) -> Int[Array, " B"]:
        """Choose the next token of each sequence."""
        raise NotImplementedError

    def __call__(
        self, decoder: Decoder, memory: Memory, key: Array | None = None, noise: DecoderNoise = NO_NOISE
    ) -> Hypotheses:
        batch, length = memory.states.shape[0], self.max_length
        assert length, "call resolve() first"

        def unfinished(loop: tuple) -> Array:
            position, _, _, outputs = loop
            return (position < length) & ~jnp.all(outputs.finished)

        def step(loop: tuple) -> tuple:
            position, state, last, outputs = loop
            logits, _, state = decoder.step(memory, state, last, noise)
            token = self.token(self.mask_end(logits, position), key, position).astype(last.dtype)
            gain = jnp.take_along_axis(jax.nn.log_softmax(logits), token[:, None], axis=1)
            token = jnp.where(outputs.finished[:, 0], PAD, token)
            total = outputs.log_probability + jnp.where(outputs.finished, 0, gain)
            outputs = Hypotheses(
                outputs.tokens.at[:, 0, position].set(token),
                outputs.lengths + ~outputs.finished,
                total,
                total,
                outputs.finished | (token == EOS)[:, None],
            )
            return position + 1, state, token, outputs

        first = jnp.full((batch,), BOS, jnp.int32)
        outputs = Hypotheses.empty(batch, 1, length, memory.states.dtype, 0)
        return jax.lax.while_loop(unfinished, step, (jnp.int32(0), decoder.start(memory), first, outputs))[3]


@dataclass(frozen=True)
class Greedy(SingleDecoding):
    """The likeliest token at each step."""

    name: Literal["greedy"] = "greedy"

    def token(self, logits: Float[Array, "B V"], key: Array | None, position: Int[Array, ""]) -> Int[Array, " B"]:
        return argmax(logits)


@dataclass(frozen=True)
class Sample(SingleDecoding):
    """A token sampled at each step, with a temperature, from all or the top-k tokens (Fan et al. 2018).

    Samples depend on the key, the row in the batch and the position.
    """

    name: Literal["sample"] = "sample"
    temperature: float = 1.0
    """Divisor of the logits."""
    top_k: int = 0
    """Sample from the k likeliest tokens; 0: from all tokens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "decoding", temperature=(1 / LARGE, LARGE), top_k=(0, 2**20))

    def token(self, logits: Float[Array, "B V"], key: Array | None, position: Int[Array, ""]) -> Int[Array, " B"]:
        assert key is not None, "sampling needs a key"
        rows = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(len(logits)))
        keys = jax.vmap(jax.random.fold_in, (0, None))(rows, position)
        k = min(self.top_k, logits.shape[1])
        best, tokens = jax.lax.top_k(logits, k) if k else (logits, None)
        # Subtracting the largest logit prevents overflow at low temperatures.
        scaled = (best - jnp.max(best, axis=1, keepdims=True)) / self.temperature
        places = jax.vmap(jax.random.categorical)(keys, scaled)
        return places if tokens is None else jnp.take_along_axis(tokens, places[:, None], axis=1)[:, 0]
