"""Between people and models: what a user gives to a model's input, and a model's output to text.

A reader needs no corpus. What it knows (symbols, normalisation, settings of features) is saved with the run, so that a
run directory alone answers `python -m research predict`.
"""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from research.batch import FIRST_SYMBOL

Kind = Literal["sound", "text", "image"]


@dataclass(frozen=True)
class Axis:
    """What stands along the source of an alignment: one label a step, or a picture that is as long as the source."""

    labels: Sequence[str] | None = None
    picture: np.ndarray | None = None
    """[rows, steps]: a spectrogram from low to high frequencies, or an image."""
    heights: Mapping[str, float] = field(default_factory=dict)
    """What stands up the picture, and where, in rows: "2 kHz"."""
    name: str = ""
    """Of the axis, with its unit: "time (s)"."""
    extent: float | None = None
    """Where the last step ends, in that unit; None: steps are counted."""


class Reader(abc.ABC):
    """The contract: a subclass sets `kind` and says how it is saved and restored."""

    kind: ClassVar[Kind]
    """sound and image: a user gives a file; text: a line."""

    @abc.abstractmethod
    def saved(self) -> dict[str, Any]:
        """All that it needs to be made anew, as JSON."""

    @classmethod
    @abc.abstractmethod
    def restored(cls, saved: Mapping[str, Any]) -> "Reader":
        """The inverse of `saved`."""

    @abc.abstractmethod
    def read(self, given: str) -> np.ndarray:
        """The model's input: features [S, D], or tokens [S].

        Args:
            given: a file's path, or a line of text.

        Raises:
            UserError: if it cannot be read or is nothing that the model knows, in one line that names it.
        """

    @abc.abstractmethod
    def text(self, tokens: Sequence[int]) -> str:
        """What the model says, from its tokens without the end mark."""

    @abc.abstractmethod
    def said(self, tokens: Sequence[int]) -> list[str]:
        """A label for each token, for the target's axis of an alignment."""

    @abc.abstractmethod
    def axis(self, given: str) -> Axis:
        """What to draw along the source."""


@dataclass(frozen=True)
class Vocabulary:
    """Symbols and their ids; symbol k has the id `FIRST_SYMBOL` + k, behind the marks."""

    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        ids = {symbol: FIRST_SYMBOL + k for k, symbol in enumerate(self.symbols)}
        assert len(ids) == len(self.symbols), "a symbol stands twice"
        object.__setattr__(self, "_ids", ids)

    @property
    def size(self) -> int:
        """The marks included."""
        return FIRST_SYMBOL + len(self.symbols)

    def ids(self, symbols: Sequence[str]) -> list[int]:
        """Raises KeyError for a symbol that is not in the vocabulary."""
        return [self._ids[symbol] for symbol in symbols]  # pyright: ignore[reportAttributeAccessIssue]

    def names(self, tokens: Sequence[int]) -> list[str]:
        """The symbols of ids; of a mark, nothing."""
        return [self.symbols[token - FIRST_SYMBOL] for token in tokens if token >= FIRST_SYMBOL]
