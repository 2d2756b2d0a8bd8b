"""Decoding: the outputs that a model writes on its own.

    greedy    y_u = argmax p_u
    sample    y_u ~ softmax(logits_u / temperature), over the top_k likeliest tokens where top_k > 0
    beam      of all continuations Y y of what goes on, the N likeliest are kept; those that end there leave (Sutskever,
              Vinyals, Le 2014), and the N best of all that have left are the answer, by the score of Wu et al. 2016

    score(Y) = log p(Y) / ((5 + |Y|) / 6)^alpha + beta sum_s log min(sum_u a_us, 1)        |Y|, u: the end mark included

What holds for all of them:

- No token is masked, except the end mark before `min_length` tokens. The marks of padding and of the beginning are
  tokens like any other should the model say them: `Hypotheses.lengths` tells the output from what pads it.
- An output has at most U tokens, the end mark included. None is made to end: one that has not ended by then stands as
  it is, is scored as it is, and has `finished` = False.
- Log-probabilities are the model's own, of the tokens that are said: without temperature, top_k, mask and penalties.
- Steps are taken until no step could change the result, or U of them. What a sequence gets does not depend on its
  neighbours in the batch, nor on the padding of its source.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from research.batch import BEGIN, END, PAD, Tree
from research.config import DecodingConfig
from research.config.checks import require
from research.seq2seq.decoder import SILENT, Decoder, DecoderNoise, DecoderState
from research.seq2seq.encoder import Memory
from research.seq2seq.likeliest import likeliest

FLOOR = 1e-30
"""Least attention that a source state counts with, so that one without any costs 69 beta, and not everything."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hypotheses:
    """The N outputs of each sequence, no two the same, the best first.

    Where a search has found fewer (there are no more), the rest have no tokens and a score of -inf.
    """

    tokens: Int[Array, "B N U"]
    """The end mark included, then padding."""
    lengths: Int[Array, "B N"]
    """Tokens, the end mark included."""
    log_probability: Float[Array, "B N"]
    """Sum of the model's log p of the tokens."""
    score: Float[Array, "B N"]
    """What they are ranked by; log_probability, but for a beam with penalties."""
    finished: Bool[Array, "B N"]
    """Whether the last token is the end mark."""


@dataclass(frozen=True)
class Search:
    """The contract: a subclass gives the call, and says how many hypotheses come of it."""

    config: DecodingConfig
    most: int
    """The longest output U, the end mark included."""

    @property
    def count(self) -> int:
        """Hypotheses of each sequence, N."""
        return 1

    def __call__(
        self, decoder: Decoder, memory: Memory, key: Array | None = None, noise: DecoderNoise = SILENT
    ) -> Hypotheses:
        """Decode.

        Args:
            key: of all draws; who draws none does not read it.
            noise: what stands for it in evaluation, the same at all steps and for all sequences.
        """
        raise NotImplementedError

    def allowed(self, scores: Float[Array, "*B V"], position: Int[Array, ""]) -> Float[Array, "*B V"]:
        """The scores of tokens, -inf for the end mark where it would come too early."""
        if self.config.min_length == 0:
            return scores
        early = position < self.config.min_length
        return scores.at[..., END].set(jnp.where(early, -jnp.inf, scores[..., END]))


class OneByOne(Search):
    """One hypothesis, to which a token is added at each step: a subclass says which."""

    def token(self, logits: Float[Array, "B V"], key: Array | None, position: Int[Array, ""]) -> Int[Array, " B"]:
        raise NotImplementedError

    def __call__(
        self, decoder: Decoder, memory: Memory, key: Array | None = None, noise: DecoderNoise = SILENT
    ) -> Hypotheses:
        batch = memory.states.shape[0]

        def unfinished(loop: tuple) -> Array:
            position, _, _, said = loop
            return (position < self.most) & ~jnp.all(said.finished)

        def step(loop: tuple) -> tuple:
            position, state, fed, said = loop
            logits, _, state = decoder.step(memory, state, fed, noise)
            token = self.token(self.allowed(logits, position), key, position).astype(fed.dtype)
            gain = jnp.take_along_axis(jax.nn.log_softmax(logits), token[:, None], axis=1)
            token = jnp.where(said.finished[:, 0], PAD, token)
            total = said.log_probability + jnp.where(said.finished, 0, gain)
            said = Hypotheses(
                said.tokens.at[:, 0, position].set(token),
                said.lengths + ~said.finished,
                total,
                total,
                said.finished | (token == END)[:, None],
            )
            return position + 1, state, token, said

        fed = jnp.full((batch,), BEGIN, jnp.int32)
        loop = (jnp.int32(0), decoder.start(memory), fed, nothing(batch, 1, self.most, memory.states.dtype, 0))
        return jax.lax.while_loop(unfinished, step, loop)[3]


