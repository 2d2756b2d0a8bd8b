"""MNIST digits read pixel by pixel, in order or permuted (Le, Jaitly, Hinton 2015); real images, scaled to [0, 1].

The digits are those of `research/data/corpora/mnist.py`: a subset of 5,000, of which every fifth is a test digit; test
accuracies are not comparable with those on MNIST's 10,000 test digits. Metrics are loss, accuracy, and those of
`baseline/most_frequent`, the digit that is most frequent in training.
"""

import functools
from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from research.batch import Batch, TaskSpec
from research.data.corpora import mnist
from research.data.corpora.mnist import PIXELS
from research.data.images.digits import DigitField
from research.data.order import Order
from research.data.processor import Processor
from research.data.text import Symbols
from research.options import require
from research.tasks.metrics import classification
from research.tasks.task import EvalExamples, Evaluation, Predictions, Split, Task


@dataclass(frozen=True)
class Pixels(Task):
    """MNIST digits read as a sequence of pixels; the target is the digit (Le, Jaitly, Hinton 2015)."""

    name: Literal["pixels"] = "pixels"
    pixels_per_step: int = 1
    """Neighboring pixels in one time step: 1 gives 784 steps, 4 gives 196, 28 one row a step."""
    permuted: bool = False
    """Read the pixels in one fixed random order, the same for all digits."""

    def __post_init__(self) -> None:
        divides = self.pixels_per_step > 0 and PIXELS % self.pixels_per_step == 0
        require(divides, "task.pixels_per_step", self.pixels_per_step, f"a divisor of {PIXELS}")

    @functools.cached_property
    def spec(self) -> TaskSpec:
        return TaskSpec("features", self.pixels_per_step, PIXELS // self.pixels_per_step, "class", 10)

    @functools.cached_property
    def data(self) -> Any:
        return self._splits["train"]

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        images, labels = data
        rows = Order((len(images),), batch_size).rows(key, step, bucket)
        return Batch(self._sequence(images[rows], jnp), None, labels[rows])

    def eval_examples(self, split: Split, count: int) -> EvalExamples:
        images, labels = self._splits[split]
        rows = np.random.default_rng(0).permutation(len(images))[:count]  # the file is sorted by digit
        return EvalExamples(split, Batch(self._sequence(images[rows], np), None, labels[rows]))

    def evaluate(self, predictions: Predictions, examples: EvalExamples) -> Evaluation:
        most_frequent = np.argmax(np.bincount(self.data[1]))
        accuracy = float(np.mean(examples.batch.targets == most_frequent))
        return Evaluation.of(classification.by_example(predictions), {"baseline/most_frequent/accuracy": accuracy})

    def processor(self) -> Processor:
        return Processor(DigitField(self.pixels_per_step, self.permuted), Symbols(tuple("0123456789")))

    def describe(self) -> str:
        order = " in a fixed random order" if self.permuted else ""
        plural = "s" if self.pixels_per_step > 1 else ""
        steps = PIXELS // self.pixels_per_step
        return f"MNIST, {steps} steps of {self.pixels_per_step} pixel{plural}{order}"

    @functools.cached_property
    def _splits(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Images in the order of the pixels, and labels."""
        order = DigitField(self.pixels_per_step, self.permuted).order()
        return {
            name: (np.ascontiguousarray(split["images"][:, order]), split["labels"].astype(np.int32))
            for name, split in mnist.load().items()
        }

    def _sequence(self, images: Any, numpy: Any) -> Any:
        scaled = images.astype(numpy.float32) / numpy.float32(255)
        return scaled.reshape(len(images), -1, self.pixels_per_step)
