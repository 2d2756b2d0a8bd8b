"""Random distortions of images at each update: shift, scale and shear, a pure function of a key.

The pixel (y, x) of the result, counted from the middle, is read at (y / a - dy, (x - s y) / b - dx) of the image, by
bilinear interpolation; past its edges there are zeros. So zero has to be the background: no ink.
"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.options import require_between


@dataclass(frozen=True)
class WarpOptions:
    """Random distortion of each image at each update: uniform, up to the option in either direction."""

    section: ClassVar[str] = "task"
    """Section of the options, for messages."""
    shift: float = 0.0
    """Pixels that an image moves, down and to the side."""
    scale: float = 0.0
    """Fraction by which an image is larger or smaller; height and width independently."""
    shear: float = 0.0
    """Columns that a row moves to the side for each row that it is off the middle: images lean."""

    def __post_init__(self) -> None:
        require_between(self, self.section, shift=(0, 32), scale=(0, 0.5), shear=(0, 1))


def warp(images: Float[Array, "N Y X C"], key: Array, options: WarpOptions) -> Float[Array, "N Y X C"]:
    """Distort each image by random amounts; where all options are 0, return the same images."""
    if not (options.shift or options.scale or options.shear):
        return images
    count, rows, columns, _ = images.shape
    move, stretch, lean = jax.random.split(key, 3)
    shift = options.shift * jax.random.uniform(move, (2, count, 1, 1), minval=-1)
    scale = 1 + options.scale * jax.random.uniform(stretch, (2, count, 1, 1), minval=-1)
    shear = options.shear * jax.random.uniform(lean, (count, 1, 1), minval=-1)
    y = (jnp.arange(rows) - (rows - 1) / 2)[None, :, None]
    x = (jnp.arange(columns) - (columns - 1) / 2)[None, None, :]
    down = y / scale[0] - shift[0] + (rows - 1) / 2
    across = (x - shear * y) / scale[1] - shift[1] + (columns - 1) / 2
    # Down first, then across: of both, the weights of two neighbors, as products with matrices that hold them.
    upright = _weights(jnp.broadcast_to(down, (count, rows, 1))[..., 0], rows)
    sideways = _weights(jnp.broadcast_to(across, (count, rows, columns)), columns)
    return jnp.einsum("nyj,nyxi,njic->nyxc", upright, sideways, images, optimize=[(0, 2), (0, 1)])


def _weights(places: Float[Array, "*N P"], size: int) -> Float[Array, "*N P {size}"]:
    """Return the weight of each pixel at places between them."""
    pixels = jnp.arange(size).reshape((1,) * places.ndim + (size,))
    return jnp.maximum(0, 1 - jnp.abs(places[..., None] - pixels))
