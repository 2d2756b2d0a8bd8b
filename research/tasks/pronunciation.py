"""Letters to phonemes: English words of CMUdict, split by word.

All listed pronunciations of a word count as right: the references of `research/tasks/metrics/edits.py`, whose metrics
are reported together with

    free_running/phoneme_error_rate_long_words    on words of at least 12 letters
    baseline/most_frequent/…                      phoneme_error_rate, sequence_error_rate of one output for all words

A user's words are put in lower case, as those of the corpus are, and have letters only.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from research.batch import InputKind, TaskSpec
from research.data.batching import Buckets, Examples
from research.data.corpora import cmudict
from research.data.corpora.cmudict import Word
from research.data.processor import Processor
from research.data.text import Symbols
from research.tasks.corpus_task import CorpusTask, InMemory, Prepared
from research.tasks.metrics import text
from research.tasks.task import EvalExamples, Evaluation, Predictions

BUCKETS = ((7, 8), (10, 11), (16, 17))
"""Longest source and target of each; the one training word in a thousand that fits none is left out of training."""
LONG_WORD = 12


@dataclass(frozen=True)
class Pronunciation(CorpusTask):
    """Letters of an English word to its phonemes (CMUdict)."""

    error_rate: ClassVar[str] = "phoneme_error_rate"
    length_unit: ClassVar[str] = "letters in the word"
    token_unit: ClassVar[str] = "phoneme"
    name: Literal["pronunciation"] = "pronunciation"
    stress: bool = False
    """Keep the stress digit of vowels: 69 phoneme symbols instead of 39."""

    @property
    def input_kind(self) -> InputKind:
        return "tokens"

    @functools.cached_property
    def splits(self) -> Mapping[str, Sequence[Word]]:
        return cmudict.load(self.stress)

    @functools.cached_property
    def letters(self) -> Symbols:
        """Letters of the training words."""
        return Symbols(tuple(sorted(set().union(*(word.letters for word in self.splits["train"])))), lowercase=True)

    @functools.cached_property
    def phonemes(self) -> Symbols:
        """Phonemes of the training words, separated by spaces."""
        ways = (way.split() for word in self.splits["train"] for way in word.pronunciations)
        return Symbols(tuple(sorted(set().union(*ways))), " ")

    @functools.cached_property
    def prepared(self) -> Prepared:
        train = self.splits["train"]
        targets = [self.phonemes.tokens(word.pronunciations[0]) for word in train]
        examples = Examples([self.letters.encode(word.letters) for word in train], targets)
        lengths = examples.lengths
        fits = np.array([np.all(lengths <= widths, axis=1) for widths in BUCKETS])
        bucket = np.where(np.any(fits, axis=0), np.argmax(fits, axis=0), len(BUCKETS))
        members = [np.flatnonzero(bucket == index) for index in range(len(BUCKETS))]
        data = [examples.take(rows).batch(*widths) for rows, widths in zip(members, BUCKETS, strict=True)]
        rows = np.concatenate(members)
        padded = np.dot([len(rows) for rows in members], np.sum(BUCKETS, axis=1))
        frequent = text.most_frequent(["".join(map(chr, targets[row])) for row in rows])
        buckets = Buckets(members, BUCKETS, float(1 - np.sum(lengths[rows]) / padded))
        processor = Processor(self.letters, self.phonemes)
        return Prepared(InMemory(buckets, tuple(data)), self.phonemes.decode([*map(ord, frequent)]), processor)

    @functools.cached_property
    def spec(self) -> TaskSpec:
        source, target = self.longest
        return TaskSpec("tokens", self.letters.size, source, "tokens", self.phonemes.size, target)

    def example(self, record: Word) -> tuple[np.ndarray, Sequence[int], Any]:
        references = [tuple(self.phonemes.tokens(pronunciation)) for pronunciation in record.pronunciations]
        return self.letters.encode(record.letters), references[0], references

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        lengths = examples.batch.input_lengths
        assert lengths is not None
        return text.evaluate(
            predictions,
            examples.batch,
            self.phonemes,
            self.prepared.most_frequent,
            name=self.error_rate,
            references=examples.references,
            subsets={"long_words": lengths >= LONG_WORD},
        )

    def describe(self) -> str:
        return "CMUdict, letters to phonemes" + (" with stress" if self.stress else "")
