"""English sentences to translations, of the corpora that TFDS has: read from a disk while the model trains.

Text is as in `research/tasks/translation.py`, which has the metrics, too: composed characters, one space for all white
space. Pairs with an English sentence of more than `max_words` words are neither trained nor scored on. Tokenizers, and
the most frequent translation, come from `SAMPLE` training pairs that are spread evenly.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from research.data.batching import in_buckets
from research.data.corpora import stock
from research.data.corpora.libreoffice import Pair
from research.data.corpora.source import Source
from research.data.streaming import Records, Stream
from research.tasks.corpus_task import spread
from research.tasks.task import Split
from research.tasks.translation import (
    PreparedPairs,
    TranslationProcessor,
    TranslationTask,
    longest,
    most_frequent,
    normalize,
    word_count,
)

SAMPLE = 500_000


@dataclass(frozen=True)
class PairRecords(Records):
    """Pairs of the training split as tokens."""

    source: Source
    rows: Int[np.ndarray, " N"]
    """Examples of the split to train on."""
    language: str
    processor: TranslationProcessor

    def __getitem__(self, row: int) -> tuple[np.ndarray, Sequence[int]]:
        return self.processor.tokens(pair_of(self.source[int(self.rows[row])], self.language))


@dataclass(frozen=True)
class TfdsTranslation(TranslationTask):
    """A corpus of TFDS with English on one side. A subclass names it."""

    @property
    def builder_config(self) -> str:
        """Config of the TFDS builder."""
        raise NotImplementedError

    @functools.cached_property
    def prepared(self) -> PreparedPairs:
        train, language = self._source("train"), self.target_language
        pairs = [pair_of(train[row], language) for row in spread(len(train), SAMPLE)]
        processor = TranslationProcessor(*self.fit([pair for pair in pairs if word_count(pair)]), 0)

        def measure(example: Mapping[str, Any]) -> tuple[int, int, int]:
            pair = pair_of(example, language)
            source, target = processor.tokens(pair)
            return word_count(pair), len(source), len(target)

        tokenizers = json.dumps([processor.source.to_dict(), processor.target.to_dict()])
        words, *sides = train.measured(f"words and tokens of en and {language}: {tokenizers}", measure).T
        lengths = np.stack([sides[0], sides[1] + 1], axis=1)  # with the end mark
        usable = (words > 0) & (words <= self.max_words) & (sides[1] > 0)
        rows = np.flatnonzero(usable & np.all(lengths <= longest(lengths[usable]), axis=1))
        processor.max_length = int(np.max(lengths[rows, 0]))
        stream = Stream(PairRecords(train, rows, language, processor), in_buckets(lengths[rows]))
        return PreparedPairs(stream, most_frequent(pairs), processor)

    def pairs(self, split: Split) -> Sequence[Pair]:
        return [pair_of(example, self.target_language) for example in self._source(split)]

    def _source(self, split: str) -> Source:
        return Source(str(stock.prepare(self.name, self.builder_config)), split)


@dataclass(frozen=True)
class TedHrlrTranslate(TfdsTranslation):
    """English sentences of TED talks to their translations (Qi et al. 2018), through TFDS."""

    name: Literal["ted_hrlr_translate"] = "ted_hrlr_translate"
    target_language: Literal["pt", "ru", "tr", "az", "be", "gl"] = "pt"
    """Language to translate into: Portuguese, Russian, Turkish; of little text: Azerbaijani, Belarusian, Galician."""

    @property
    def builder_config(self) -> str:
        return f"{self.target_language}_to_en"


@dataclass(frozen=True)
class Wmt14Translate(TfdsTranslation):
    """English sentences of the WMT 2014 campaign to German (Bojar et al. 2014), through TFDS."""

    name: Literal["wmt14_translate"] = "wmt14_translate"
    target_language: Literal["de"] = "de"
    """Language to translate into."""
    source_vocab_size: int = 32000
    """subwords: size of the source vocabulary."""
    target_vocab_size: int = 32000
    """subwords: size of the target vocabulary."""

    @property
    def builder_config(self) -> str:
        return f"{self.target_language}-en"


def pair_of(example: Mapping[str, Any], language: str) -> Pair:
    """Return the pair of an example."""
    return Pair(*(normalize(example[key].decode()) for key in ("en", language)))
