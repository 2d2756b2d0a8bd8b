"""Strips of handwritten digits: white ink, digits side by side, read column by column."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps

from research.data.field import Axis, Field, Kind
from research.data.images.files import load_image
from research.errors import UserError

DIGIT = 28
"""Rows and columns of the image of a digit."""
INK = 0.25
"""Pixels of a user's image that are brighter, from 0 to 1, are ink."""
FRAME, FRAME_LINE = 0.15, 0.9
"""Greatest width of a frame, of the size of the image, and how much of each of its lines has its gray."""
HEIGHT = 20
"""Rows of the ink of a digit of MNIST."""
MARGIN = (DIGIT - HEIGHT) // 2


@dataclass(frozen=True)
class StripField(Field):
    """An image of digits to its columns."""

    name: ClassVar[str] = "strip"
    kind: ClassVar[Kind] = "image"
    max_length: int
    """Most columns of a strip."""
    gap: int
    """Most blank columns between two digits."""

    def load(self, source: str) -> Float[np.ndarray, "S 28"]:
        columns = read_strip(load_image(source), source, self.gap // 2)
        if len(columns) > self.max_length:
            size = f"is {len(columns)} columns wide at the height of the digits in training"
            raise UserError(f"{source}: {size}; must be at most {self.max_length}, as there")
        return columns

    def encode(self, value: Float[np.ndarray, "S 28"]) -> Float[np.ndarray, "S 28"]:
        return value

    def axis(self, value: Float[np.ndarray, "S 28"]) -> Axis:
        return Axis(picture=value.T, name="columns")


def place_digits(digits: Any, gaps: Any, width: int, numpy: Any) -> Any:
    """Return strips [B, width, 28], by column.

    Args:
        digits: images [B, n, 28, 28].
        gaps: blank columns in front of each digit and behind the last, [B, n + 1].
        width: columns of all strips, at least those of the widest; zeros follow.
        numpy: the library of the arrays.
    """
    batch, count = digits.shape[:2]
    left = numpy.cumsum(gaps[:, :count], axis=1) + DIGIT * numpy.arange(count)[None, :]
    columns = numpy.arange(width)[None, :]
    started = numpy.sum(left[:, :, None] <= columns[:, None, :], axis=1)
    digit = numpy.maximum(started - 1, 0)
    within = columns - numpy.take_along_axis(left, digit, axis=1)
    inked = (started > 0) & (within < DIGIT)
    place = digit * DIGIT + numpy.clip(within, 0, DIGIT - 1)
    by_column = numpy.swapaxes(digits, 2, 3).reshape(batch, count * DIGIT, DIGIT)
    columns_of_digits = numpy.take_along_axis(by_column, place[:, :, None], axis=1)
    return numpy.where(inked[:, :, None], columns_of_digits, 0)


def read_strip(image: Image.Image, name: str, gap: int) -> Float[np.ndarray, "S 28"]:
    """Return a user's image as a strip.

    Ink may be darker or lighter than paper, which the border shows. It is scaled to the height of the digits in
    training, and digits that do not touch are moved as far apart as in training. An image of 28 rows with light ink and
    a black border is used unchanged. There are `gap` blank columns between the squares of two digits.

    Raises:
        UserError: that names the file, if there is no ink, or if it hardly differs from the paper.
    """
    gray, has_black_border = white_on_black(image, name)
    if len(gray) == DIGIT and has_black_border:
        return gray.T.astype(np.float32) / np.float32(255)
    ink = crop_ink(gray)
    width = max(1, round(ink.shape[1] * HEIGHT / ink.shape[0]))
    strip = np.pad(resize(ink, width, HEIGHT), MARGIN)
    return _spaced(strip.T, gap)


def white_on_black(image: Image.Image, name: str) -> tuple[UInt8[np.ndarray, "Y X"], bool]:
    """Return an image with light ink, and whether it had that and a black border, as digits of MNIST have.

    Paper is the median of the border, without a frame around it. Ink is the darker pixels or the lighter ones, of which
    more differ more from it.

    Raises:
        UserError: if there is no ink, or if it hardly differs from the paper.
    """
    gray = _without_frame(np.asarray(image.convert("L")))
    paper = np.median(_border(gray))
    difference = gray - paper
    is_dark = np.sum(difference**3) < 0
    ink = np.maximum(-difference if is_dark else difference, 0)
    if (contrast := np.max(ink)) <= 255 * INK:
        fault = f"has a contrast of {contrast:.0f} of 255; must be more than {255 * INK:.0f}"
        raise UserError(f"{name}: {fault if contrast else 'is blank; must be an image of digits'}")
    if paper <= 255 * INK and not is_dark:
        return gray, True
    return ink.astype(np.uint8), False


def _border(gray: UInt8[np.ndarray, "Y X"]) -> UInt8[np.ndarray, " N"]:
    """Return the outermost pixels."""
    return np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])


def _without_frame(gray: UInt8[np.ndarray, "Y X"]) -> UInt8[np.ndarray, "Z W"]:
    """Return the inside of a frame: of lines at all four edges, in another gray than most of the image.

    Inside a frame is paper, with ink on it that does not touch the frame. So bold ink with a narrow margin is no paper.
    """
    edge, most = float(np.median(_border(gray))), float(np.median(gray))
    if abs(edge - most) <= 255 * INK:
        return gray
    is_frame = np.abs(gray - edge) < np.abs(gray - most)
    spans = []
    for size, lines in zip(gray.shape, (is_frame.mean(1), is_frame.mean(0)), strict=True):
        inside = np.flatnonzero(lines < FRAME_LINE)
        if not len(inside) or not 0 < inside[0] <= FRAME * size or not 0 < size - 1 - inside[-1] <= FRAME * size:
            return gray
        spans.append(slice(inside[0], inside[-1] + 1))
    inner = gray[tuple(spans)]
    around, inside = (np.abs(pixels - most) <= 255 * INK for pixels in (_border(inner), inner))
    return inner if around.mean() >= FRAME_LINE and not inside.all() else gray


def crop_ink(gray: UInt8[np.ndarray, "Y X"]) -> UInt8[np.ndarray, "Z W"]:
    """Return the part of an image that has ink, in full contrast."""
    gray = np.asarray(ImageOps.autocontrast(Image.fromarray(gray)))
    rows = np.flatnonzero(np.any(gray > 255 * INK, axis=1))
    columns = np.flatnonzero(np.any(gray > 255 * INK, axis=0))
    return gray[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def resize(ink: UInt8[np.ndarray, "Y X"], width: int, height: int) -> Float[np.ndarray, "Z W"]:
    """Return an image of another size, from 0 to 1."""
    scaled = Image.fromarray(ink).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(scaled).astype(np.float32) / np.float32(255)


def _spaced(strip: Float[np.ndarray, "S 28"], gap: int) -> Float[np.ndarray, "R 28"]:
    """Center each stretch of ink in a square, unless it is wider than that; add `gap` columns around them."""
    blank = np.all(strip <= INK, axis=1)
    starts = np.flatnonzero(np.diff(blank, prepend=~blank[0]))
    runs = [run for start, run in zip(starts, np.split(strip, starts[1:]), strict=True) if not blank[start]]
    spaced = [np.zeros((gap, DIGIT), strip.dtype)]
    for run in runs:
        missing = max(0, DIGIT - len(run))
        spaced.append(np.pad(run, [(missing // 2, missing - missing // 2 + gap), (0, 0)]))
    return np.concatenate(spaced)
