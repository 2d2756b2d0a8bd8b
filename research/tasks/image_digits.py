"""Strips of handwritten digits to their names: "three eight" (MNIST, as `research/tasks/corpora/mnist.py` splits it).

A strip has 1 to `task.digits` digits with blank columns between; a step is a column of 28 pixels from 0 to 1, ink being
1. Strips are drawn on the device, without end, each digit evenly of all training digits, and distorted by itself;
held-out strips are of test digits, as they are. All strips of a training batch have equally many digits.

Texts are the English names of the digits, in lower case with one space between; a token is a name. Metrics are those of
`research/tasks/captions.py`; `by_length` counts the digits. Of the names of single digits, which are the likeliest
strips, the baseline says the most frequent, or the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from research.batch import END, FIRST_SYMBOL, PAD, Batch, Interface
from research.config import DIGIT, ImageDigitsConfig
from research.errors import UserError
from research.tasks import captions
from research.tasks.captions import Language
from research.tasks.corpora import mnist
from research.tasks.pictures import picture, strips
from research.tasks.pictures.warp import warped
from research.tasks.reader import Axis, Reader, Vocabulary
from research.tasks.task import Evaluation, Outcome, Task

NAMES = Vocabulary(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"))
HELD_OUT_SEED = 0


class StripReader(Reader):
    """A picture of digits to its columns, tokens to the names of the digits."""

    kind = "image"

    def __init__(self, longest: int, gap: int) -> None:
        """Read strips of at most so many columns, with at most so many blank ones between the squares of digits."""
        self.longest, self.gap = longest, gap

    def saved(self) -> dict[str, Any]:
        return {"longest": self.longest, "gap": self.gap}

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> "StripReader":
        return cls(saved["longest"], saved["gap"])

    def read(self, given: str) -> np.ndarray:
        columns = strips.read(picture.read(given), given, self.gap // 2)
        if len(columns) > self.longest:
            size = f"is {len(columns)} columns wide at the height of the digits in training"
            raise UserError(f"{given}: {size}; must be at most {self.longest}, as there")
        return columns

    def text(self, tokens: Sequence[int]) -> str:
        return " ".join(self.said(tokens))

    def said(self, tokens: Sequence[int]) -> list[str]:
        return NAMES.names(tokens)

    def axis(self, given: str) -> Axis:
        return Axis(picture=self.read(given).T, name="columns")


class ImageDigits(Task):
    """A strip of handwritten digits, column by column, to their names (MNIST)."""

    name: ClassVar[str] = "image_digits"
    reader = StripReader

    def __init__(self, options: ImageDigitsConfig) -> None:
        self.options = options
        self._splits = mnist.load()
        train = self._splits["train"]
        self.data = (train["images"].reshape(-1, DIGIT, DIGIT), train["labels"])
        self.buckets = options.digits
        self._widths = [self._width(count) for count in range(1, options.digits + 1)]
        mean = [DIGIT * count + (count + 1) * options.gap / 2 for count in range(1, options.digits + 1)]
        self.padding = float(1 - np.sum(mean) / np.sum(self._widths))
        self._most_frequent = NAMES.symbols[int(np.argmax(np.bincount(train["labels"], minlength=10)))]
        self.interface = Interface(
            inputs="features",
            input_size=DIGIT,
            input_length=self._widths[-1],
            target="tokens",
            target_size=NAMES.size,
            target_length=options.digits + 1,
        )

    def bucket(self, key: Array, step: Int[Array, ""], batch_size: int) -> Int[Array, ""]:
        """How many digits, less one."""
        return jax.random.randint(jax.random.fold_in(jax.random.fold_in(key, 2), step), (), 0, self.buckets)

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        images, labels = data
        count = bucket + 1
        row_key, gap_key, warp_key = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, 1), step), 3)
        rows = jax.random.randint(row_key, (batch_size, count), 0, len(images))
        gaps = jax.random.randint(gap_key, (batch_size, count + 1), 0, self.options.gap + 1)
        digits = images[rows.ravel()].astype(jnp.float32) / 255
        digits = warped(digits[..., None], warp_key, self.options)[..., 0]
        return _examples(digits.reshape(batch_size, count, DIGIT, DIGIT), labels[rows], gaps, self._widths[bucket], jnp)

    def held_out(self, most: int) -> Batch[np.ndarray]:
        counts, rows, gaps = self._held_out_draws(most)
        images, labels = self._splits["test"]["images"], self._splits["test"]["labels"]
        width, longest = self._widths[-1], self.options.digits + 1
        inputs = np.zeros((len(counts), width, DIGIT), np.float32)
        targets = np.full((len(counts), longest), PAD, np.int32)
        lengths = np.zeros(len(counts), np.int32)
        for count in np.unique(counts).tolist():
            own = np.flatnonzero(counts == count)
            chosen = rows[own, :count]
            digits = images[chosen].reshape(len(own), count, DIGIT, DIGIT).astype(np.float32) / np.float32(255)
            part = _examples(digits, labels[chosen], gaps[own, : count + 1], width, np)
            assert part.input_lengths is not None
            inputs[own], lengths[own], targets[own, : count + 1] = part.inputs, part.input_lengths, part.targets
        return Batch(inputs, lengths, targets, (counts + 1).astype(np.int32))

    def own_reader(self) -> StripReader:
        return StripReader(self._widths[-1], self.options.gap)

    def evaluate(self, outcome: Outcome) -> Evaluation:
        held_out = self.held_out(len(outcome.loss))
        assert held_out.target_lengths is not None
        reader = self.own_reader()
        references = [reader.text(tokens.tolist()) for tokens in held_out.targets]
        language = Language("en", lambda text: NAMES.ids(text.split()), reader.text)
        by_digits = replace(held_out, input_lengths=held_out.target_lengths - 1)
        return captions.evaluate(outcome, by_digits, references, self._most_frequent, language)

    def _width(self, count: int) -> int:
        """Of the widest strip of so many digits."""
        return DIGIT * count + self.options.gap * (count + 1)

    def _held_out_draws(self, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How many digits a strip has, which, and the gaps; sorted by their number, so that those of a batch end
        together.
        """
        digits = self.options.digits
        count_rng, row_rng, gap_rng = (np.random.default_rng((HELD_OUT_SEED, n)) for n in range(3))
        counts = count_rng.integers(1, digits + 1, most)
        rows = row_rng.integers(0, len(self._splits["test"]["images"]), (most, digits))
        gaps = gap_rng.integers(0, self.options.gap + 1, (most, digits + 1))
        order = np.argsort(counts, kind="stable")
        return counts[order], rows[order], gaps[order]


def _examples(digits: Any, labels: Any, gaps: Any, width: int, numpy: Any) -> Batch:
    """Strips of digits [B, n, 28, 28] with their names."""
    batch, count = labels.shape
    lengths = DIGIT * count + numpy.sum(gaps, axis=1)
    ends = numpy.full((batch, 1), END, numpy.int32)
    targets = numpy.concatenate([(labels + FIRST_SYMBOL).astype(numpy.int32), ends], axis=1)
    inputs = strips.placed(digits, gaps, width, numpy)
    return Batch(inputs, lengths.astype(numpy.int32), targets, numpy.full(batch, count + 1, numpy.int32))
