"""Photographs to captions: COCO 2014 with the splits of Karpathy and Li, decoded while the model trains.

A photograph is put into a white square and read as a stamp is (`research/tasks/captioning.py`). Each of its captions
is an example of training. Texts are scored against all captions of a photograph, tokens against the first. The
vocabulary, and the most frequent caption, come from `SAMPLE` photographs that are spread evenly.
"""

import functools
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Int
from PIL import Image

from research.data.batching import in_buckets
from research.data.corpora import stock
from research.data.corpora.source import Source
from research.data.images.files import STAMP_SIZE, fit_square, to_rgb
from research.data.streaming import Records, Stream
from research.tasks.captioning import CaptioningTask, ImageProcessor, PreparedImages
from research.tasks.corpus_task import sample, spread
from research.tasks.task import HeldOut, Split

SAMPLE = 20_000
MAX_CAPTIONS = 5
"""Captions of a photograph that are used: few have more."""
SPLITS = {"train": "train", "validation": "val", "test": "test"}
"""TFDS's names."""


@dataclass(frozen=True)
class CaptionRecords(Records):
    """Photographs as sequences, each with one of its captions."""

    source: Source
    places: Int[np.ndarray, "N 2"]
    """Photograph and caption of each example."""
    processor: ImageProcessor

    def __getitem__(self, row: int) -> tuple[np.ndarray, Sequence[int]]:
        photograph, caption = self.places[row]
        example = self.source[int(photograph)]
        return steps(example, self.processor), self.processor.tokenizer.encode(captions(example)[caption])


@dataclass(frozen=True)
class CocoCaptions(CaptioningTask):
    """Photographs to English captions (Chen et al. 2015; splits of Karpathy & Li 2015), through TFDS."""

    name: Literal["coco_captions"] = "coco_captions"
    size: int = STAMP_SIZE
    """Rows and columns of an image, in three colors."""
    vocab_size: int = 8000
    """subwords: size of the vocabulary."""

    @functools.cached_property
    def prepared(self) -> PreparedImages:
        train = self._source("train")
        texts = [text for row in spread(len(train), SAMPLE) for text in captions(train[row])]
        processor = self.fit(texts)

        def measure(example: Mapping[str, Any]) -> list[int]:
            sizes = [len(processor.tokenizer.encode(text)) for text in captions(example)]
            return sizes + [0] * (MAX_CAPTIONS - len(sizes))

        tokens = train.measured(f"tokens of captions: {processor.tokenizer.to_dict()}", measure)
        places = np.argwhere(tokens > 0)
        sources = np.full(len(places), len(steps(train[0], processor)))
        buckets = in_buckets(np.stack([sources, tokens[tokens > 0] + 1], axis=1))
        stream = Stream(CaptionRecords(train, places, processor), buckets)
        return PreparedImages(stream, Counter(texts).most_common(1)[0][0], processor)

    def held_out(self, split: Split, count: int) -> HeldOut:
        processor = self.prepared.processor

        def encode(example: Mapping[str, Any]) -> tuple[np.ndarray, list[int]]:
            return steps(example, processor), processor.tokenizer.encode(captions(example)[0])

        return sample(split, self._source(split), count, encode, captions)

    def describe(self) -> str:
        return "photographs to captions"

    def _source(self, split: str) -> Source:
        return Source(str(stock.prepare(self.name, "2014")), SPLITS[split], ("image",))


def captions(example: Mapping[str, Any]) -> list[str]:
    """Return the captions of a photograph, with one space for all white space."""
    return [" ".join(text.decode().split()) for text in example["captions"]["text"][:MAX_CAPTIONS]]


def steps(example: Mapping[str, Any], processor: ImageProcessor) -> np.ndarray:
    """Return the photograph as a sequence."""
    with Image.open(io.BytesIO(example["image"])) as file:
        return processor.steps_of(fit_square(to_rgb(file), STAMP_SIZE))
