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
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from research.batch import EOS, FIRST_SYMBOL, Batch, TaskSpec
from research.data.batching import Examples
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
        squares = digits.reshape(batch_size, count, DIGIT, DIGIT)
        lengths = DIGIT * count + jnp.sum(gaps, axis=1)
        targets = jnp.pad(labels[rows] + FIRST_SYMBOL, ((0, 0), (0, 1)), constant_values=EOS)
        inputs = place_digits(squares, gaps, self._widths[bucket], jnp)
        return Batch(inputs, lengths, targets, jnp.full(batch_size, count + 1))

    def eval_examples(self, split: Split, count: int) -> EvalExamples:
        images, labels = self._splits[split]
        count_rng, row_rng, gap_rng = (np.random.default_rng((SEEDS[split], n)) for n in range(3))
        counts = count_rng.integers(1, self.digits + 1, count)
        rows = row_rng.integers(0, len(images), (count, self.digits))
        gaps = gap_rng.integers(0, self.gap + 1, (count, self.digits + 1))
        inputs, targets = [], []
        for row in np.argsort(counts, kind="stable"):  # strips of few digits come first
            digits, blank = rows[row, : counts[row]], gaps[row, : counts[row] + 1]
            squares = images[digits].astype(np.float32) / np.float32(255)
            inputs.append(place_digits(squares[None], blank[None], DIGIT * len(digits) + int(np.sum(blank)), np)[0])
            targets.append((labels[digits] + FIRST_SYMBOL).tolist())
        batch = Examples(inputs, targets).batch(self._widths[-1], self.digits + 1)
        return EvalExamples(split, batch, [[NAMES.decode(target)] for target in targets])

    def processor(self) -> Processor:
        return Processor(StripField(self._widths[-1], self.gap), NAMES)

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        assert examples.batch.target_lengths is not None
        name = NAMES.vocabulary[int(np.argmax(np.bincount(self.data[1], minlength=10)))]
        return text.evaluate(
            predictions,
            examples.batch,
            NAMES,
            name,
            lengths=examples.batch.target_lengths - 1,
            texts=examples.references,
            chosen=("bleu", "chrf", "exact_match"),
        )

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
