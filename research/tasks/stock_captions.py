"""Photographs to captions: COCO 2014 with the splits of Karpathy and Li, decoded while the model trains.

A photograph is a square as a stamp is, on white, and read as one (`research/tasks/image_stamps.py`). Each of its
captions is an example of training. Metrics are those of `research/tasks/captions.py`; texts are scored against all
captions of a photograph, tokens against the first. The vocabulary, and the most frequent caption, come of `SAMPLE`
photographs that are spread evenly.
"""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int
from PIL import Image

from research.batch import Batch
from research.config import STAMP, CocoCaptionsConfig
from research.tasks import captions
from research.tasks.captions import Language
from research.tasks.corpora import stock
from research.tasks.corpora.stock import Source
from research.tasks.image_stamps import ImageStamps, PictureReader
from research.tasks.pictures import picture
from research.tasks.resident import Examples
from research.tasks.streamed import Records, Streamed
from research.tasks.task import Evaluation, Outcome
from research.tasks.units import Characters, Pieces

SAMPLE = 20_000
COUNTED = 5
"""Captions of a photograph, at most: few have more."""


@dataclass(frozen=True)
class Captioned(Records):
    """Photographs as sequences, each with one of its captions."""

    source: Source
    places: Int[np.ndarray, "N 2"]
    """Of each example: the photograph, and its caption."""
    reader: PictureReader

    def __getitem__(self, row: int) -> tuple[np.ndarray, Sequence[int]]:
        place, number = self.places[row]
        example = self.source[int(place)]
        return steps(example, self.reader), self.reader.vocabulary.ids(texts(example)[number])


class CocoCaptions(Streamed, ImageStamps):
    """Photographs to English captions, through TFDS."""

    name: ClassVar[str] = "coco_captions"

    def __init__(self, options: CocoCaptionsConfig) -> None:
        self.options, self.language = options, "en"
        folder = str(stock.prepared(self.name, "2014"))
        train, self._source = Source(folder, "train", ("image",)), Source(folder, "test", ("image",))
        spread = np.linspace(0, len(train) - 1, min(SAMPLE, len(train))).astype(int)
        said = [text for row in spread for text in texts(train[int(row)])]
        vocabulary = (
            Characters.of(said) if options.units == "characters" else Pieces.of(said, options.pieces, "task.pieces")
        )
        self._reader = PictureReader(options.size, options.reading, options.patch, vocabulary)
        self._most_frequent = Counter(said).most_common(1)[0][0]

        def tokens(example: Mapping[str, Any]) -> list[int]:
            sizes = [len(vocabulary.ids(text)) for text in texts(example)]
            return sizes + [0] * (COUNTED - len(sizes))

        measured = train.measured(f"tokens of captions: {vocabulary.saved()}", tokens)
        places = np.argwhere(measured > 0)
        self.describe(int(np.max(measured)))
        sources = np.full(len(places), self.interface.input_length)
        self.read_from(Captioned(train, places, self._reader), np.stack([sources, measured[measured > 0] + 1], axis=1))
        self._rows = np.random.default_rng(0).permutation(len(self._source))

    def held_out(self, most: int) -> Batch[np.ndarray]:
        examples = [self._source[int(row)] for row in self._rows[:most]]
        targets = [self._reader.vocabulary.ids(texts(example)[0]) for example in examples]
        return Examples([steps(example, self._reader) for example in examples], targets).batch()

    def evaluate(self, outcome: Outcome) -> Evaluation:
        count, vocabulary = len(outcome.loss), self._reader.vocabulary
        references = [texts(self._source[int(row)]) for row in self._rows[:count]]
        language = Language(self.language, vocabulary.ids, vocabulary.text)
        return captions.evaluate(outcome, self.held_out(count), references, self._most_frequent, language)


def texts(example: Mapping[str, Any]) -> list[str]:
    """The captions of a photograph, the first of them, with one space for all white space."""
    return [" ".join(text.decode().split()) for text in example["captions"]["text"][:COUNTED]]


def steps(example: Mapping[str, Any], reader: PictureReader) -> np.ndarray:
    """The photograph as a sequence."""
    with Image.open(io.BytesIO(example["image"])) as file:
        square = picture.squared(picture.on_white(file), STAMP)
    return reader.steps(reader.pixels(square)[None], np)[0]