class Greedy(OneByOne):
    """The likeliest token at each step."""

    def token(self, logits: Float[Array, "B V"], key: Array | None, position: Int[Array, ""]) -> Int[Array, " B"]:
        return likeliest(logits)


class Sample(OneByOne):
    """A token drawn at each step; the draws of a sequence depend on the key, its row in the batch and the position."""

    def token(self, logits: Float[Array, "B V"], key: Array | None, position: Int[Array, ""]) -> Int[Array, " B"]:
        assert key is not None, "a search that draws needs a key"
        rows = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(len(logits)))
        keys = jax.vmap(jax.random.fold_in, (0, None))(rows, position)
        k = min(self.config.top_k, logits.shape[1])
        best, places = jax.lax.top_k(logits, k) if k else (logits, None)
        scaled = (best - jnp.max(best, axis=1, keepdims=True)) / self.config.temperature  # no infinity when it is cold
        drawn = jax.vmap(jax.random.categorical)(keys, scaled)
        return drawn if places is None else jnp.take_along_axis(places, drawn[:, None], axis=1)[:, 0]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Beams:
    """What goes on: N hypotheses of each sequence, all of one length."""

    state: DecoderState
    """Of B * N rows."""
    fed: Int[Array, "B N"]
    """Their last tokens."""
    tokens: Int[Array, "B N U"]
    log_probability: Float[Array, "B N"]
    """-inf: there is none in this place."""
    coverage: Float[Array, "B N S"] | None
    """The attention that each source state has got so far; None where nothing reads it."""


