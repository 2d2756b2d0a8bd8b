"""Processors turn what a user gives into a model's input, and a model's output into text.

A processor needs no corpus. Its symbols, statistics and settings are saved with the run, so that a run directory alone
answers `research predict`.
"""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

Kind = Literal["audio", "text", "image"]


@dataclass(frozen=True)
class Axis:
    """What is drawn along the source of an alignment: a label for each step, or a picture as long as the source."""

    labels: Sequence[str] | None = None
    picture: np.ndarray | None = None
    """[rows, steps]: a spectrogram from low to high frequencies, or an image."""
    heights: Mapping[str, float] = field(default_factory=dict)
    """Marks beside the picture, and their place in rows: "2 kHz"."""
    name: str = ""
    """Name of the axis, with its unit: "time (s)"."""
    extent: float | None = None
    """Where the last step ends, in that unit; None: steps are counted."""


class Processor(abc.ABC):
    """The contract: a subclass sets `kind` and says how it is saved and restored."""

    kind: ClassVar[Kind]
    """audio and image: the user gives a file; text: a line."""

    @abc.abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return all that `from_dict` needs, as JSON."""

    @classmethod
    @abc.abstractmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "Processor":
        """Return the processor that `to_dict` saved."""

    @abc.abstractmethod
    def encode(self, source: str) -> np.ndarray:
        """Return the model's input: features [S, D], or tokens [S].

        Args:
            source: a file's path, or a line of text.

        Raises:
            UserError: if it cannot be read or the model does not know it, in one line that names it.
        """

    @abc.abstractmethod
    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of predicted tokens, which have no `EOS`."""

    @abc.abstractmethod
    def symbols(self, tokens: Sequence[int]) -> list[str]:
        """Return a label for each token, for the target's axis of an alignment."""

    @abc.abstractmethod
    def axis(self, source: str) -> Axis:
        """Return what is drawn along the source."""
