"""English sentences to translations, of the corpora that TFDS brings: read from a disk while the model trains.

Text is as in `research/tasks/translation.py`, where the metrics are, too: composed characters, one space for all white
space. Pairs with an English sentence of more than `max_words` words are neither trained nor scored on. Vocabularies,
and the most frequent translation, come of `SAMPLE` training pairs that are spread evenly.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int

from research.config import TedHrlrTranslateConfig, TranslationOptions, Wmt14TranslateConfig
from research.tasks.corpora import stock
from research.tasks.corpora.libreoffice import Pair
from research.tasks.corpora.stock import Source
from research.tasks.streamed import Records, Streamed
from research.tasks.translation import (
    LONGEST_LEFT_OUT,
    Translation,
    TranslationReader,
    normalised,
    vocabularies,
    word_count,
)
from research.tasks.units import Units

SAMPLE = 500_000


@dataclass(frozen=True)
class Pairs(Records):
    """Pairs of a split as tokens."""

    source: Source
    rows: Int[np.ndarray, " N"]
    """The examples of the split that are trained on."""
    language: str
    english: Units
    translation: Units

    def __getitem__(self, row: int) -> tuple[np.ndarray, Sequence[int]]:
        pair = pair_of(self.source[int(self.rows[row])], self.language)
        return np.array(self.english.ids(pair.english), np.int32), self.translation.ids(pair.translation)


class StockTranslation(Streamed, Translation):
    """A corpus of TFDS with English on one side. A subclass names it."""

    def prepare(self, folder: str, options: TranslationOptions, language: str) -> None:
        """Make vocabularies and buckets of the training split."""
        train = Source(folder, "train")
        spread = np.linspace(0, len(train) - 1, min(SAMPLE, len(train))).astype(int)
        sample = [pair_of(train[int(row)], language) for row in spread]
        english, translation = vocabularies(options, [pair for pair in sample if word_count(pair)])

        def lengths(example: Mapping[str, Any]) -> tuple[int, int, int]:
            pair = pair_of(example, language)
            return word_count(pair), len(english.ids(pair.english)), len(translation.ids(pair.translation))

        units = json.dumps([english.saved(), translation.saved()])
        words, *measured = train.measured(f"words and tokens of en and {language}: {units}", lengths).T
        fits = (words > 0) & (words <= options.max_words) & (measured[1] > 0)
        longest = [int(np.quantile(of_side[fits], 1 - LONGEST_LEFT_OUT)) for of_side in measured]
        rows = np.flatnonzero(fits & (measured[0] <= longest[0]) & (measured[1] <= longest[1]))
        kept = np.stack([measured[0][rows], measured[1][rows] + 1], axis=1)  # with the end mark
        self.read_from(Pairs(train, rows, language, english, translation), kept)
        test = [pair_of(example, language) for example in Source(folder, "test")]
        test = [pair for pair in test if 0 < word_count(pair) <= options.max_words]
        most_frequent = Counter(pair.translation for pair in sample).most_common(1)[0][0]
        reader = TranslationReader(english, translation, longest[0])
        self.translate(language, reader, longest[1], test, most_frequent)


class TedHrlrTranslate(StockTranslation):
    """English sentences of TED talks to their translations, through TFDS."""

    name: ClassVar[str] = "ted_hrlr_translate"

    def __init__(self, options: TedHrlrTranslateConfig) -> None:
        folder = stock.prepared(self.name, f"{options.target}_to_en")
        self.prepare(str(folder), options, options.target)


class Wmt14Translate(StockTranslation):
    """English sentences of the WMT 2014 campaign to German, through TFDS."""

    name: ClassVar[str] = "wmt14_translate"

    def __init__(self, options: Wmt14TranslateConfig) -> None:
        folder = stock.prepared(self.name, f"{options.target}-en")
        self.prepare(str(folder), options, options.target)


def pair_of(example: Mapping[str, Any], language: str) -> Pair:
    return Pair(*(normalised(example[key].decode()) for key in ("en", language)))
