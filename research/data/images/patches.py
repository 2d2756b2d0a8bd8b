"""Images in color or gray as sequences: a step is a row, a column or a square patch of pixels, side by side."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from research.data.field import Axis, Field, Kind
from research.data.images.files import fit_square, load_image


@dataclass(frozen=True)
class ImageField(Field):
    """An image, scaled to `size` rows and columns, to steps of 1 - color: white is zero."""

    name: ClassVar[str] = "image"
    kind: ClassVar[Kind] = "image"
    size: int
    scan_order: str
    """rows, columns or patches."""
    patch: int
    """patches: rows and columns of a patch."""
    channels: int = 3
    """3: red, green and blue; 1: gray."""

    def load(self, source: str) -> UInt8[np.ndarray, "Y X C"]:
        """Return the image of a file in a square."""
        return self.square(load_image(source))

    def square(self, image: Image.Image) -> UInt8[np.ndarray, "Y X C"]:
        """Return an image in RGB, scaled to fit a square, on white."""
        return fit_square(image.convert("L") if self.channels == 1 else image, self.size)

    def encode(self, value: UInt8[np.ndarray, "Y X C"]) -> Float[np.ndarray, "S D"]:
        """Return a square image, from 0 to 255, as a sequence."""
        return self.scan(1 - value.astype(np.float32)[None] / np.float32(255))[0]

    def axis(self, value: UInt8[np.ndarray, "Y X C"]) -> Axis:
        """Return the steps side by side: patches in a row; a row of pixels stands upright."""
        steps = self.encode(value)
        rows, columns = (self.patch, self.patch) if self.scan_order == "patches" else (self.size, 1)
        gray = 1 - steps.reshape(len(steps), rows, columns, self.channels).mean(axis=3)
        return Axis(picture=gray.transpose(1, 0, 2).reshape(rows, -1), name=self.scan_order)

    @property
    def step_shape(self) -> tuple[int, int]:
        """Rows and columns of the pixels of a step."""
        return {"rows": (1, self.size), "columns": (self.size, 1)}.get(self.scan_order, (self.patch, self.patch))

    def scan(self, pixels: Any) -> Any:
        """Return images [B, Y, X, C] as sequences [B, S, D]."""
        rows, columns = self.step_shape
        steps = pixels.reshape(len(pixels), self.size // rows, rows, self.size // columns, columns, self.channels)
        return steps.swapaxes(2, 3).reshape(len(pixels), -1, rows * columns * self.channels)

    def unscan(self, steps: Any) -> Any:
        """Return the images of sequences, the inverse of `scan`."""
        rows, columns = self.step_shape
        pixels = steps.reshape(len(steps), self.size // rows, self.size // columns, rows, columns, self.channels)
        return pixels.swapaxes(2, 3).reshape(len(steps), self.size, self.size, self.channels)
