"""A field: one column of a data set, as a model reads or writes it.

A field holds all that was fitted to training data (symbols, subwords, statistics), and is saved with a run by its name
in `FIELDS` (`research/data/processor.py`).
"""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from dataclasses import field as dataclass_field
from typing import Any, ClassVar, Literal, Self

import numpy as np

Kind = Literal["audio", "text", "image", "array"]


@dataclass(frozen=True)
class Axis:
    """What an alignment shows along the source: a label for each step, or a picture as long as the source."""

    labels: Sequence[str] | None = None
    picture: np.ndarray | None = None
    """[rows, steps]: a spectrogram from low to high frequencies, or an image."""
    heights: Mapping[str, float] = dataclass_field(default_factory=dict)
    """Marks next to the picture, and their place in rows: "2 kHz"."""
    name: str = ""
    """Name of the axis, with its unit: "time (s)"."""
    extent: float | None = None
    """Where the last step ends, in that unit; None: steps are counted."""


@dataclass(frozen=True)
class Field(abc.ABC):
    """The contract. A subclass is a dataclass of JSON values, or overrides `to_dict` and `from_dict`."""

    name: ClassVar[str]
    kind: ClassVar[Kind]
    """audio, image and array: the user gives a file; text: a line."""

    def to_dict(self) -> dict[str, Any]:
        """Return all that `from_dict` needs, as JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Return the field that `to_dict` saved."""
        return cls(**saved)

    @abc.abstractmethod
    def load(self, source: str) -> Any:
        """Return what `encode` takes of a user's input: a file's path, or a line of text.

        Raises:
            UserError: if it cannot be read or the model does not know it, in one line that names it.
        """

    @abc.abstractmethod
    def encode(self, value: Any) -> np.ndarray:
        """Return features [S, D], or tokens [S]."""

    @abc.abstractmethod
    def axis(self, value: Any) -> Axis:
        """Return what an alignment shows along a source."""
