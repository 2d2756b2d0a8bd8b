"""Numbers over time: columns of a long table with an id and a time, lists, or arrays [N, T, D]."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from research.batch import InputKind
from research.data.fields.field_options import InputOptions, StepError, as_number
from research.data.numbers import Standardized
from research.options import require


@dataclass(frozen=True)
class SeriesInput(InputOptions):
    """Numbers over time: columns of a table with a row for each step, lists, or arrays."""

    kind: ClassVar[InputKind] = "features"
    unit: ClassVar[str] = "steps of the series"
    several: ClassVar[bool] = True
    usual: ClassVar = ("x", "series", "values", "input")
    name: Literal["series"] = "series"
    id: str = ""
    """Column that tells the series of a row, where each row is a step; empty: a row is a whole series."""
    time: str = ""
    """id: column that orders the steps; empty: they are in the order of the rows."""
    standardize: bool = True
    """Give each column the mean 0 and the standard deviation 1 over training."""

    def __post_init__(self) -> None:
        require(bool(self.id or not self.time), "task.input.time", self.time, "empty without task.input.id")

    def read(self, row: Mapping[str, Any], columns: Sequence[str], folder: Path) -> np.ndarray:
        parts = [self._array(row[column], column) for column in columns]
        if len({len(part) for part in parts}) != 1:
            raise ValueError(
                f"has columns of {', '.join(str(len(part)) for part in parts)} steps; must be equally many"
            )
        series = np.concatenate(parts, axis=1)
        if not len(series):
            raise ValueError("is empty; must have steps")
        return series

    def fit(self, values: Sequence[np.ndarray]) -> Standardized:
        return Standardized.fit(values, self.standardize)

    @staticmethod
    def _array(value: Any, column: str) -> np.ndarray:
        if isinstance(value, str):
            value = value.replace(",", " ").split()
            if len(value) == 1:
                raise ValueError("is one number; task.input.id must name the column that tells the series of a row")
        if isinstance(value, list | tuple) and value and not isinstance(value[0], list | tuple):
            array = np.empty(len(value))
            for step, item in enumerate(value):
                try:
                    array[step] = as_number(item)
                except ValueError as error:
                    raise StepError(f"at step {step + 1} {error}", step, column) from None
        elif np.iscomplexobj(value):
            raise ValueError("has complex numbers; must be real")
        else:
            try:
                array = np.asarray(value, np.float64)
            except (TypeError, ValueError, OverflowError):
                raise ValueError(f"is {value!r:.40}; must be numbers") from None
        if array.ndim not in (1, 2):
            raise ValueError(f"has {array.ndim} dimensions; must have 1 or 2: [steps] or [steps, columns]")
        if not np.all(np.isfinite(array)):
            step = int(np.argmin(np.all(np.isfinite(array.reshape(len(array), -1)), axis=1)))
            raise StepError(f"at step {step + 1} is not finite; must be", step, column)
        return array.reshape(len(array), -1)
