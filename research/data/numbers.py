"""Numbers over time, or alone, with the mean and the deviation of training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Float32

from research.data.arrays import load_array
from research.data.field import Axis, Field, Kind
from research.errors import UserError, first_line


@dataclass(frozen=True)
class Standardized(Field):
    """Arrays [T, D], each column minus its mean and divided by its deviation in training."""

    name: ClassVar[str] = "numbers"
    kind: ClassVar[Kind] = "array"
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def fit(cls, arrays: Sequence[Float[np.ndarray, "_ D"]], standardize: bool) -> "Standardized":
        """Return the field of training arrays; without `standardize`, one that changes nothing."""
        width = arrays[0].shape[1]
        if not standardize:
            return cls((0.0,) * width, (1.0,) * width)
        count = sum(map(len, arrays))
        mean = sum(np.sum(array, axis=0, dtype=np.float64) for array in arrays) / count
        variance = sum(np.sum((array - mean) ** 2, axis=0, dtype=np.float64) for array in arrays) / count
        deviation = np.sqrt(np.asarray(variance))
        return cls(tuple(np.asarray(mean).tolist()), tuple(np.where(deviation > 0, deviation, 1.0).tolist()))

    @classmethod
    def from_dict(cls, saved: Any) -> "Standardized":
        return cls(tuple(saved["mean"]), tuple(saved["deviation"]))

    @property
    def size(self) -> int:
        """Number of columns, D."""
        return len(self.mean)

    def load(self, source: str) -> np.ndarray:
        """Return the numbers of a file: .npy, .npz or JSON, [T, D]; or [T], where there is one column."""
        try:
            array = np.asarray(load_array(source), np.float64)
        except OSError as error:
            raise UserError(f"{source}: cannot be read: {error.strerror or error}") from error
        except (TypeError, ValueError) as error:
            raise UserError(f"{source}: must hold numbers ({first_line(error)})") from error
        array = array[:, None] if array.ndim == 1 and self.size == 1 else array
        if array.ndim != 2 or array.shape[1] != self.size or not len(array) or not np.all(np.isfinite(array)):
            shape = list(array.shape)
            raise UserError(
                f"{source}: has the shape {shape}; must be finite numbers of the shape [steps, {self.size}]"
            )
        return array

    def encode(self, value: Float[np.ndarray, "T D"]) -> Float32[np.ndarray, "T D"]:
        return ((value - np.array(self.mean)) / np.array(self.deviation)).astype(np.float32)

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Return values in the unit of the data, the inverse of `encode`: [..., D]."""
        return np.asarray(values, np.float64) * np.array(self.deviation) + np.array(self.mean)

    def axis(self, value: np.ndarray) -> Axis:
        return Axis(name="steps")
