"""Probabilities of all possible outputs of a decoder, and simple searches in NumPy."""

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
from tests.seq2seq import models
from tests.seq2seq.models import LETTERS, SOURCE, SOURCE_LENGTHS, altered

VOCABULARY, MOST = 5, 4
"""Size of a vocabulary of special tokens and two symbols, and the longest output."""
PENALTIES = Beam(length_penalty=0.8, coverage_penalty=0.4)

Tokens = tuple[int, ...]


@functools.cache
def model(kind: str | Attention, cell: str = "gru") -> Seq2seq:
    """Return a small model with this kind of attention."""
    spec = TaskSpec("tokens", LETTERS, SOURCE, "tokens", VOCABULARY, MOST)
    return models.build(spec, cell, kind)


def inclined(decoder: Decoder, token: int, by: float, scale: float = 1.0) -> Decoder:
    """Return the decoder with logits times `scale`, and the logit of one token raised."""
    assert decoder.vocabulary is not None and decoder.vocabulary.bias is not None
    kernel, bias = decoder.vocabulary.kernel[...], decoder.vocabulary.bias[...]
    decoder = altered(decoder, kernel * scale, "vocabulary", "kernel")
    return altered(decoder, (bias * scale).at[token].add(by), "vocabulary", "bias")


def counted_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which each step of a decoder appends an item, in programs that are traced later."""
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
    """log p of each next token and the attention, after each possible prefix of an output."""

    log_p: np.ndarray
    """[B, V^(U-1), U, V]"""
    weights: np.ndarray
    """[B, V^(U-1), U, S]"""

    @classmethod
    def of(cls, decoder: Decoder, memory: Memory, most: int = MOST) -> "Table":
        previous = np.array(
            [(BOS, *predicted) for predicted in itertools.product(range(VOCABULARY), repeat=most - 1)], np.int32
        )
        batch, count = len(memory.states), len(previous)

        @jax.jit
        def run(memory):
            repeated = jax.tree.map(lambda x: jnp.repeat(x, count, axis=0), memory)
            logits, weights = decoder(repeated, jnp.tile(previous, (batch, 1)), None)
            return jax.nn.log_softmax(logits), weights

        return cls(*(np.asarray(x).reshape(batch, count, *x.shape[1:]) for x in run(memory)))

    def next(self, row: int, predicted: Tokens) -> np.ndarray:
        """Return the log-probabilities of the token after these."""
        return self.log_p[row, self._place(predicted), len(predicted)]

    def output(self, row: int, tokens: Tokens, options: Beam) -> Output:
        """Return the output with the score of Wu et al. 2016."""
        total = sum(self.next(row, tokens[:u])[token] for u, token in enumerate(tokens))
        coverage = self.weights[row, self._place(tokens[:-1]), : len(tokens), : SOURCE_LENGTHS[row]].sum(axis=0)
        penalty = options.coverage_penalty and options.coverage_penalty * np.log(np.minimum(coverage, 1)).sum()
        return Output(tokens, total, total / ((5 + len(tokens)) / 6) ** options.length_penalty + penalty)

    def _place(self, predicted: Tokens) -> int:
        """Return the index of a sequence with this prefix, then zeros."""
        digits = (*predicted, *[0] * (self.log_p.shape[2] - 1 - len(predicted)))
        return functools.reduce(lambda place, token: place * VOCABULARY + token, digits, 0)


def ranked(outputs: list[Output]) -> list[Output]:
    return sorted(outputs, key=lambda output: -output.score)


def exhaustive(table: Table, row: int, options: Beam, most: int = MOST) -> list[Output]:
    """Return all possible outputs, the best first."""
    actual = []
    for length in range(1, most + 1):
        for predicted in itertools.product(range(VOCABULARY), repeat=length):
            whole = EOS not in predicted[:-1] and (predicted[-1] == EOS or length == most)
            if whole and (predicted[-1] != EOS or length - 1 >= options.min_length):
                actual.append(table.output(row, predicted, options))
    return ranked(actual)


def beam(table: Table, row: int, options: Beam, most: int = MOST) -> tuple[list[Output], int]:
    """Return the result of `Beam` without early exit, and the steps after which the bound makes it final."""
    going: list[tuple[Tokens, float]] = [((), 0.0)]
    left: list[Output] = []
    settled = None
    for u in range(most):
        tokens = [v for v in range(VOCABULARY) if v != EOS or u >= options.min_length]
        longer = [
            ((*predicted, v), total + table.next(row, predicted)[v]) for predicted, total in going for v in tokens
        ]
        longer = sorted(longer, key=lambda pair: -pair[1])[: options.beam_size]
        left += [
            table.output(row, predicted, options) for predicted, _ in longer if predicted[-1] == EOS or u == most - 1
        ]
        going = [(predicted, total) for predicted, total in longer if predicted[-1] != EOS and u < most - 1]
        left = ranked(left)[: options.beam_size]
        bound = max((total for _, total in going), default=-np.inf) / ((5 + most) / 6) ** options.length_penalty
        full = len(left) == options.beam_size and left[-1].score >= bound
        if settled is None and (full or not going):
            settled = u + 1
    assert settled is not None
    return left, settled


def same(actual: Hypotheses, row: int, wanted: list[Output]) -> None:
    """Assert that the hypotheses are these outputs and no others."""
    count, most = actual.tokens.shape[1:]
    assert len(wanted) <= count
    for n, output in enumerate(wanted):
        length = len(output.tokens)
        assert actual.tokens[row, n].tolist() == [*output.tokens, *[PAD] * (most - length)]
        assert actual.lengths[row, n] == length
        assert actual.finished[row, n] == (output.tokens[-1] == EOS)
    for name in ("log_probability", "score"):
        values = [getattr(output, name) for output in wanted]
        np.testing.assert_allclose(getattr(actual, name)[row, : len(wanted)], values, rtol=1e-11)
    rest = slice(len(wanted), None)
    assert np.all(actual.score[row, rest] == -np.inf) and np.all(actual.log_probability[row, rest] == -np.inf)
    assert not np.any(actual.lengths[row, rest]) and not np.any(actual.finished[row, rest])
    assert np.all(actual.tokens[row, rest] == PAD)
