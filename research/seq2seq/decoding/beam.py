"""Beam search with a length and a coverage penalty (Sutskever, Vinyals, Le 2014; Wu et al. 2016).

    score(Y) = log p(Y) / ((5 + |Y|) / 6)^alpha + beta sum_s log min(sum_u a_us, 1)        |Y|, u: with EOS

Each step keeps the N likeliest continuations of the N hypotheses in the beam. Hypotheses that end leave the beam, and
the result is the N best by score of those that have left. So the penalties act on hypotheses that have ended (or have U
tokens); all hypotheses in the beam have the same length.

The search of a sequence ends when its N-th best score is at least the best score that the beam could still reach: that
of its likeliest hypothesis continued to U tokens with probability 1 and without coverage penalty.
"""

from dataclasses import dataclass, replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from research.batch import BOS, EOS, PAD, Tree
from research.options import LARGE, require, require_between
from research.seq2seq.attention import Attention
from research.seq2seq.decoder import NO_NOISE, Decoder, DecoderNoise, DecoderState
from research.seq2seq.decoding.decoding import Decoding, Hypotheses
from research.seq2seq.encoder import Memory

MIN_COVERAGE = 1e-30
"""Lower bound of a source state's attention, so that a state without attention costs 69 beta and not infinity."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Beams:
    """The beam: N hypotheses of each sequence, all of the same length."""

    state: DecoderState
    """State of the decoder, with B * N rows."""
    last: Int[Array, "B N"]
    """Last tokens."""
    tokens: Int[Array, "B N U"]
    log_probability: Float[Array, "B N"]
    """-inf: this slot is empty."""
    coverage: Float[Array, "B N S"] | None
    """Sum of each source state's attention so far; None without coverage penalty."""


@dataclass(frozen=True)
class Beam(Decoding):
    """Beam search (Sutskever, Vinyals, Le 2014), with the penalties of Wu et al. 2016."""

    name: Literal["beam"] = "beam"
    beam_size: int = 4
    """Number of hypotheses kept at each step."""
    length_penalty: float = 0.0
    """Divide the log-probability by ((5 + length) / 6)^length_penalty, length with EOS (Wu et al. 2016)."""
    coverage_penalty: float = 0.0
    """Add coverage_penalty * sum_s log(min(attention of s, 1)) to the score (Wu et al. 2016)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(
            self, "decoding", beam_size=(1, 2**20), length_penalty=(0.0, 10.0), coverage_penalty=(0.0, LARGE)
        )

    @property
    def num_hypotheses(self) -> int:
        return self.beam_size

    def check_attention(self, attention: Attention) -> None:
        allowed = f"0.0, as attention.name={attention.name} has no weights"
        unused = attention.has_weights or self.coverage_penalty == 0
        require(unused, "decoding.coverage_penalty", self.coverage_penalty, allowed)

    def __call__(
        self, decoder: Decoder, memory: Memory, key: Array | None = None, noise: DecoderNoise = NO_NOISE
    ) -> Hypotheses:
        assert self.max_length, "call resolve() first"
        (batch, steps, _), size = memory.states.shape, self.beam_size
        dtype = memory.states.dtype
        repeated = _repeat(memory, size)
        divisors = jnp.asarray(((5 + np.arange(1, self.max_length + 1)) / 6) ** self.length_penalty, dtype)

        def unfinished(loop: tuple) -> Array:
            position, beams, _ = loop
            return (position < self.max_length) & jnp.any(beams.log_probability > -jnp.inf)

        def step(loop: tuple) -> tuple:
            position, beams, best = loop
            logits, weights, state = decoder.step(repeated, beams.state, beams.last.reshape(-1), noise)
            if beams.coverage is not None:
                beams = replace(beams, coverage=beams.coverage + weights.reshape(batch, size, steps))
            gains = self.mask_end(jax.nn.log_softmax(logits), position).reshape(batch, size, -1)
            beams = _extend(beams, state, gains, position)
            ended = beams.last == EOS
            leaving = (beams.log_probability > -jnp.inf) & (ended | (position == self.max_length - 1))
            score = beams.log_probability / divisors[position] + self._penalty(beams.coverage, memory.lengths)
            score = jnp.where(leaving, score, -jnp.inf)
            lengths = jnp.broadcast_to(position + 1, score.shape)
            new = Hypotheses(beams.tokens, lengths, beams.log_probability, score, ended)
            both = jax.tree.map(lambda x, y: jnp.concatenate([x, y], axis=1), best, new)
            best = _gather(both, jax.lax.top_k(both.score, size)[1])  # ties keep their order
            remaining = jnp.where(leaving, -jnp.inf, beams.log_probability)
            done = best.score[:, -1] >= jnp.max(remaining, axis=1) / divisors[-1]
            remaining = jnp.where(done[:, None], -jnp.inf, remaining)
            return position + 1, replace(beams, log_probability=remaining), best

        first = jnp.where(jnp.arange(size) == 0, 0, -jnp.inf).astype(dtype)
        beams = Beams(
            _repeat(decoder.start(memory), size),
            jnp.full((batch, size), BOS, jnp.int32),
            jnp.full((batch, size, self.max_length), PAD, jnp.int32),
            jnp.tile(first[None, :], (batch, 1)),
            jnp.zeros((batch, size, steps), dtype) if self.coverage_penalty else None,
        )
        empty = Hypotheses.empty(batch, size, self.max_length, dtype, -jnp.inf)
        return jax.lax.while_loop(unfinished, step, (jnp.int32(0), beams, empty))[2]

    def _penalty(
        self, coverage: Float[Array, "B N S"] | None, lengths: Int[Array, " B"] | None
    ) -> Float[Array, "B N"] | float:
        """Return the coverage penalty over the valid source states; at most 0."""
        if coverage is None:
            return 0.0
        logs = jnp.log(jnp.clip(coverage, MIN_COVERAGE, 1))
        if lengths is not None:
            valid = jnp.arange(coverage.shape[2])[None, :] < lengths[:, None]
            logs = jnp.where(valid[:, None, :], logs, 0)
        return self.coverage_penalty * jnp.sum(logs, axis=2)


def _extend(beams: Beams, state: DecoderState, gains: Float[Array, "B N V"], position: Int[Array, ""]) -> Beams:
    """Return the N likeliest continuations by one token; `gains` are the log-probabilities of the next token."""
    batch, size, vocabulary = gains.shape
    totals = (beams.log_probability[:, :, None] + gains).reshape(batch, -1)
    log_probability, places = jax.lax.top_k(totals, size)
    parents, last = jnp.divmod(places, vocabulary)
    rows = jnp.arange(batch)[:, None] * size + parents
    tokens, coverage = _gather((beams.tokens, beams.coverage), parents)
    tokens = tokens.at[:, :, position].set(last)
    return Beams(state.take(rows.reshape(-1)), last, tokens, log_probability, coverage)


def _gather(tree: Tree, places: Int[Array, "B N"]) -> Tree:
    """Return the entries at these indices of each row of arrays [B, M, ...]."""
    rows = jnp.arange(len(places))[:, None]
    return jax.tree.map(lambda x: x[rows, places], tree)


def _repeat(tree: Tree, count: int) -> Tree:
    """Return arrays with each row repeated `count` times."""
    return jax.tree.map(lambda x: jnp.repeat(x, count, axis=0), tree)
