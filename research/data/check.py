"""`data check`: what a source of data is understood as, and what is wrong with it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from research.data.fields.audio import RATES
from research.data.fields.label import LabelsTarget, LabelTarget
from research.data.tables.folders import AUDIO, MEDIA
from research.data.tables.table import Rows
from research.data.tables.values import Values

SHOWN = 5
"""Lines of a list that are printed."""
BARS = 40
SOUND = (b"RIFF", b"fLaC", b"OggS")
"""First bytes of audio files."""


@dataclass(frozen=True)
class Checked:
    """A split that was read whole."""

    values: Values
    inputs: dict[int, Any]
    """Loaded input of each usable pair."""
    targets: dict[int, Any]


def read(values: Values) -> Checked:
    """Return all usable pairs of a split; those that are not usable are in `values.skipped`."""
    inputs, targets = {}, {}
    for number, value, target in values.load(range(len(values))):
        inputs[number], targets[number] = value, target
    return Checked(values, inputs, targets)


def histogram(title: str, lengths: Sequence[int]) -> str:
    """Return lengths as bars: how many values have a length in each of at most 12 ranges."""
    if not lengths:
        return f"{title}: none"
    array = np.array(lengths)
    bins = min(12, len(np.unique(array)))
    counts, edges = np.histogram(array, bins=bins)
    rows = [f"{title}: {array.min()} to {array.max()}, median {np.median(array):g}"]
    for count, low, high in zip(counts, edges, edges[1:], strict=False):
        span = f"{np.ceil(low):.0f}-{np.ceil(high) - 1 if high < edges[-1] else high:.0f}"
        rows.append(f"  {span:>13}  {'#' * round(BARS * count / counts.max()):<{BARS}}  {count:,}")
    return "\n".join(rows)


def overlaps(splits: Mapping[str, Checked]) -> list[str]:
    """Return a line for each fault between examples: duplicates, and inputs that are in two splits."""
    lines = []
    seen: dict[str, dict[Any, int]] = {}
    for split, checked in splits.items():
        keys = Counter(_key(checked.values[number][0]) for number in checked.inputs)
        if repeated := sum(count - 1 for count in keys.values()):
            lines.append(f"{split}: inputs that occur again: {repeated:,}")
        seen[split] = dict(keys)
    names = list(splits)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            if both := seen[first].keys() & seen[second].keys():
                example = str(next(iter(both)))
                lines.append(f"inputs of {second} that {first} has as well: {len(both):,}, such as {example[:40]!r}")
    return lines


def guess(rows: Rows) -> dict[str, str]:
    """Return the flags of the fields that the first row suggests, without those of text."""
    flags, taken = {}, ""
    for name, value in rows[0].items():
        suffix = value.lower().rpartition(".")[2] if isinstance(value, str) else ""
        array = isinstance(value, np.ndarray | list) and np.asarray(value).dtype.kind in "fiu"
        raw = isinstance(value, bytes)
        sound = value[:4] in SOUND if raw else array and np.ndim(value) == 1 and any(rate in rows[0] for rate in RATES)
        kind = "audio" if f".{suffix}" in AUDIO or sound else "image" if f".{suffix}" in MEDIA or raw else ""
        kind = kind or ("image" if array and np.ndim(value) == 3 else "series" if array else "")
        if kind and not taken:
            flags["task.input.name"], taken = kind, name
    for name, value in rows[0].items():
        if name == taken:
            continue
        if name in LabelTarget.usual[:1]:
            flags["task.target.name"] = "label"
        elif name in LabelsTarget.usual[:1]:
            flags["task.target.name"] = "labels"
        elif isinstance(value, float | np.ndarray) and np.size(value) == 1 and np.asarray(value).dtype.kind == "f":
            flags["task.target.name"] = "number"
    return flags


def _key(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tobytes()
    sound = isinstance(value, tuple) and isinstance(value[0], np.ndarray)
    return _key(value[0]) if sound else value if isinstance(value, str | bytes) else repr(value)
