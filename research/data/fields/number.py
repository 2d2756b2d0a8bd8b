"""Numbers to predict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from research.batch import TargetKind
from research.data.fields.field_options import TargetOptions, as_number, scalar
from research.data.numbers import Standardized


@dataclass(frozen=True)
class NumberTarget(TargetOptions):
    """One number, or several columns of them."""

    kind: ClassVar[TargetKind] = "value"
    several: ClassVar[bool] = True
    usual: ClassVar = ("target", "value", "y")
    name: Literal["number"] = "number"
    standardize: bool = True
    """Learn numbers with the mean 0 and the standard deviation 1 of training; metrics are in the unit of the data."""

    def read(self, row: Mapping[str, Any], columns: Sequence[str], folder: Path) -> list[float]:
        values = [row[column] for column in columns]
        if len(values) == 1 and isinstance(values[0], np.ndarray):
            values = np.ravel(values[0]).tolist()
        return [as_number(scalar(value)) for value in values]

    def fit(self, values: Sequence[list[float]]) -> Standardized:
        return Standardized.fit([np.array(values, np.float64)], self.standardize)

    def encode(self, field: Standardized, value: list[float]) -> np.ndarray:
        return field.encode(np.array([value], np.float64))[0]
