"""Letters to phonemes: English words of CMUdict, split by word.

All listed pronunciations of a word count as right: the references of `research/tasks/metrics/edits.py`, whose metrics
are reported together with

    free_running/phoneme_error_rate_long_words    on words of at least 12 letters
    baseline/most_frequent/…                      phoneme_error_rate, sequence_error_rate of one output for all words

A user's words are put in lower case, as those of the corpus are; like there, they have no other signs than letters.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from research.batch import EOS, PAD, Batch, TaskSpec
from research.data.batching import Buckets
from research.data.corpora import cmudict
from research.data.corpora.cmudict import Words
from research.data.processor import Axis, Kind, Processor
from research.data.text import Vocabulary
from research.errors import UserError
from research.tasks.corpus_task import CorpusTask, InMemory, Prepared, sample
from research.tasks.metrics import edits, text
from research.tasks.task import Evaluation, HeldOut, InputKind, Predictions, Split

BUCKETS = ((7, 8), (10, 11), (16, 17))
"""Longest source and target of each; the one training word in a thousand that fits none is left out of training."""
LONG_WORD = 12


class SpellingProcessor(Processor):
    """A word to its letters, phonemes to a line of them."""

    kind: ClassVar[Kind] = "text"

    def __init__(self, letters: Sequence[str], phonemes: Sequence[str]) -> None:
        self.letters, self.phonemes = Vocabulary(tuple(letters)), Vocabulary(tuple(phonemes))

    def to_dict(self) -> dict[str, Any]:
        return {"letters": list(self.letters.symbols), "phonemes": list(self.phonemes.symbols)}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "SpellingProcessor":
        return cls(saved["letters"], saved["phonemes"])

    def encode(self, source: str) -> np.ndarray:
        word = source.strip().lower()
        if not word:
            raise UserError("an empty line: must be a word")
        known = self.letters.symbols
        for letter in word:
            if letter not in known:
                raise UserError(f"{word!r}: {letter!r} is no letter that the model knows: {''.join(known)}")
        return np.array(self.letters.encode(word), np.int32)

    def decode(self, tokens: Sequence[int]) -> str:
        return " ".join(self.symbols(tokens))

    def symbols(self, tokens: Sequence[int]) -> list[str]:
        return self.phonemes.decode(tokens)

    def axis(self, source: str) -> Axis:
        return Axis(labels=list(source.strip().lower()), name="letters")


@dataclass(frozen=True)
class _Dictionary(Prepared):
    processor: SpellingProcessor
    held_out: Mapping[str, Words]
    """Words of each split."""


@dataclass(frozen=True)
class Pronunciation(CorpusTask):
    """Letters of an English word to its phonemes (CMUdict)."""

    inputs: ClassVar[InputKind] = "tokens"
    processor_type: ClassVar[type[Processor] | None] = SpellingProcessor
    error_rate: ClassVar[str] = "phoneme_error_rate"
    length_unit: ClassVar[str] = "letters in the word"
    token_unit: ClassVar[str] = "phoneme"
    name: Literal["pronunciation"] = "pronunciation"
    stress: bool = False
    """Keep the stress digit of vowels: 69 phoneme symbols instead of 39."""

    @functools.cached_property
    def prepared(self) -> _Dictionary:
        corpus = cmudict.load(self.stress)
        train = corpus.splits["train"]
        targets, target_lengths = _end_with_eos(train.target, train.target_lengths)
        fits = np.array([(train.source_lengths <= s) & (target_lengths <= u) for s, u in BUCKETS])
        bucket = np.where(np.any(fits, axis=0), np.argmax(fits, axis=0), len(BUCKETS))
        members = [np.flatnonzero(bucket == index) for index in range(len(BUCKETS))]
        rows = np.concatenate(members)
        steps = np.sum(train.source_lengths[rows]) + np.sum(target_lengths[rows])
        padded = np.dot([len(rows) for rows in members], np.sum(BUCKETS, axis=1))
        batches = [
            Batch(
                train.source[rows, :source],
                train.source_lengths[rows].astype(np.int32),
                targets[rows, :target].astype(np.int32),
                target_lengths[rows],
            )
            for rows, (source, target) in zip(members, BUCKETS, strict=True)
        ]
        pairs = zip(targets[rows], target_lengths[rows], strict=True)
        most_frequent = text.most_frequent(["".join(map(chr, target[: length - 1])) for target, length in pairs])
        return _Dictionary(
            InMemory(Buckets(members, BUCKETS, float(1 - steps / padded)), tuple(batches)),
            most_frequent,
            SpellingProcessor(corpus.letters, corpus.phonemes),
            {split: words for split, words in corpus.splits.items() if split != "train"},
        )

    @functools.cached_property
    def spec(self) -> TaskSpec:
        (source, target), processor = self.longest, self.prepared.processor
        return TaskSpec("tokens", processor.letters.size, source, "tokens", processor.phonemes.size, target)

    def held_out(self, split: Split, count: int) -> HeldOut:
        words, letters = self.prepared.held_out[split], self.prepared.processor.letters

        def encode(row: int) -> tuple[np.ndarray, Sequence[int]]:
            return np.array(letters.encode(words.words[row]), np.int32), words.references[row][0]

        return sample(split, range(len(words.words)), count, encode, lambda row: words.references[row])

    def processor(self) -> SpellingProcessor:
        return self.prepared.processor

    def evaluate(self, predictions: Predictions, held_out: HeldOut) -> Evaluation:
        lengths = held_out.batch.input_lengths
        assert lengths is not None
        evaluation = edits.evaluate(
            predictions,
            held_out.batch,
            held_out.references,
            name=self.error_rate,
            subsets={"long_words": lengths >= LONG_WORD},
        )
        constant = [*map(ord, self.prepared.most_frequent)]
        return edits.with_constant(evaluation, "most_frequent", constant, held_out.references, self.error_rate)

    def describe(self) -> str:
        return "CMUdict, letters to phonemes" + (" with stress" if self.stress else "")


def _end_with_eos(targets: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return targets [N, U] with the end mark behind the last phoneme, [N, U + 1], and their new lengths."""
    ended = np.pad(targets, ((0, 0), (0, 1)), constant_values=PAD)
    ended[np.arange(len(ended)), lengths] = EOS
    return ended, lengths.astype(np.int32) + 1
