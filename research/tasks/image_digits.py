"""Strips of handwritten digits to their names: "three eight" (MNIST, as `research/data/corpora/mnist.py` splits it).

A strip has 1 to `task.digits` digits with blank columns between; a step is a column of 28 pixels from 0 to 1, ink being
1. Training strips are composed on the device, without end, each digit evenly of all training digits, and distorted
independently; validation and test strips are of the digits of their split, undistorted. All strips of a training batch
have equally many digits.

Texts are the English names of the digits, in lower case with one space between; a token is a name. The metrics of
`research/tasks/metrics/edits.py` are reported together with bleu, chrf and exact_match of the texts; `by_length` counts
the digits. Of the names of single digits, which are the likeliest strips, `most_frequent` is the most frequent, or the
first.
"""

import functools
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from research.batch import EOS, FIRST_SYMBOL, PAD, Batch, TaskSpec
from research.data.corpora import mnist
from research.data.images.strips import DIGIT, StripField, place_digits
from research.data.images.warp import WarpOptions, warp
from research.data.order import stream
from research.data.processor import Processor
from research.data.text import Symbols
from research.options import require_between
from research.tasks.metrics import text
from research.tasks.synthetic import SEEDS
from research.tasks.task import EvalExamples, Evaluation, Predictions, Split, Task

NAMES = Symbols(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), " ")
EXAMPLES, BUCKET = 1, 2
"""Tags of the random streams of a batch's key."""


@dataclass(frozen=True)
class ImageDigits(WarpOptions, Task):
    """A strip of handwritten digits, column by column, to their names (MNIST)."""

    length_unit: ClassVar[str] = "digits in the strip"
    token_unit: ClassVar[str] = "digit"
    name: Literal["image_digits"] = "image_digits"
    digits: int = 5
    """Most digits of a strip; the least is 1, and all numbers are equally frequent."""
    gap: int = 8
    """Most blank columns in front of a digit and behind the last; uniform from 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, "task", digits=(1, 20), gap=(0, 100))

    @property
    def same_length(self) -> bool:
        return False

    @functools.cached_property
    def spec(self) -> TaskSpec:
        return TaskSpec("features", DIGIT, self._widths[-1], "tokens", NAMES.size, self.digits + 1)

    @functools.cached_property
    def data(self) -> Any:
        return self._splits["train"]

    @functools.cached_property
    def buckets(self) -> int:
        return self.digits

    @functools.cached_property
    def padding(self) -> float | None:
        mean = [DIGIT * count + (count + 1) * self.gap / 2 for count in range(1, self.digits + 1)]
        return float(1 - np.sum(mean) / np.sum(self._widths))

    def bucket(self, step: Int[Array, ""], batch_size: int) -> Int[Array, ""]:
        """Return the number of digits, less one."""
        return jax.random.randint(stream(jax.random.key(0), BUCKET, step), (), 0, self.buckets)

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        images, labels = data
        count = bucket + 1
        row_key, gap_key, warp_key = jax.random.split(stream(key, EXAMPLES, step), 3)
        rows = jax.random.randint(row_key, (batch_size, count), 0, len(images))
        gaps = jax.random.randint(gap_key, (batch_size, count + 1), 0, self.gap + 1)
        digits = warp((images[rows.ravel()].astype(jnp.float32) / 255)[..., None], warp_key, self)[..., 0]
        return _strips(digits.reshape(batch_size, count, DIGIT, DIGIT), labels[rows], gaps, self._widths[bucket], jnp)

    def eval_examples(self, split: Split, count: int) -> EvalExamples:
        images, labels = self._splits[split]
        count_rng, row_rng, gap_rng = (np.random.default_rng((SEEDS[split], n)) for n in range(3))
        counts = count_rng.integers(1, self.digits + 1, count)
        rows = row_rng.integers(0, len(images), (count, self.digits))
        gaps = gap_rng.integers(0, self.gap + 1, (count, self.digits + 1))
        order = np.argsort(counts, kind="stable")  # strips of few digits come first
        counts, rows, gaps = counts[order], rows[order], gaps[order]
        inputs = np.zeros((len(counts), self._widths[-1], DIGIT), np.float32)
        targets = np.full((len(counts), self.digits + 1), PAD, np.int32)
        lengths = np.zeros(len(counts), np.int32)
        for digits in np.unique(counts).tolist():
            chosen = np.flatnonzero(counts == digits)
            places = rows[chosen, :digits]
            squares = images[places].astype(np.float32) / np.float32(255)
            part: Any = _strips(squares, labels[places], gaps[chosen, : digits + 1], self._widths[-1], np)
            inputs[chosen], targets[chosen, : digits + 1] = part.inputs, part.targets
            lengths[chosen] = part.input_lengths
        batch = Batch(inputs, lengths, targets, (counts + 1).astype(np.int32))
        return EvalExamples(split, batch, [NAMES.decode(target.tolist()) for target in targets])

    def processor(self) -> Processor:
        return Processor(StripField(self._widths[-1], self.gap), NAMES)

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        assert examples.batch.target_lengths is not None
        name = NAMES.vocabulary[int(np.argmax(np.bincount(self.data[1], minlength=10)))]
        evaluation = text.evaluate(
            predictions,
            examples.batch,
            NAMES,
            name,
            lengths=examples.batch.target_lengths - 1,
            texts=examples.references,
            score=functools.partial(text.translation_scores, language="en"),
        )
        return replace(evaluation, signatures=text.signatures("en", examples.references))

    def describe(self) -> str:
        return f"strips of 1 to {self.digits} digits"

    @functools.cached_property
    def _splits(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        splits = mnist.load()
        return {name: (split["images"].reshape(-1, DIGIT, DIGIT), split["labels"]) for name, split in splits.items()}

    @property
    def _widths(self) -> list[int]:
        """Columns of the widest strip of so many digits, from 1."""
        return [DIGIT * count + self.gap * (count + 1) for count in range(1, self.digits + 1)]


def _strips(digits: Any, labels: Any, gaps: Any, width: int, numpy: Any) -> Batch:
    """Return strips of digits [B, n, 28, 28] with their names."""
    batch, count = labels.shape
    lengths = DIGIT * count + numpy.sum(gaps, axis=1)
    ends = numpy.full((batch, 1), EOS, numpy.int32)
    targets = numpy.concatenate([(labels + FIRST_SYMBOL).astype(numpy.int32), ends], axis=1)
    inputs = place_digits(digits, gaps, width, numpy)
    return Batch(inputs, lengths.astype(numpy.int32), targets, numpy.full(batch, count + 1, numpy.int32))