class Beam(Search):
    """Beam search with a length and a coverage penalty.

    The penalties decide between hypotheses that have left the beam (or have U tokens); within it all are of the same
    length, and the N likeliest are kept. A sequence is done when its N-th best score is at least what the likeliest
    hypothesis in the beam would get if nothing that follows cost anything: tokens of probability 1 up to U, where the
    length penalty helps most, and no coverage penalty.
    """

    @property
    def count(self) -> int:
        return self.config.beam_size

    def __call__(
        self, decoder: Decoder, memory: Memory, key: Array | None = None, noise: DecoderNoise = SILENT
    ) -> Hypotheses:
        (batch, steps, _), size = memory.states.shape, self.count
        dtype = memory.states.dtype
        each = jax.tree.map(lambda x: jnp.repeat(x, size, axis=0), memory)
        divisors = self.divisors(dtype)

        def unfinished(loop: tuple) -> Array:
            position, beams, _ = loop
            return (position < self.most) & jnp.any(beams.log_probability > -jnp.inf)

        def step(loop: tuple) -> tuple:
            position, beams, best = loop
            logits, weights, state = decoder.step(each, beams.state, beams.fed.reshape(-1), noise)
            if beams.coverage is not None:
                beams = replace(beams, coverage=beams.coverage + weights.reshape(batch, size, steps))
            gains = self.allowed(jax.nn.log_softmax(logits), position).reshape(batch, size, -1)
            beams = self.continued(beams, state, gains, position)
            ended = beams.fed == END
            leaving = (beams.log_probability > -jnp.inf) & (ended | (position == self.most - 1))
            score = beams.log_probability / divisors[position] + self.covered(beams.coverage, memory.lengths)
            score = jnp.where(leaving, score, -jnp.inf)
            lengths = jnp.broadcast_to(position + 1, score.shape)
            left = Hypotheses(beams.tokens, lengths, beams.log_probability, score, ended)
            best = best_of(best, left)
            on = jnp.where(leaving, -jnp.inf, beams.log_probability)
            done = best.score[:, -1] >= jnp.max(on, axis=1) / divisors[-1]
            on = jnp.where(done[:, None], -jnp.inf, on)
            return position + 1, replace(beams, log_probability=on), best

        first = jnp.where(jnp.arange(size) == 0, 0, -jnp.inf).astype(dtype)
        coverage = jnp.zeros((batch, size, steps), dtype) if self.config.coverage_penalty else None
        beams = Beams(
            jax.tree.map(lambda x: jnp.repeat(x, size, axis=0), decoder.start(memory)),
            jnp.full((batch, size), BEGIN, jnp.int32),
            jnp.full((batch, size, self.most), PAD, jnp.int32),
            jnp.tile(first[None, :], (batch, 1)),
            coverage,
        )
        loop = (jnp.int32(0), beams, nothing(batch, size, self.most, dtype, -jnp.inf))
        return jax.lax.while_loop(unfinished, step, loop)[2]

    def continued(
        self, beams: Beams, state: DecoderState, gains: Float[Array, "B N V"], position: Int[Array, ""]
    ) -> Beams:
        """The N likeliest of all hypotheses that are one token longer.

        Args:
            state: of each beam, after its last token.
            gains: log p of the next token.
        """
        batch, size, vocabulary = gains.shape
        totals = (beams.log_probability[:, :, None] + gains).reshape(batch, -1)
        log_probability, places = jax.lax.top_k(totals, size)
        parents, fed = jnp.divmod(places, vocabulary)
        rows = jnp.arange(batch)[:, None] * size + parents
        tokens, coverage = taken((beams.tokens, beams.coverage), parents)
        tokens = tokens.at[:, :, position].set(fed)
        return Beams(state.take(rows.reshape(-1)), fed, tokens, log_probability, coverage)

    def divisors(self, dtype: Any) -> Float[Array, " U"]:
        """What log-probabilities of 1 to U tokens are divided by."""
        return jnp.asarray(((5 + np.arange(1, self.most + 1)) / 6) ** self.config.length_penalty, dtype)

    def covered(
        self, coverage: Float[Array, "B N S"] | None, lengths: Int[Array, " B"] | None
    ) -> Float[Array, "B N"] | float:
        """The coverage penalty, over the valid source states; at most 0."""
        if coverage is None:
            return 0.0
        logs = jnp.log(jnp.clip(coverage, FLOOR, 1))
        if lengths is not None:
            valid = jnp.arange(coverage.shape[2])[None, :] < lengths[:, None]
            logs = jnp.where(valid[:, None, :], logs, 0)
        return self.config.coverage_penalty * jnp.sum(logs, axis=2)


METHODS: dict[str, type[Search]] = {"greedy": Greedy, "sample": Sample, "beam": Beam}


def create(config: DecodingConfig, most: int) -> Search:
    """The search that the configuration names.

    Args:
        most: the longest output, the end mark included, where `decoding.max_length` is 0.

    Raises:
        UserError: if `decoding.min_length` leaves no place for the end mark.
    """
    most = config.max_length or most
    allowed = f"at most {most - 1}, as an output has {most} tokens at most, the end mark included"
    require(config.min_length < most, "decoding.min_length", config.min_length, allowed)
    return METHODS[config.method](config, most)


def greedy(decoder: Decoder, memory: Memory, most: int, noise: DecoderNoise = SILENT) -> Int[Array, "B U"]:
    """The tokens of greedy decoding, at most `most` of them."""
    return create(DecodingConfig(), most)(decoder, memory, noise=noise).tokens[:, 0]


def nothing(batch: int, count: int, most: int, dtype: Any, value: float) -> Hypotheses:
    """Hypotheses without tokens, of this log-probability and score."""
    tokens = jnp.full((batch, count, most), PAD, jnp.int32)
    lengths, values = jnp.zeros((batch, count), jnp.int32), jnp.full((batch, count), value, dtype)
    return Hypotheses(tokens, lengths, values, values, jnp.zeros((batch, count), bool))


def best_of(first: Hypotheses, second: Hypotheses) -> Hypotheses:
    """The N best of both, in order; of equals those of `first`, in their order."""
    both = jax.tree.map(lambda x, y: jnp.concatenate([x, y], axis=1), first, second)
    return taken(both, jax.lax.top_k(both.score, first.score.shape[1])[1])


def taken(tree: Tree, places: Int[Array, "B N"]) -> Tree:
    """Of arrays [B, M, ...], these places of each row."""
    rows = jnp.arange(len(places))[:, None]
    return jax.tree.map(lambda x: x[rows, places], tree)
