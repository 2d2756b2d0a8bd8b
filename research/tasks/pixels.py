"""MNIST digits read pixel by pixel, in order or permuted (Le, Jaitly, Hinton 2015); real images, scaled to [0, 1].

Metrics are eval/loss, eval/accuracy, and eval/baseline/accuracy, of the digit that is most frequent in training.
"""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from research.batch import Batch, Interface
from research.config import PIXELS, PixelsConfig
from research.tasks.corpora import mnist
from research.tasks.order import Order
from research.tasks.task import Evaluation, Outcome, Task

PERMUTATION_SEED = 92916  # one permutation for all runs


class Pixels(Task):
    """MNIST digits read as a sequence of pixels; the target is the digit."""

    name: ClassVar[str] = "pixels"

    def __init__(self, options: PixelsConfig) -> None:
        self.pixels_per_step = options.pixels_per_step
        self.interface = Interface("features", options.pixels_per_step, PIXELS // options.pixels_per_step, "class", 10)
        splits = mnist.load()
        order = np.random.default_rng(PERMUTATION_SEED).permutation(PIXELS) if options.permuted else np.arange(PIXELS)
        self._splits = {
            name: (np.ascontiguousarray(split["images"][:, order]), split["labels"].astype(np.int32))
            for name, split in splits.items()
        }
        self.data = self._splits["train"]

    def batch(self, data: Any, key: Array, step: Int[Array, ""], batch_size: int, bucket: int) -> Batch[Array]:
        images, labels = data
        rows = Order((len(images),), batch_size).rows(key, step, bucket)
        return Batch(self._sequence(images[rows], jnp), None, labels[rows])

    def held_out(self, most: int) -> Batch[np.ndarray]:
        images, labels = self._splits["test"]
        rows = np.random.default_rng(0).permutation(len(images))[:most]  # the file is sorted by digit
        return Batch(self._sequence(images[rows], np), None, labels[rows])

    def evaluate(self, outcome: Outcome) -> Evaluation:
        accuracy = 1 - float(np.mean(outcome.errors))
        most_frequent = np.argmax(np.bincount(self._splits["train"][1]))
        baseline = float(np.mean(self.held_out(len(outcome.loss)).targets == most_frequent))
        metrics = {"eval/loss": float(np.mean(outcome.loss)), "eval/accuracy": accuracy}
        return Evaluation(metrics | {"eval/baseline/accuracy": baseline})

    def _sequence(self, images: Any, numpy: Any) -> Any:
        scaled = images.astype(numpy.float32) / numpy.float32(255)
        return scaled.reshape(len(images), self.interface.input_length, self.pixels_per_step)
