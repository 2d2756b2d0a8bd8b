"""Pictures of any size, mode and format to colours on white, as people see them."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from research.errors import UserError

LONGEST = 20_000
"""Most pixels of a side."""

logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what Pillow logs of a damaged file it raises, too


def read(path: str | Path) -> Image.Image:
    """A file's picture in RGB, on white where it can be seen through, turned as its camera says; of several, the first.

    Raises:
        UserError: if it is no picture, or a damaged one.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file, _silent(file.format == "TIFF"):
                too_long = max(file.size) > LONGEST
                if not too_long and min(file.size) > 0:
                    return on_white(ImageOps.exif_transpose(file))
    except UnidentifiedImageError as error:
        raise UserError(f"{path}: {_unidentified(Path(path))}; must be a picture, such as png or jpg") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(f"{path}: has too many pixels; must have at most {Image.MAX_IMAGE_PIXELS:,}") from error
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow raises has no common type
        said = getattr(error, "strerror", None) or str(error)  # with it, the path stands in the text, too
        reason = (said.splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: cannot be read as a picture ({reason})") from error
    allowed = f"at most {LONGEST} on each side" if too_long else "at least 1 on each side"
    raise UserError(f"{path}: is {file.size[0]} pixels wide and {file.size[1]} high; must be {allowed}")


@contextlib.contextmanager
def _silent(chosen: bool) -> Iterator[None]:
    """Keep to itself what libtiff prints of a damaged file, beside what Pillow raises."""
    if not chosen or sys.__stderr__ is None:
        yield
        return
    told = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(told, 2)
        os.close(told)
        os.close(nowhere)


def _unidentified(path: Path) -> str:
    """What Pillow does not say of a file that it takes for no picture."""
    with path.open("rb") as file:
        head = file.read(24)
    if not head:
        return "is an empty file"
    size = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if head.startswith(b"\x89PNG") and len(head) == 24 and 0 in size:
        return f"is {size[0]} pixels wide and {size[1]} high"
    return "is no picture of a known format"


def on_white(image: Image.Image) -> Image.Image:
    """The picture in RGB."""
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    seen_through = image.convert("RGBA")
    white = Image.new("RGBA", seen_through.size, "white")
    white.alpha_composite(seen_through)
    return white.convert("RGB")


def squared(image: Image.Image, side: int) -> UInt8[np.ndarray, "N N 3"]:
    """All of a picture in a square of so many pixels: as large as fits, in the middle, on white."""
    width, height = image.size
    factor = side / max(width, height)
    inner = image.resize((max(1, round(width * factor)), max(1, round(height * factor))), Image.Resampling.LANCZOS)
    square = Image.new("RGB", (side, side), "white")
    square.paste(inner, ((side - inner.width) // 2, (side - inner.height) // 2))
    return np.asarray(square)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Of 16 bits the upper half; of numbers without bounds, from the least to the largest."""
    values = np.asarray(image).astype(np.float64)
    if not np.all(np.isfinite(values)):
        raise ValueError("pixels that are no finite numbers")
    least, most = (0.0, 65535.0) if image.mode.startswith("I") else (float(values.min()), float(values.max()))
    scaled = (values - least) / max(most - least, 1e-9)
    return Image.fromarray(np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8))
