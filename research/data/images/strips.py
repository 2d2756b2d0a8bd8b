"""Strips of handwritten digits: white ink, digits side by side, read column by column."""

from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageOps

from research.config import DIGIT
from research.errors import UserError

INK = 0.25
"""What is brighter, from 0 to 1, is ink of a user's picture."""
HEIGHT = 20
"""Rows that the ink of a digit of MNIST has."""
MARGIN = (DIGIT - HEIGHT) // 2
LIGHT = 128
"""A picture whose border is lighter has dark ink."""


def placed(digits: Any, gaps: Any, width: int, numpy: Any) -> Any:
    """Strips [B, width, 28], by column, of digits [B, n, 28, 28].

    Args:
        gaps: blank columns in front of each digit and behind the last, [B, n + 1].
        width: at least that of the widest strip; zeros follow.
        numpy: the library of the arrays.
    """
    batch, count = digits.shape[:2]
    left = numpy.cumsum(gaps[:, :count], axis=1) + DIGIT * numpy.arange(count)[None, :]
    columns = numpy.arange(width)[None, :]
    begun = numpy.sum(left[:, :, None] <= columns[:, None, :], axis=1)
    digit = numpy.maximum(begun - 1, 0)
    within = columns - numpy.take_along_axis(left, digit, axis=1)
    inked = (begun > 0) & (within < DIGIT)
    place = digit * DIGIT + numpy.clip(within, 0, DIGIT - 1)
    by_column = numpy.swapaxes(digits, 2, 3).reshape(batch, count * DIGIT, DIGIT)
    chosen = numpy.take_along_axis(by_column, place[:, :, None], axis=1)
    return numpy.where(inked[:, :, None], chosen, 0)


def read(image: Image.Image, name: str, gap: int) -> Float[np.ndarray, "S 28"]:
    """A user's picture as a strip.

    Ink may be dark on light or light on dark. It is scaled to the height of the digits in training, and digits that do
    not touch are set as far apart as there. A picture of 28 rows with a dark border is taken as it is.

    Args:
        gap: blank columns between the squares of two digits.

    Raises:
        UserError: if there is no ink.
    """
    grey = np.asarray(image.convert("L"))
    if np.ptp(grey) <= 255 * INK:
        raise UserError(f"{name}: is blank; must be a picture of digits")
    border = np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    if len(grey) == DIGIT and border <= 255 * INK:
        return grey.T.astype(np.float32) / np.float32(255)
    if border > LIGHT:
        grey = 255 - grey
    grey = np.asarray(ImageOps.autocontrast(Image.fromarray(grey)))
    rows = np.flatnonzero(np.any(grey > 255 * INK, axis=1))
    columns = np.flatnonzero(np.any(grey > 255 * INK, axis=0))
    ink = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width = max(1, round(ink.shape[1] * HEIGHT / ink.shape[0]))
    scaled = Image.fromarray(ink).resize((width, HEIGHT), Image.Resampling.LANCZOS)
    strip = np.pad(np.asarray(scaled).astype(np.float32) / np.float32(255), MARGIN)
    return _spaced(strip.T, gap)


def _spaced(strip: Float[np.ndarray, "S 28"], gap: int) -> Float[np.ndarray, "S 28"]:
    """Each stretch of ink amid a square of its own, or as it is if it is wider; `gap` columns around them."""
    blank = np.all(strip <= INK, axis=1)
    starts = np.flatnonzero(np.diff(blank, prepend=~blank[0]))
    inked = [run for start, run in zip(starts, np.split(strip, starts[1:]), strict=True) if not blank[start]]
    spaced = [np.zeros((gap, DIGIT), strip.dtype)]
    for run in inked:
        missing = max(0, DIGIT - len(run))
        spaced.append(np.pad(run, [(missing // 2, missing - missing // 2 + gap), (0, 0)]))
    return np.concatenate(spaced)
