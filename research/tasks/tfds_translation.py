"""English sentences to translations, of the corpora that TFDS has: read from a disk while the model trains.

Text is as in `research/tasks/translation.py`, which has the metrics, too: composed characters, one space for all white
space. Pairs with an English sentence of more than `max_words` words are neither trained nor scored on. Tokenizers, and
the most frequent translation, come from `SAMPLE` training pairs that are spread evenly.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from research.data.batching import in_buckets
from research.data.corpora import stock
from research.data.corpora.corpus import SPLITS
from research.data.corpora.libreoffice import Pair
from research.data.corpora.source import Source
from research.data.processor import Processor
from research.data.streaming import Stream
from research.data.text import normalize
from research.tasks.corpus_task import Prepared, StoredRecords, spread
from research.tasks.task import Split
from research.tasks.translation import TranslationTask, encode, limited, longest, most_frequent, word_count

SAMPLE = 500_000


@dataclass(frozen=True)
class TfdsTranslation(TranslationTask):
    """A corpus of TFDS with English on one side. A subclass names it."""

    builder_config: ClassVar[str]
    """Config of TFDS's builder, with {} for the language."""

    @functools.cached_property
    def splits(self) -> Mapping[str, Source]:
        folder = str(stock.prepare(self.name, self.builder_config.format(self.target_language)))
        return {split: Source(folder, split) for split in SPLITS}

    @functools.cached_property
    def prepared(self) -> Prepared:
        train, language = self.splits["train"], self.target_language
        pairs = [pair_of(train[row], language) for row in spread(len(train), SAMPLE)]
        processor = self.fit([pair for pair in pairs if word_count(pair)])

        def measure(record: Mapping[str, Any]) -> tuple[int, int, int]:
            pair = pair_of(record, language)
            source, target = encode(processor, pair)
            return word_count(pair), len(source), len(target)

        fields = json.dumps(processor.to_dict())
        words, *sides = train.measured(f"words and tokens of en and {language}: {fields}", measure).T
        lengths = np.stack([sides[0], sides[1] + 1], axis=1)  # with the end mark
        usable = (words > 0) & (words <= self.max_words) & (sides[1] > 0)
        rows = np.flatnonzero(usable & np.all(lengths <= longest(lengths[usable]), axis=1))
        records = StoredRecords(train, rows[:, None], functools.partial(encode_record, processor, language))
        stream = Stream(records, in_buckets(lengths[rows]))
        return Prepared(stream, most_frequent(pairs), limited(processor, lengths[rows]))

    def records(self, split: Split) -> list[Pair]:
        return self.short(pair_of(record, self.target_language) for record in self.splits[split])


@dataclass(frozen=True)
class TedHrlrTranslate(TfdsTranslation):
    """English sentences of TED talks to their translations (Qi et al. 2018), through TFDS."""

    builder_config: ClassVar[str] = "{}_to_en"
    name: Literal["ted_hrlr_translate"] = "ted_hrlr_translate"
    target_language: Literal["pt", "ru", "tr", "az", "be", "gl"] = "pt"
    """Language to translate into: Portuguese, Russian, Turkish; of little text: Azerbaijani, Belarusian, Galician."""


@dataclass(frozen=True)
class Wmt14Translate(TfdsTranslation):
    """English sentences of the WMT 2014 campaign to German (Bojar et al. 2014), through TFDS."""

    builder_config: ClassVar[str] = "{}-en"
    name: Literal["wmt14_translate"] = "wmt14_translate"
    target_language: Literal["de"] = "de"
    """Language to translate into."""
    source_vocab_size: int = 32000
    """subwords: size of the source vocabulary."""
    target_vocab_size: int = 32000
    """subwords: size of the target vocabulary."""


def pair_of(record: Mapping[str, Any], language: str) -> Pair:
    """Return the pair of a record."""
    return Pair(*(normalize(record[key].decode()) for key in ("en", language)))


def encode_record(processor: Processor, language: str, record: Mapping[str, Any]) -> tuple[np.ndarray, list[int]]:
    """Return the tokens of a record's pair."""
    return encode(processor, pair_of(record, language))
