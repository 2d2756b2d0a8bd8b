"""Inputs that are arrays already: features [T, D] or tokens [T], given or in a file (.npy, .npz, JSON)."""

from typing import Any

import numpy as np

from research.batch import TaskSpec
from research.data.arrays import load_array
from research.errors import UserError

MAX_LENGTH_FACTOR = 10
"""How many times as long as the longest input in training an input may be: memory is bounded."""


def read_array(path: str, spec: TaskSpec) -> np.ndarray:
    """Return the array of a file as an input of the model.

    Raises:
        UserError: if it is no file of one array, or the array is no input of the model.
        OSError: if the file cannot be read.
    """
    return check_array(load_array(path), spec, path)


def check_array(array: Any, spec: TaskSpec, name: str) -> np.ndarray:
    """Return an array of numbers as an input of the model: float32 features [T, D], or int32 tokens [T].

    Raises:
        UserError: for another shape or type, and for numbers that are not finite or no tokens.
    """
    array = np.asarray(array)
    tokens = spec.inputs == "tokens"
    wanted = "tokens [steps]" if tokens else f"features [steps, {spec.input_size}]"
    if array.dtype.kind not in "iub" + "f" * (not tokens) or array.shape[1:] != (() if tokens else (spec.input_size,)):
        raise UserError(f"{name}: is an array of {array.dtype} {list(array.shape)}; must be {wanted}")
    check_length(array, spec, name)
    if tokens and not (np.min(array) >= 0 and np.max(array) < spec.input_size):
        raise UserError(f"{name}: must be tokens from 0 to {spec.input_size - 1}")
    with np.errstate(over="ignore"):
        array = array.astype(np.int32 if tokens else np.float32)
    if not np.all(np.isfinite(array)):
        raise UserError(f"{name}: must be finite numbers in float32")
    return array


def check_length(encoded: np.ndarray, spec: TaskSpec, name: str) -> None:
    """Reject an input that has no steps, or far more than the longest in training, which is saved with the run."""
    most = MAX_LENGTH_FACTOR * spec.input_length
    if not 0 < len(encoded) <= most:
        allowed = f"must have 1 to {most}, {MAX_LENGTH_FACTOR} times the longest in training"
        raise UserError(f"{name}: has {len(encoded)} steps; {allowed}")
