"""The contract of decoding: how a model predicts outputs without targets.

All kinds have these properties:

- No token is masked, except EOS before `min_length` tokens. If the model predicts PAD or BOS, they are tokens like any
  other; `Hypotheses.lengths` tells the output from its padding.
- An output has at most U = `max_length` tokens, with EOS. An output that has not ended by then is returned and scored
  unchanged, with `finished` = False.
- Log-probabilities are those of the model, without temperature, top_k, mask and penalties.
- Decoding stops after U steps, or when no further step can change the result. The result for a sequence does not depend
  on its neighbors in the batch or on the padding of its source.

A kind is a dataclass of options, called with a decoder and the encoder's memory.
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
    """The N different outputs of each sequence, the best first.

    If a beam search finds fewer than N, the others have no tokens and a score of -inf.
    """

    tokens: Int[Array, "B N U"]
    """Tokens with EOS, then padding."""
    lengths: Int[Array, "B N"]
    """Number of tokens, with EOS."""
    log_probability: Float[Array, "B N"]
    """Sum of the model's log p of the tokens."""
    score: Float[Array, "B N"]
    """Score that ranks the outputs: log_probability, except for a beam search with penalties."""
    finished: Bool[Array, "B N"]
    """Whether the last token is EOS."""

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
    """Fewest tokens of an output, without EOS."""
    max_length: int = 0
    """Most tokens of an output, with EOS; 0: the length of the longest target. An output that has not ended by then is
    returned unfinished."""

    def __post_init__(self) -> None:
        require_between(self, "decoding", min_length=(0, 2**20), max_length=(0, 2**20))
        ordered = self.max_length == 0 or self.min_length < self.max_length
        allowed = f"less than decoding.max_length={self.max_length}, which includes EOS"
        require(ordered, "decoding.min_length", self.min_length, allowed)

    @property
    def num_hypotheses(self) -> int:
        """Number of hypotheses of each sequence, N."""
        return 1

    def check_attention(self, attention: Attention) -> None:
        """Raise a UserError if the attention lacks something that the kind needs."""

    def resolve(self, longest_target: int) -> "Decoding":
        """Return a copy with `max_length` set, by default to the length of the longest target with EOS.

        Raises:
            UserError: if `min_length` leaves no room for EOS.
        """
        return self if self.max_length else replace(self, max_length=longest_target)

    def __call__(
        self, decoder: Decoder, memory: Memory, key: Array | None = None, noise: DecoderNoise = NO_NOISE
    ) -> Hypotheses:
        """Decode with resolved options; the noise is its expectation, equal at all steps and in all rows."""
        raise NotImplementedError

    def mask_end(self, scores: Float[Array, "*B V"], position: Int[Array, ""]) -> Float[Array, "*B V"]:
        """Return the scores of tokens, with -inf for EOS before `min_length` tokens."""
        if self.min_length == 0:
            return scores
        early = position < self.min_length
        return scores.at[..., EOS].set(jnp.where(early, -jnp.inf, scores[..., EOS]))
