"""Handwritten digits as sequences of pixels, in order or permuted."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from research.data.field import Axis, Field, Kind
from research.data.images.files import load_image
from research.data.images.strips import DIGIT, HEIGHT, crop_ink, resize, white_on_black

PERMUTATION_SEED = 92916
"""Seed of the one permutation of all runs."""


@dataclass(frozen=True)
class DigitField(Field):
    """An image of one digit to its pixels, in the order in which a model reads them."""

    name: ClassVar[str] = "digit"
    kind: ClassVar[Kind] = "image"
    pixels_per_step: int
    permuted: bool

    def load(self, source: str) -> Float[np.ndarray, "28 28"]:
        return read_digit(load_image(source), source)

    def encode(self, value: Float[np.ndarray, "28 28"]) -> Float[np.ndarray, "S D"]:
        return value.ravel()[self.order()].reshape(-1, self.pixels_per_step)

    def axis(self, value: Float[np.ndarray, "28 28"]) -> Axis:
        return Axis(name="steps")

    def order(self) -> Int[np.ndarray, " 784"]:
        """Return the place in the image of each pixel, in the order of reading."""
        return np.random.default_rng(PERMUTATION_SEED).permutation(DIGIT**2) if self.permuted else np.arange(DIGIT**2)


def read_digit(image: Image.Image, name: str) -> Float[np.ndarray, "28 28"]:
    """Return a user's image of one digit as MNIST has them: ink in 20 × 20 pixels, its center of mass in the middle.

    Ink may be darker or lighter than paper, which the border shows. An image of 28 × 28 pixels with light ink and a
    black border is used unchanged.

    Raises:
        UserError: that names the file, if there is no ink, or if it hardly differs from the paper.
    """
    gray, has_black_border = white_on_black(image, name)
    if gray.shape == (DIGIT, DIGIT) and has_black_border:
        return gray.astype(np.float32) / np.float32(255)
    ink = crop_ink(gray)
    rows, columns = (max(1, round(size * HEIGHT / max(ink.shape))) for size in ink.shape)
    ink = resize(ink, columns, rows)
    top, left = (_start(np.sum(ink, axis=1 - axis)) for axis in (0, 1))
    digit = np.zeros((DIGIT, DIGIT), np.float32)
    digit[top : top + rows, left : left + columns] = ink
    return digit


def _start(mass: Float[np.ndarray, " N"]) -> int:
    """Return where ink of this mass, by row or column, starts: its center is in the middle, if it then fits."""
    center = np.average(np.arange(len(mass)) + 0.5, weights=mass)
    return int(np.clip(round(DIGIT / 2 - center), 0, DIGIT - len(mass)))
