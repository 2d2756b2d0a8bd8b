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

from research.batch import TaskSpec
from research.data.batching import Buckets, pad
from research.data.corpora import cmudict
from research.data.corpora.cmudict import Pronunciations
from research.data.processor import Axis, Kind, Processor
from research.data.text import Vocabulary
from research.errors import UserError
from research.tasks.corpus_task import CorpusTask, InMemory, Prepared
from research.tasks.metrics import edits, text
from research.tasks.task import EvalExamples, Evaluation, InputKind, Predictions, Split

BUCKETS = ((7, 8), (10, 11), (16, 17))
"""Longest source and target of each; the one training word in a thousand that fits none is left out of training."""
LONG_WORD = 12

Pronounced = list[tuple[int, ...]]
"""Phonemes of all listed pronunciations of a word."""


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
    def prepared(self) -> Prepared:
        processor = SpellingProcessor(self._corpus.letters, self._corpus.phonemes)
        train = self._corpus.splits["train"]
        targets = [references[0] for references in train.references]
        lengths = np.stack([train.source_lengths, train.target_lengths + 1], axis=1)
        fits = np.array([np.all(lengths <= widths, axis=1) for widths in BUCKETS])
        bucket = np.where(np.any(fits, axis=0), np.argmax(fits, axis=0), len(BUCKETS))
        members = [np.flatnonzero(bucket == index) for index in range(len(BUCKETS))]
        batches = [
            pad([(train.source[row, : lengths[row, 0]], targets[row]) for row in rows], *widths)
            for rows, widths in zip(members, BUCKETS, strict=True)
        ]
        rows = np.concatenate(members)
        padded = np.dot([len(rows) for rows in members], np.sum(BUCKETS, axis=1))
        most_frequent = text.most_frequent(["".join(map(chr, targets[row])) for row in rows])
        buckets = Buckets(members, BUCKETS, float(1 - np.sum(lengths[rows]) / padded))
        return Prepared(InMemory(buckets, tuple(batches)), most_frequent, processor)

    @functools.cached_property
    def spec(self) -> TaskSpec:
        (source, target), processor = self.longest, self.prepared.processor
        return TaskSpec("tokens", processor.letters.size, source, "tokens", processor.phonemes.size, target)

    def records(self, split: Split) -> list[tuple[str, Pronounced]]:
        words = self._corpus.splits[split]
        return list(zip(words.words, words.references, strict=True))

    def example(self, record: tuple[str, Pronounced]) -> tuple[np.ndarray, Sequence[int], Pronounced]:
        word, references = record
        return np.array(self.prepared.processor.letters.encode(word), np.int32), references[0], references

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        lengths = examples.batch.input_lengths
        assert lengths is not None
        evaluation = edits.evaluate(
            predictions,
            examples.batch,
            examples.references,
            name=self.error_rate,
            subsets={"long_words": lengths >= LONG_WORD},
        )
        constant = [*map(ord, self.prepared.most_frequent)]
        return edits.with_most_frequent(evaluation, constant, examples.references, self.error_rate)

    def describe(self) -> str:
        return "CMUdict, letters to phonemes" + (" with stress" if self.stress else "")

    @functools.cached_property
    def _corpus(self) -> Pronunciations:
        return cmudict.load(self.stress)
