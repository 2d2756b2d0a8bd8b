"""Probabilities of all possible outputs of a decoder, and searches written the long way, in NumPy."""

import functools
import itertools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import BOS, EOS, PAD, TaskSpec
from research.seq2seq.attention import Attention
from research.seq2seq.decoder import Decoder
from research.seq2seq.decoding import Beam, Hypotheses
from research.seq2seq.encoder import Memory
from research.seq2seq.model import Seq2seq
from tests import quick
from tests.seq2seq import models
from tests.seq2seq.models import LETTERS, SOURCE, SOURCE_LENGTHS, altered

VOCABULARY, MOST = 5, 4
"""The marks and two symbols, and the longest output."""
PENALTIES = Beam(length_penalty=0.8, coverage_penalty=0.4)

Tokens = tuple[int, ...]


@functools.cache
def model(kind: str | Attention, cell: str = "gru") -> Seq2seq:
    """With that kind of attention."""
    spec = TaskSpec("tokens", LETTERS, SOURCE, "tokens", VOCABULARY, MOST)
    return models.build(spec, cell, kind)


def inclined(decoder: Decoder, token: int, by: float, scale: float = 1.0) -> Decoder:
    """With logits times `scale`, and that of one token raised, at all steps."""
    assert decoder.vocabulary is not None and decoder.vocabulary.bias is not None
    kernel, bias = decoder.vocabulary.kernel[...], decoder.vocabulary.bias[...]
    decoder = altered(decoder, kernel * scale, "vocabulary", "kernel")
    return altered(decoder, (bias * scale).at[token].add(by), "vocabulary", "bias")


def counted_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets an item with each step of a decoder in programs that are traced later."""
    calls: list[int] = []
    plain = Decoder.step

    def counted(self: Decoder, *arguments: Any) -> Any:
        jax.debug.callback(lambda: calls.append(1))
        return plain(self, *arguments)

    monkeypatch.setattr(Decoder, "step", counted)
    return calls


@dataclass(frozen=True)
class Output:
    """One hypothesis."""

    tokens: Tokens
    log_probability: float
    score: float


@dataclass(frozen=True)
class Table:
    """log p of each next token and the attention, after each possible beginning of an output, teacher-forced."""

    log_p: np.ndarray
    """[B, V^(U-1), U, V]"""
    weights: np.ndarray
    """[B, V^(U-1), U, S]"""

    @classmethod
    def of(cls, decoder: Decoder, memory: Memory, most: int = MOST) -> "Table":
        fed = np.array([(BOS, *said) for said in itertools.product(range(VOCABULARY), repeat=most - 1)], np.int32)
        batch, count = len(memory.states), len(fed)

        @quick.jit
        def run(memory):
            each = jax.tree.map(lambda x: jnp.repeat(x, count, axis=0), memory)
            logits, weights = decoder(each, jnp.tile(fed, (batch, 1)), None)
            return jax.nn.log_softmax(logits), weights

        return cls(*(np.asarray(x).reshape(batch, count, *x.shape[1:]) for x in run(memory)))

    def next(self, row: int, said: Tokens) -> np.ndarray:
        """Log-probabilities of the token after these."""
        return self.log_p[row, self._place(said), len(said)]

    def output(self, row: int, tokens: Tokens, options: Beam) -> Output:
        """With the score of Wu et al. 2016."""
        total = sum(self.next(row, tokens[:u])[token] for u, token in enumerate(tokens))
        coverage = self.weights[row, self._place(tokens[:-1]), : len(tokens), : SOURCE_LENGTHS[row]].sum(axis=0)
        penalty = options.coverage_penalty and options.coverage_penalty * np.log(np.minimum(coverage, 1)).sum()
        return Output(tokens, total, total / ((5 + len(tokens)) / 6) ** options.length_penalty + penalty)

    def _place(self, said: Tokens) -> int:
        """Of a sequence that begins so, and goes on with zeros."""
        digits = (*said, *[0] * (self.log_p.shape[2] - 1 - len(said)))
        return functools.reduce(lambda place, token: place * VOCABULARY + token, digits, 0)


def ranked(outputs: list[Output]) -> list[Output]:
    return sorted(outputs, key=lambda output: -output.score)


def exhaustive(table: Table, row: int, options: Beam, most: int = MOST) -> list[Output]:
    """All outputs there can be, the best first."""
    found = []
    for length in range(1, most + 1):
        for said in itertools.product(range(VOCABULARY), repeat=length):
            whole = EOS not in said[:-1] and (said[-1] == EOS or length == most)
            if whole and (said[-1] != EOS or length - 1 >= options.min_length):
                found.append(table.output(row, said, options))
    return ranked(found)


def beam(table: Table, row: int, options: Beam, most: int = MOST) -> tuple[list[Output], int]:
    """Return what `Beam` finds without an early exit, and the steps after which the bound makes its result final."""
    going: list[tuple[Tokens, float]] = [((), 0.0)]
    left: list[Output] = []
    settled = None
    for u in range(most):
        tokens = [v for v in range(VOCABULARY) if v != EOS or u >= options.min_length]
        longer = [((*said, v), total + table.next(row, said)[v]) for said, total in going for v in tokens]
        longer = sorted(longer, key=lambda pair: -pair[1])[: options.beam_size]
        left += [table.output(row, said, options) for said, _ in longer if said[-1] == EOS or u == most - 1]
        going = [(said, total) for said, total in longer if said[-1] != EOS and u < most - 1]
        left = ranked(left)[: options.beam_size]
        bound = max((total for _, total in going), default=-np.inf) / ((5 + most) / 6) ** options.length_penalty
        full = len(left) == options.beam_size and left[-1].score >= bound
        if settled is None and (full or not going):
            settled = u + 1
    assert settled is not None
    return left, settled


def same(found: Hypotheses, row: int, wanted: list[Output]) -> None:
    """Assert that these outputs were found, and no others."""
    count, most = found.tokens.shape[1:]
    assert len(wanted) <= count
    for n, output in enumerate(wanted):
        length = len(output.tokens)
        assert found.tokens[row, n].tolist() == [*output.tokens, *[PAD] * (most - length)]
        assert found.lengths[row, n] == length
        assert found.finished[row, n] == (output.tokens[-1] == EOS)
    for name in ("log_probability", "score"):
        values = [getattr(output, name) for output in wanted]
        np.testing.assert_allclose(getattr(found, name)[row, : len(wanted)], values, rtol=1e-11)
    rest = slice(len(wanted), None)
    assert np.all(found.score[row, rest] == -np.inf) and np.all(found.log_probability[row, rest] == -np.inf)
    assert not np.any(found.lengths[row, rest]) and not np.any(found.finished[row, rest])
    assert np.all(found.tokens[row, rest] == PAD)
