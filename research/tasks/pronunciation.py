"""Letters to phonemes: English words of CMUdict, split by word.

The phoneme error of a word is its edit distance to the nearest of its listed pronunciations; the rate is the sum of the
distances over the sum of the lengths of those pronunciations. A word is wrong if it equals none. Metrics:

    eval/teacher_forced/error_rate            share of wrong tokens, the end mark included, given the true prefix
    eval/free_running/error_rate              phoneme error rate of greedy decoding
    eval/free_running/error_rate_long_words   the same on words of at least 12 letters
    eval/free_running/sequence_error_rate     share of wrong words
    eval/forcing_gap                          free-running minus teacher-forced error rate
"""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int
from rapidfuzz.distance import Levenshtein

from research.batch import END, FIRST_SYMBOL, PAD, Batch, Interface
from research.config import PronunciationConfig
from research.tasks.corpora import cmudict
from research.tasks.order import Order
from research.tasks.task import Evaluation, Outcome, Task

BUCKETS = ((7, 8), (10, 11), (16, 17))
"""Longest source and target of each; the one training word in a thousand that fits none is left out of training."""
LONG_WORD = 12


class Pronunciation(Task):
    """Letters of an English word to its phonemes (CMUdict)."""

    name: ClassVar[str] = "pronunciation"
    buckets: int = len(BUCKETS)

    def __init__(self, options: PronunciationConfig) -> None:
        corpus = cmudict.load(options.stress)
        self._test = corpus.splits["test"]
        train = corpus.splits["train"]
        targets, target_lengths = _closed(train.target, train.target_lengths)
        fits = [(train.source_lengths <= s) & (target_lengths <= u) for s, u in BUCKETS]
        bucket = np.where(np.any(fits, axis=0), np.argmax(fits, axis=0), len(BUCKETS))
        rows = np.argsort(bucket, kind="stable")[: int(np.sum(bucket < len(BUCKETS)))]
        self._sizes = tuple(int(np.sum(bucket == index)) for index in range(len(BUCKETS)))
        widest = np.max(BUCKETS, axis=0)
        self.data = Batch(
            train.source[rows, : widest[0]],
            train.source_lengths[rows].astype(np.int32),
            targets[rows, : widest[1]],
            target_lengths[rows],
        )
        self.interface = Interface(
            inputs="tokens",
            input_size=FIRST_SYMBOL + len(corpus.letters),
            input_length=int(widest[0]),
            target="tokens",
            target_size=FIRST_SYMBOL + len(corpus.phonemes),
            target_length=self._test.target.shape[1] + 1,
        )

    def bucket(self, key: Array, step: Int[Array, ""], batch_size: int) -> Int[Array, ""]:
        return Order(self._sizes, batch_size).bucket(key, step)

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        rows = Order(self._sizes, batch_size).rows(key, step, bucket)
        source, target = BUCKETS[bucket]
        inputs = data.inputs[rows, :source].astype(jnp.int32)
        targets = data.targets[rows, :target].astype(jnp.int32)
        return Batch(inputs, data.input_lengths[rows], targets, data.target_lengths[rows])

    def held_out(self, most: int) -> Batch[np.ndarray]:
        rows = self._held_out_rows(most)
        targets, target_lengths = _closed(self._test.target, self._test.target_lengths)
        source = self._test.source[rows].astype(np.int32)
        return Batch(source, self._test.source_lengths[rows], targets[rows].astype(np.int32), target_lengths[rows])

    def evaluate(self, outcome: Outcome) -> Evaluation:
        rows = self._held_out_rows(len(outcome.loss))
        lengths = self._test.source_lengths[rows]
        scored = [
            _nearest(_spoken(tokens), self._test.references[row])
            for tokens, row in zip(outcome.outputs, rows, strict=True)
        ]
        distance, size = np.array(scored, np.float64).T
        forced, free = _rate(outcome.errors, outcome.count), _rate(distance, size)
        long = lengths >= LONG_WORD
        metrics = {
            "eval/loss": _rate(outcome.loss, outcome.count),
            "eval/teacher_forced/error_rate": forced,
            "eval/free_running/error_rate": free,
            "eval/free_running/error_rate_long_words": _rate(distance[long], size[long]),
            "eval/free_running/sequence_error_rate": float(np.mean(distance > 0)),
            "eval/forcing_gap": free - forced,
        }
        each = [(int(n), lengths == n) for n in np.unique(lengths)]
        by_length = {
            "length": [n for n, _ in each],
            "count": [int(np.sum(of)) for _, of in each],
            "teacher_forced": [_rate(outcome.errors[of], outcome.count[of]) for _, of in each],
            "free_running": [_rate(distance[of], size[of]) for _, of in each],
        }
        return Evaluation(metrics, by_length)

    def _held_out_rows(self, most: int) -> np.ndarray:
        """A fixed random sample, sorted by length so that the words of a batch end together."""
        rows = np.random.default_rng(0).permutation(len(self._test.words))[:most]
        return rows[np.argsort(self._test.source_lengths[rows], kind="stable")]


def _closed(targets: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Targets [N, U] with the end mark behind the last phoneme, [N, U + 1], and their new lengths."""
    closed = np.pad(targets, ((0, 0), (0, 1)), constant_values=PAD)
    closed[np.arange(len(closed)), lengths] = END
    return closed, lengths.astype(np.int32) + 1


def _spoken(tokens: np.ndarray) -> tuple[int, ...]:
    """The tokens before the end mark."""
    ids = tokens.tolist()
    return tuple(ids[: ids.index(END)] if END in ids else ids)


def _nearest(output: tuple[int, ...], references: list[tuple[int, ...]]) -> tuple[int, int]:
    """Edit distance to the nearest reference, and that reference's length."""
    return min(
        ((Levenshtein.distance(output, reference), len(reference)) for reference in references), key=lambda x: x[0]
    )


def _rate(errors: np.ndarray, count: np.ndarray) -> float:
    total = float(np.sum(count, dtype=np.float64))
    return float(np.sum(errors, dtype=np.float64)) / total if total else float("nan")
