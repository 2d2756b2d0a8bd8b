"""Image files of any size, mode and format to colors on white, as people see them."""

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, SAMPLEFORMAT, TiffImageFile

from research.errors import UserError, first_line

MAX_SIDE = 20_000
"""Most pixels of a side."""

logging.getLogger("PIL").setLevel(logging.CRITICAL)  # Pillow raises whatever it logs of a damaged file


def load_image(path: str | Path) -> Image.Image:
    """Return a file's first image in RGB, on white where it is transparent, rotated as its camera says.

    Raises:
        UserError: if it is no image, or a damaged one.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file, _silence_libtiff(file.format == "TIFF"):
                too_long = max(file.size) > MAX_SIDE
                if not too_long and min(file.size) > 0:
                    ImageOps.exif_transpose(file, in_place=True)
                    return to_rgb(file)
    except UnidentifiedImageError as error:
        raise UserError(f"{path}: {_unidentified(Path(path))}; must be an image, such as png or jpg") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(f"{path}: has too many pixels; must have at most {Image.MAX_IMAGE_PIXELS:,}") from error
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow raises has no common type
        reason = getattr(error, "strerror", None) or first_line(error)  # the latter repeats the path
        raise UserError(f"{path}: cannot be read as an image ({reason})") from error
    allowed = f"at most {MAX_SIDE} on each side" if too_long else "at least 1 on each side"
    raise UserError(f"{path}: is {file.size[0]} pixels wide and {file.size[1]} high; must be {allowed}")


@contextlib.contextmanager
def _silence_libtiff(is_tiff: bool) -> Iterator[None]:
    """Discard what libtiff prints about a damaged file: Pillow raises it as well."""
    if not is_tiff or sys.__stderr__ is None:
        yield
        return
    stderr = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)


def _unidentified(path: Path) -> str:
    """Return what is wrong with a file that Pillow does not identify."""
    with path.open("rb") as file:
        head = file.read(24)
    if not head:
        return "is an empty file"
    size = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if head.startswith(b"\x89PNG") and len(head) == 24 and 0 in size:
        return f"is {size[0]} pixels wide and {size[1]} high"
    return "is no image of a known format"


def decode_image(file: bytes) -> Image.Image:
    """Return the image of a corpus's file in RGB, on white where it is transparent."""
    with Image.open(io.BytesIO(file)) as image:
        return to_rgb(image)


def image_of(array: np.ndarray) -> Image.Image:
    """Return the image of pixels [Y, X], [Y, X, 1] or [Y, X, 3] in RGB."""
    pixels = np.squeeze(array)
    return to_rgb(Image.fromarray(pixels if pixels.dtype in (np.uint8, bool) else _eight_bits(pixels)))


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the image in RGB, on white where it is transparent."""
    if image.mode.startswith(("I", "F")):
        pixels = np.asarray(image)
        tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
        if (tags.get(BITSPERSAMPLE), tags.get(SAMPLEFORMAT)) == ((16,), (2,)):  # signed: Pillow gives 32 bits
            pixels = pixels.astype(np.int16)
        image = Image.fromarray(_eight_bits(pixels))
    if not image.has_transparency_data:
        return image.convert("RGB")
    transparent = image.convert("RGBA")
    white = Image.new("RGBA", transparent.size, "white")
    white.alpha_composite(transparent)
    return white.convert("RGB")


def fit_square(image: Image.Image, side: int) -> UInt8[np.ndarray, "N N C"]:
    """Scale an image in RGB or gray to fit a square of `side` pixels, in the middle, on white."""
    width, height = image.size
    factor = side / max(width, height)
    inner = image.resize((max(1, round(width * factor)), max(1, round(height * factor))), Image.Resampling.LANCZOS)
    square = Image.new(image.mode, (side, side), "white")
    square.paste(inner, ((side - inner.width) // 2, (side - inner.height) // 2))
    return np.asarray(square).reshape(side, side, -1)


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Scale whole numbers by the range of their type, others from the least to the largest.

    Whole numbers of more than 16 bits often hold narrower ones: their range is that of the narrowest unsigned type.
    """
    if not np.all(np.isfinite(values)):
        raise ValueError("pixels that are no finite numbers")
    least, most = float(values.min()), float(values.max())
    if values.dtype.kind in "iu":
        if least < 0:
            raise ValueError("pixels below 0")
        kinds = (np.uint8, np.uint16, np.int32, np.uint64) if values.dtype.itemsize > 2 else (values.dtype,)
        least, most = 0.0, float(next(np.iinfo(kind).max for kind in kinds if most <= np.iinfo(kind).max))
    scaled = (values.astype(np.float64) - least) / max(most - least, 1e-9)
    return np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
