"""Options of the tasks whose inputs are pictures: how they are read as sequences, and how training distorts them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from research.config.checks import require, require_default
from research.config.task_options import TaskOptions

Language = Literal["en", "de", "fr", "es", "it", "nl", "cs", "ru", "ja"]
DIGIT = 28
"""Rows and columns of the picture of a digit."""
STAMP = 96
"""Rows and columns of the picture of a stamp, as the corpus has it."""


@dataclass(frozen=True)
class WarpOptions(TaskOptions):
    """How each update sees each picture in another way: drawn evenly, by up to so much in either direction."""

    shift: float = 0.0
    """Pixels that a picture moves, down and to the side."""
    scale: float = 0.0
    """Share by which a picture is larger or smaller; height and width by themselves."""
    shear: float = 0.0
    """Columns that a row moves to the side for each row that it is off the middle: pictures lean."""

    def __post_init__(self) -> None:
        _check_ranges(self, {"shift": (0, 32), "scale": (0, 0.5), "shear": (0, 1)})


@dataclass(frozen=True)
class ImageDigitsConfig(WarpOptions):
    """A strip of handwritten digits, column by column, to their names (MNIST)."""

    decodes: ClassVar[bool] = True
    lengths_differ: ClassVar[bool] = True
    name: Literal["image_digits"] = "image_digits"
    digits: int = 5
    """Most digits of a strip; the least is 1, and all numbers are equally frequent."""
    gap: int = 8
    """Most blank columns in front of a digit and behind the last; drawn for each, from 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_ranges(self, {"digits": (1, 20), "gap": (0, 100)})


@dataclass(frozen=True)
class CaptionOptions(WarpOptions):
    """How a picture is read, and what is said of it."""

    decodes: ClassVar[bool] = True
    size: int = 32
    """Rows and columns of a picture, in three colours."""
    reading: Literal["rows", "columns", "patches"] = "patches"
    """What a step is: a row of pixels, a column, or a square; squares come row by row from the top left."""
    patch: int = 8
    """patches: rows and columns of a square."""
    units: Literal["sentencepiece", "characters"] = "sentencepiece"
    """What a step of a caption is: a piece of a word, as sentencepiece finds them in training; a character."""
    pieces: int = 400
    """sentencepiece: pieces of the vocabulary."""
    mirror: bool = False
    """Half of the pictures are seen in a mirror, drawn at each update."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_ranges(self, {"size": (8, STAMP), "pieces": (1, 2**20)})
        require_default(self, "task", "patch", self.reading == "patches", f"task.reading={self.reading}")
        require_default(self, "task", "pieces", self.units == "sentencepiece", f"task.units={self.units}")
        if self.reading == "patches":
            fits = self.patch > 0 and self.size % self.patch == 0
            require(fits, "task.patch", self.patch, f"a divisor of task.size={self.size}")


@dataclass(frozen=True)
class ImageStampsConfig(CaptionOptions):
    """Pictures of a drawing program to their captions (Tux Paint)."""

    name: Literal["image_stamps"] = "image_stamps"
    language: Language = "en"
    """Of the captions."""
    held_out: Literal["validation", "test"] = "test"
    """The split to be scored on; training sees neither."""


@dataclass(frozen=True)
class CocoCaptionsConfig(CaptionOptions):
    """Photographs to English captions (Chen et al. 2015; splits of Karpathy & Li 2015), through TFDS."""

    name: Literal["coco_captions"] = "coco_captions"
    size: int = STAMP
    pieces: int = 8000
    """sentencepiece: pieces of the vocabulary."""


ImageConfig = ImageDigitsConfig | ImageStampsConfig | CocoCaptionsConfig


def _check_ranges(options: object, ranges: Mapping[str, tuple[float, float]]) -> None:
    for name, (least, most) in ranges.items():
        value = getattr(options, name)
        require(least <= value <= most, f"task.{name}", value, f"between {least:g} and {most:g}")
