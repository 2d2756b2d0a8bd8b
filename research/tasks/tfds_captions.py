"""Photographs to captions: COCO 2014 with the splits of Karpathy and Li, decoded while the model trains.

A photograph is put into a white square and read as a stamp is (`research/tasks/captioning.py`). Each of its captions
is an example of training. Texts are scored against all captions of a photograph, tokens against the first. The
vocabulary, and the most frequent caption, come from `SAMPLE` photographs that are spread evenly.
"""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from research.data.batching import in_buckets
from research.data.corpora import stock
from research.data.corpora.source import Source
from research.data.images.files import STAMP_SIZE, decode_image, fit_square
from research.data.processor import Processor
from research.data.streaming import Stream
from research.tasks.captioning import CaptioningTask
from research.tasks.corpus_task import Prepared, StoredRecords, spread

SAMPLE = 20_000
MAX_CAPTIONS = 5
"""Captions of a photograph that are used: few have more."""
SPLITS = {"train": "train", "validation": "val", "test": "test"}
"""TFDS's names."""


@dataclass(frozen=True)
class CocoCaptions(CaptioningTask):
    """Photographs to English captions (Chen et al. 2015; splits of Karpathy & Li 2015), through TFDS."""

    name: Literal["coco_captions"] = "coco_captions"
    size: int = STAMP_SIZE
    """Rows and columns of an image, in three colors."""
    vocab_size: int = 8000
    """subwords: size of the vocabulary."""

    @functools.cached_property
    def splits(self) -> Mapping[str, Source]:
        folder = str(stock.prepare(self.name, "2014"))
        return {split: Source(folder, name, ("image",)) for split, name in SPLITS.items()}

    @functools.cached_property
    def prepared(self) -> Prepared:
        train = self.splits["train"]
        texts = [text for row in spread(len(train), SAMPLE) for text in captions(train[row])]
        processor = self.fit(texts)

        def measure(photograph: Mapping[str, Any]) -> list[int]:
            sizes = [len(processor.text.tokens(text)) for text in captions(photograph)]
            return sizes + [0] * (MAX_CAPTIONS - len(sizes))

        tokens = train.measured(f"tokens of captions: {processor.target.to_dict()}", measure)
        rows = np.argwhere(tokens > 0)  # photograph and caption of each example
        steps = np.full(len(rows), len(encode(processor, train[0], 0)[0]))
        records = StoredRecords(train, rows, functools.partial(encode, processor))
        stream = Stream(records, in_buckets(np.stack([steps, tokens[tokens > 0] + 1], axis=1)))
        return Prepared(stream, Counter(texts).most_common(1)[0][0], processor)

    def example(self, record: Mapping[str, Any]) -> tuple[np.ndarray, Sequence[int], list[str]]:
        return *encode(self.prepared.processor, record, 0), captions(record)

    def describe(self) -> str:
        return "photographs to captions"


def captions(photograph: Mapping[str, Any]) -> list[str]:
    """Return the captions of a photograph, with one space for all white space."""
    return [" ".join(text.decode().split()) for text in photograph["captions"]["text"][:MAX_CAPTIONS]]


def encode(processor: Processor, photograph: Mapping[str, Any], caption: int) -> tuple[np.ndarray, list[int]]:
    """Return a photograph as a sequence, and one of its captions as tokens."""
    image = fit_square(decode_image(photograph["image"]), STAMP_SIZE)
    return processor.input.encode(image), processor.text.tokens(captions(photograph)[caption])
