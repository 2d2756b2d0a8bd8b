"""Letters to phonemes: English words of CMUdict, split by word.

All listed pronunciations of a word count as right: the references of `research/tasks/sequences.py`, where the metrics
are. Beside them:

    eval/free_running/error_rate_long_words    on words of at least 12 letters
    eval/baseline/…          error_rate, sequence_error_rate of one output for all: `transcripts.likeliest` of training

Words to be read are put in lower case, as those of the corpus are; like there, they have no other signs than letters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from research.batch import END, FIRST_SYMBOL, PAD, Batch, Interface
from research.config import PronunciationConfig
from research.errors import UserError
from research.tasks import sequences, transcripts
from research.tasks.corpora import cmudict
from research.tasks.order import Order
from research.tasks.reader import Axis, Kind, Reader, Vocabulary
from research.tasks.task import Evaluation, Outcome, Task

BUCKETS = ((7, 8), (10, 11), (16, 17))
"""Longest source and target of each; the one training word in a thousand that fits none is left out of training."""
LONG_WORD = 12


class Spelling(Reader):
    """A word to its letters, phonemes to a line of them."""

    kind: ClassVar[Kind] = "text"

    def __init__(self, letters: Sequence[str], phonemes: Sequence[str]) -> None:
        self.letters, self.phonemes = Vocabulary(tuple(letters)), Vocabulary(tuple(phonemes))

    def saved(self) -> dict[str, Any]:
        return {"letters": list(self.letters.symbols), "phonemes": list(self.phonemes.symbols)}

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> "Spelling":
        return cls(saved["letters"], saved["phonemes"])

    def read(self, given: str) -> np.ndarray:
        word = _word(given)
        if not word:
            raise UserError("an empty line: must be a word")
        known = self.letters.symbols
        for letter in word:
            if letter not in known:
                raise UserError(f"{word!r}: {letter!r} is no letter that the model knows: {''.join(known)}")
        return np.array(self.letters.ids(word), np.int32)

    def text(self, tokens: Sequence[int]) -> str:
        return " ".join(self.said(tokens))

    def said(self, tokens: Sequence[int]) -> list[str]:
        return self.phonemes.names(tokens)

    def axis(self, given: str) -> Axis:
        return Axis(labels=list(_word(given)), name="letters")


class Pronunciation(Task):
    """Letters of an English word to its phonemes (CMUdict)."""

    name: ClassVar[str] = "pronunciation"
    buckets: int = len(BUCKETS)
    reader: ClassVar[type[Reader] | None] = Spelling

    def __init__(self, options: PronunciationConfig) -> None:
        corpus = cmudict.load(options.stress)
        self._spelling = Spelling(corpus.letters, corpus.phonemes)
        self._held_out = corpus.splits[options.held_out]
        train = corpus.splits["train"]
        targets, target_lengths = _closed(train.target, train.target_lengths)
        fits = [(train.source_lengths <= s) & (target_lengths <= u) for s, u in BUCKETS]
        bucket = np.where(np.any(fits, axis=0), np.argmax(fits, axis=0), len(BUCKETS))
        rows = np.argsort(bucket, kind="stable")[: int(np.sum(bucket < len(BUCKETS)))]
        self._sizes = tuple(int(np.sum(bucket == index)) for index in range(len(BUCKETS)))
        steps = np.sum(train.source_lengths[rows]) + np.sum(target_lengths[rows])
        self.padding = float(1 - steps / np.dot(self._sizes, np.sum(BUCKETS, axis=1)))
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
            target_length=self._held_out.target.shape[1] + 1,
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
        targets, target_lengths = _closed(self._held_out.target, self._held_out.target_lengths)
        source = self._held_out.source[rows].astype(np.int32)
        return Batch(source, self._held_out.source_lengths[rows], targets[rows].astype(np.int32), target_lengths[rows])

    def own_reader(self) -> Spelling:
        return self._spelling

    def evaluate(self, outcome: Outcome) -> Evaluation:
        count = len(outcome.loss)
        references = [self._held_out.references[row] for row in self._held_out_rows(count)]
        held_out = self.held_out(count)
        assert held_out.input_lengths is not None
        found = sequences.evaluate(outcome, held_out, references, {"long_words": held_out.input_lengths >= LONG_WORD})
        free = sequences.score(np.tile(self._likeliest(), (count, 1)), references)
        baseline = {
            "eval/baseline/error_rate": sequences.rate(free.distance, free.symbols),
            "eval/baseline/sequence_error_rate": float(np.mean(free.distance > 0)),
        }
        return replace(found, metrics=found.metrics | baseline)

    def _likeliest(self) -> np.ndarray:
        """The likeliest target of training, what a model had best say that does not read the word."""
        pairs = zip(self.data.targets, self.data.target_lengths, strict=True)
        said = transcripts.likeliest(["".join(map(chr, target[: length - 1])) for target, length in pairs])
        return np.array([*map(ord, said), END])

    def _held_out_rows(self, most: int) -> np.ndarray:
        """A fixed random sample, sorted by length so that the words of a batch end together."""
        rows = np.random.default_rng(0).permutation(len(self._held_out.words))[:most]
        return rows[np.argsort(self._held_out.source_lengths[rows], kind="stable")]


def _word(given: str) -> str:
    return given.strip().lower()


def _closed(targets: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Targets [N, U] with the end mark behind the last phoneme, [N, U + 1], and their new lengths."""
    closed = np.pad(targets, ((0, 0), (0, 1)), constant_values=PAD)
    closed[np.arange(len(closed)), lengths] = END
    return closed, lengths.astype(np.int32) + 1
