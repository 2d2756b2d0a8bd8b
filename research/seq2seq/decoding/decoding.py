"""The contract of decoding: how a model writes outputs without targets.

What holds for all kinds:

- No token is masked, except the end mark before `min_length` tokens. The marks of padding and of the beginning are
  tokens like any other should the model predict them: `Hypotheses.lengths` tells the output from its padding.
- An output has at most U = `max_length` tokens, the end mark included. None is forced to end: one that has not ended by
  then is returned and scored unchanged, and has `finished` = False.
- Log-probabilities are those of the model's distribution: without temperature, top_k, mask and penalties.
- Steps are taken until no step could change the result, or U of them. The result for a sequence depends neither on its
  neighbors in the batch nor on the padding of its source.

A kind is a dataclass of options that is called with a decoder and what it reads.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from research.batch import EOS, PAD
from research.options import require, require_between
from research.seq2seq.attention import Attention
from research.seq2seq.decoder import NO_NOISE, Decoder, DecoderNoise
from research.seq2seq.encoder import Memory


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hypotheses:
    """The N outputs of each sequence, no two the same, the best first.

    Where a beam search has fewer (there are no more), the rest have no tokens and a score of -inf.
    """

    tokens: Int[Array, "B N U"]
    """Tokens, the end mark included, then padding."""
    lengths: Int[Array, "B N"]
    """Number of tokens, the end mark included."""
    log_probability: Float[Array, "B N"]
    """Sum of the model's log p of the tokens."""
    score: Float[Array, "B N"]
    """What outputs are ranked by: log_probability, except for a beam with penalties."""
    finished: Bool[Array, "B N"]
    """Whether the last token is the end mark."""

    @classmethod
    def empty(cls, batch: int, count: int, max_length: int, dtype: Any, value: float) -> "Hypotheses":
        """Return hypotheses without tokens whose log-probability and score are `value`."""
        tokens = jnp.full((batch, count, max_length), PAD, jnp.int32)
        lengths, values = jnp.zeros((batch, count), jnp.int32), jnp.full((batch, count), value, dtype)
        return cls(tokens, lengths, values, values, jnp.zeros((batch, count), bool))


@dataclass(frozen=True)
class Decoding:
    """Options of one kind of decoding; a subclass sets `name` and defines the call."""

    name: str = ""
    min_length: int = 0
    """Fewest tokens of an output, the end mark not counted."""
    max_length: int = 0
    """Most tokens of an output, the end mark counted; 0: as many as the longest target has. An output that has not
    ended by then is returned unfinished."""

    def __post_init__(self) -> None:
        require_between(self, "decoding", min_length=(0, 2**20), max_length=(0, 2**20))
        ordered = self.max_length == 0 or self.min_length < self.max_length
        allowed = f"less than decoding.max_length={self.max_length}, in which the end mark counts"
        require(ordered, "decoding.min_length", self.min_length, allowed)

    @property
    def num_hypotheses(self) -> int:
        """Number of hypotheses of each sequence, N."""
        return 1

    def check_attention(self, attention: Attention) -> None:
        """Raise a UserError if the attention has not what the kind reads."""

    def resolve(self, longest_target: int) -> "Decoding":
        """Return a copy whose `max_length` is the longest target's, the end mark included, unless it is set.

        A `min_length` that leaves no place for the end mark is a UserError.
        """
        return self if self.max_length else replace(self, max_length=longest_target)

    def __call__(
        self, decoder: Decoder, memory: Memory, key: Array | None = None, noise: DecoderNoise = NO_NOISE
    ) -> Hypotheses:
        """Decode with resolved options; the noise is its expectation, the same at all steps and in all rows."""
        raise NotImplementedError

    def mask_end(self, scores: Float[Array, "*B V"], position: Int[Array, ""]) -> Float[Array, "*B V"]:
        """Return the scores of tokens with -inf for the end mark where it would come too early."""
        if self.min_length == 0:
            return scores
        early = position < self.min_length
        return scores.at[..., EOS].set(jnp.where(early, -jnp.inf, scores[..., EOS]))
