"""Images: files or arrays to rows, columns or patches of pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from research.batch import InputKind
from research.data.fields.files import FileInput
from research.data.images.files import decode_image, image_of
from research.data.images.patches import ImageField
from research.data.images.warp import WarpOptions, warp
from research.errors import UserError, first_line
from research.options import require, require_between, require_default


@dataclass(frozen=True)
class ImageInput(FileInput, WarpOptions):
    """Image files or arrays, in color or gray, as rows, columns or patches of pixels."""

    kind: ClassVar[InputKind] = "features"
    unit: ClassVar[str] = "steps of the image"
    usual: ClassVar = ("image", "path", "file_name", "file", "picture")
    per_file: ClassVar[bool] = True
    name: Literal["image"] = "image"
    size: int = 32
    """Rows and columns that an image is scaled to, in a white square."""
    channels: int = 3
    """Numbers for a pixel: 3 for red, green and blue, 1 for gray."""
    scan_order: Literal["rows", "columns", "patches"] = "patches"
    """Steps of the input: rows of pixels, columns, or square patches, row by row from the top left."""
    patch: int = 8
    """patches: rows and columns of a patch."""
    mirror: bool = False
    """Mirror a random half of the images at each update."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, self.section, size=(4, 512))
        require(self.channels in (1, 3), "task.input.channels", self.channels, "3 or 1")
        by = f"task.input.scan_order={self.scan_order}"
        require_default(self, self.section, "patch", self.scan_order == "patches", by)
        fits = self.scan_order != "patches" or (self.patch > 0 and self.size % self.patch == 0)
        require(fits, "task.input.patch", self.patch, f"a divisor of task.input.size={self.size}")

    @property
    def image(self) -> ImageField:
        """What is saved with a run: nothing is fitted."""
        return ImageField(self.size, self.scan_order, self.patch, self.channels)

    def read(self, row: Mapping[str, Any], columns: Sequence[str], folder: Path) -> str | bytes | np.ndarray:
        value = row[columns[0]]
        return value if isinstance(value, bytes | np.ndarray) else self.path(value, folder)

    def steps(self, value: Any) -> int:
        rows, columns = self.image.step_shape
        return self.size**2 // (rows * columns)

    def load(self, value: str | bytes | np.ndarray) -> np.ndarray:
        """Return the pixels in a square, [size, size, channels]."""
        if isinstance(value, str):
            return self.image.load(value)
        try:
            return self.image.square(decode_image(value) if isinstance(value, bytes) else image_of(value))
        except (OSError, TypeError, ValueError) as error:
            raise UserError(f"image: cannot be read ({first_line(error)})") from error

    def fit(self, values: Sequence[np.ndarray]) -> ImageField:
        return self.image

    def stored(self, field: ImageField, value: np.ndarray) -> np.ndarray:
        return field.scan(value[None])[0]

    def shape(self, field: ImageField, longest: int) -> tuple[int, int]:
        rows, columns = field.step_shape
        return field.channels * rows * columns, longest

    def augment(self, field: ImageField, inputs: Array, lengths: Array, key: Array) -> tuple[Array, Array]:
        warp_key, mirror_key = jax.random.split(key)
        pixels = warp(field.unscan(1 - inputs.astype(jnp.float32) / 255), warp_key, self)
        if self.mirror:
            mirrored = jax.random.bernoulli(mirror_key, 0.5, (len(pixels), 1, 1, 1))
            pixels = jnp.where(mirrored, pixels[:, :, ::-1], pixels)
        return field.scan(pixels), lengths
