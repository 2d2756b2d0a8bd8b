"""The contract of the two fields of a data set: which column it is, how it is read, and what is fitted to training.

A field's options are a dataclass in a file of this folder and one line of `INPUTS` or `TARGETS`. `read` makes a value
of a row, cheaply; `load` makes of it what is encoded, which may decode a file; `fit` returns the fitted `Field`, which
is saved with a run.
"""

import abc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Int

from research.batch import InputKind, TargetKind
from research.data.field import Field


@dataclass(frozen=True)
class FieldOptions(abc.ABC):
    """A column of a data set."""

    section: ClassVar[str]
    """Key of the section of options: task.input or task.target."""
    usual: ClassVar[tuple[str, ...]] = ()
    """Names of the column that are tried, in this order, where the option is empty."""
    several: ClassVar[bool] = False
    """Whether a value may be of several columns."""
    name: str = ""
    column: str = ""
    """Column of the source; several are separated by commas. Empty: the usual name, or else by position."""

    @property
    def columns(self) -> list[str]:
        """Columns that the option names."""
        return [name.strip() for name in self.column.split(",") if name.strip()]

    @abc.abstractmethod
    def read(self, row: Mapping[str, Any], columns: Sequence[str], folder: Path) -> Any:
        """Return the value of the columns of this field in a row; relative paths start from the folder.

        Raises:
            ValueError: saying what is wrong with it.
        """

    def load(self, value: Any) -> Any:
        """Return what is encoded for a value of `read`.

        Raises:
            UserError: if a file cannot be read.
        """
        return value

    @abc.abstractmethod
    def fit(self, values: Sequence[Any]) -> Field:
        """Return the field that is fitted to loaded values of the training split."""


@dataclass(frozen=True)
class InputOptions(FieldOptions):
    """What the model reads."""

    section: ClassVar[str] = "task.input"
    kind: ClassVar[InputKind]
    unit: ClassVar[str] = "length of the input"
    """What the steps of an input are, for the label of an axis."""
    per_file: ClassVar[bool] = False
    """Whether a value is a file of its own, which may be too large for memory together."""

    @property
    def group_column(self) -> str:
        """Column whose value tells what is normalized together; empty: nothing is."""
        return ""

    def wanted(self, value: Any) -> bool:
        """Return whether a value of `read` is used; others are left out of all splits."""
        return True

    def steps(self, value: Any) -> int:
        """Return the steps that `stored` will have, without loading the value, if `per_file`."""
        raise NotImplementedError

    def fit_group(self, values: Iterable[Any]) -> Any:
        """Return what `stored` and the field's `encode` need of the loaded values that are normalized together."""
        raise NotImplementedError

    def stored(self, field: Any, value: Any) -> np.ndarray:
        """Return a loaded training value as it is kept: tokens [T], or features [T, D]."""
        return field.encode(value)

    def shape(self, field: Any, longest: int) -> tuple[int, int]:
        """Return the size of a step, or of the vocabulary, and the most steps that the model reads.

        `longest` is the steps of the longest training value as it is stored.
        """
        return field.size, longest

    def augment(self, field: Any, inputs: Array, lengths: Int[Array, " B"], key: Array) -> tuple[Array, Array]:
        """Return what the model reads of stored values, on the device, and its lengths."""
        return inputs, lengths


@dataclass(frozen=True)
class TargetOptions(FieldOptions):
    """What the model predicts."""

    section: ClassVar[str] = "task.target"
    kind: ClassVar[TargetKind]
    unit: ClassVar[str] = "token"

    def trained_on(self, value: Any) -> list[Any]:
        """Return the values that are trained on, each in an example of its own: several of a value with references."""
        return [value]

    @abc.abstractmethod
    def encode(self, field: Any, value: Any) -> Any:
        """Return the target of a value, as `research.data.batching.Example` has it.

        Raises:
            ValueError: saying why there is none, such as a label that training does not have.
        """


class StepError(ValueError):
    """What is wrong with a value, at a step of a series."""

    def __init__(self, fault: str, step: int = 0, column: str = "") -> None:
        super().__init__(fault)
        self.step = step
        self.column = column
        """The column, of several; empty: all."""


def scalar(value: Any) -> Any:
    """Return the value of a series of equal values, or the value itself.

    Raises:
        ValueError: if they differ.
    """
    if not isinstance(value, list | tuple):
        return value
    for step, other in enumerate(value):
        if other != value[0]:
            both = f"{value[0]!r:.20}, {other!r:.20}"
            raise StepError(f"has different values ({both}); must be one for the whole series", step)
    return value[0]


def as_text(value: Any) -> str:
    """Return a value as text.

    Raises:
        ValueError: if it is no text and no number.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"is {value!r:.40}; must be text")
    return str(value)


def as_number(value: Any) -> float:
    """Return a value as a finite number.

    Raises:
        ValueError: if it is none.
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"is {value!r:.40}; must be a number") from None
    if not abs(number) <= np.finfo(np.float32).max:
        raise ValueError(f"is {value!r:.40}; must be finite")
    return number
