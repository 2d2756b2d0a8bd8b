"""Classes: one for an example, or one for each step of its input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from research.batch import FIRST_SYMBOL, TargetKind
from research.data.fields.field_options import TargetOptions, as_text, scalar
from research.data.text import Symbols
from research.options import require


def _in_order(names: set[str]) -> tuple[str, ...]:
    """Return the names of classes in the order of numbers, where they are such, or else of letters."""
    try:
        return tuple(sorted(sorted(names), key=float))
    except ValueError:
        return tuple(sorted(names))


def _number(field: Symbols, name: str) -> int:
    try:
        return field.tokens(name)[0] - FIRST_SYMBOL
    except KeyError:
        raise ValueError(f"is {name!r:.40}, which no training example has") from None


@dataclass(frozen=True)
class LabelTarget(TargetOptions):
    """A class of the whole input."""

    kind: ClassVar[TargetKind] = "class"
    usual: ClassVar = ("label", "target", "class")
    name: Literal["label"] = "label"

    def read(self, row: Mapping[str, Any], columns: Sequence[str], folder: Path) -> str:
        label = as_text(scalar(row[columns[0]])).strip()
        if not label:
            raise ValueError("is empty; must be a label")
        return label

    def fit(self, values: Sequence[str]) -> Symbols:
        return Symbols(_in_order(set(values)), None)

    def encode(self, field: Symbols, value: str) -> int:
        return _number(field, value)


@dataclass(frozen=True)
class LabelsTarget(TargetOptions):
    """A class at each step of the input."""

    kind: ClassVar[TargetKind] = "labels"
    unit: ClassVar[str] = "label"
    usual: ClassVar = ("labels", "label", "tags", "target")
    name: Literal["labels"] = "labels"
    separator: str = " "
    """Text between two labels, where they stand in one text."""

    def __post_init__(self) -> None:
        require(bool(self.separator), "task.target.separator", "''", "text, such as a space")

    def read(self, row: Mapping[str, Any], columns: Sequence[str], folder: Path) -> list[str]:
        value = row[columns[0]]
        if isinstance(value, str):
            value = [label for label in value.split(self.separator) if label]
        if not isinstance(value, list | tuple | np.ndarray):
            raise ValueError(f"is {value!r:.40}; must be a label for each step")
        if not len(value):
            raise ValueError("is empty; must be a label for each step")
        return [as_text(label) for label in value]

    def fit(self, values: Sequence[list[str]]) -> Symbols:
        return Symbols(_in_order(set().union(*values)), " ")

    def encode(self, field: Symbols, value: list[str]) -> list[int]:
        return [_number(field, label) for label in value]
