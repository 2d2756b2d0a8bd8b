"""What the figures draw, as arrays: profiles and heat maps over seeds, errors by length, places for labels.

Profiles hold norms as they are: 0 where float32 underflowed, inf where it overflowed (a NaN is an inf that met a zero).
The middle of some seeds is the median of the logarithms, which has a place for both; no norm is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from research.errors import UserError
from research.probes.gradient_flow import TINY
from research.reporting.aggregate import Row

Array = NDArray[np.float64]
Part = Literal["h", "c"]
When = Literal["first", "last"]


@dataclass(frozen=True)
class Profile:
    """Norms over t of one row, relative to the norm at t = T-1."""

    row: Row
    middle: Array
    low: Array
    high: Array
    seeds: int
    left_out: int
    """Seeds whose norm at T-1 is 0 or not finite: there is nothing to relate to."""
    steps: tuple[int, ...]
    """Updates before the profile was taken, the distinct values over the seeds."""


@dataclass(frozen=True)
class Bins:
    """Error over word length of one row: mean, lowest and highest over the seeds."""

    row: Row
    lengths: tuple[tuple[int, int], ...]
    """Shortest and longest word of each bin."""
    words: Array
    mean: Array
    low: Array
    high: Array


def profile(row: Row, part: Part = "h", when: When = "first") -> Profile | None:
    """The row's first or last profile over its seeds; None if no trial has one."""
    _check_lengths(row, part)
    records = [[record for record in trial.gradient_flow if part in record] for trial in row.trials]
    chosen = [found[0 if when == "first" else -1] for found in records if found]
    if not chosen:
        return None
    norms = np.array([_regular(record[part]) for record in chosen])
    usable = np.isfinite(norms[:, -1]) & (norms[:, -1] > 0)
    if not usable.any():
        return None
    relative = norms[usable] / norms[usable, -1:]
    low, high = relative.min(0), relative.max(0)
    steps = tuple(sorted({int(record["step"]) for record, used in zip(chosen, usable, strict=True) if used}))
    return Profile(row, median(relative), low, high, int(usable.sum()), int((~usable).sum()), steps)


def heatmap(row: Row, part: Part = "h") -> tuple[Array, Array] | None:
    """Training steps [R] and, for each, log10 of the median norm over the seeds that have it [R, T]; None without any.

    -inf is an underflow, inf an overflow.
    """
    _check_lengths(row, part)
    by_step: dict[int, list[Array]] = {}
    for trial in row.trials:
        for record in trial.gradient_flow:
            if part in record:
                by_step.setdefault(int(record["step"]), []).append(_regular(record[part]))
    if not by_step:
        return None
    steps = sorted(by_step)
    return np.array(steps, float), logarithm(np.array([median(np.array(by_step[step])) for step in steps]))


def median(norms: Array) -> Array:
    """Median of the logarithms over the first axis, for norms with zeros and infinities. An even tie of both is inf."""
    ordered = np.sort(logarithm(norms), axis=0)
    count = len(ordered)
    lower, upper = ordered[(count - 1) // 2], ordered[count // 2]
    with np.errstate(invalid="ignore"):
        middle = np.where(lower == upper, lower, (lower + upper) / 2)
    return 10.0 ** np.where(np.isnan(middle), np.inf, middle)


def logarithm(norms: Array) -> Array:
    """log10, -inf for 0."""
    with np.errstate(divide="ignore"):
        return np.log10(norms)


def by_length(rows: Sequence[Row], least: int = 20) -> list[Bins]:
    """The free-running error by word length of the rows that have it, in bins of at least `least` words.

    All rows share the bins: single lengths, with the rare ones at either end put together.
    """
    tables = {row.label: [_by_length(trial.result) for trial in row.finished] for row in rows}
    present = [table for found in tables.values() for table in found if table]
    if not present:
        return []
    lengths = sorted({length for table in present for length in table})
    words = {length: max(table.get(length, (0, 0.0))[0] for table in present) for length in lengths}
    bins = _bins(lengths, words, least)
    found = [(row, [table for table in tables[row.label] if table]) for row in rows]
    return [_binned(row, chosen, bins) for row, chosen in found if chosen]


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The places moved as little as needed to lie `gap` apart within low..high; closer if there is no room.

    Neighbours that collide form a block centred on the mean of where they wanted to be; blocks merge as they touch.
    """
    if not places:
        return []
    gap = min(gap, (high - low) / max(1, len(places) - 1))
    order = np.argsort(places, kind="stable")
    blocks: list[list[float]] = []  # [wanted centre, number of labels]
    for index in order:
        blocks.append([float(places[index]), 1])
        while True:
            for block in blocks:
                half = (block[1] - 1) * gap / 2
                block[0] = min(max(block[0], low + half), high - half)
            if len(blocks) < 2:
                break
            (below, m), (above, n) = blocks[-2:]
            if above - below >= (m + n) * gap / 2 - 1e-9:
                break
            blocks[-2:] = [[(below * m + above * n) / (m + n), m + n]]
    spaced = [centre + (k - (n - 1) / 2) * gap for centre, n in blocks for k in range(int(n))]
    result = [0.0] * len(places)
    for place, index in zip(spaced, order, strict=True):
        result[index] = place
    return result


def _check_lengths(row: Row, part: Part) -> None:
    """The records of a file are of one length; see that the files of a row are, too."""
    first: tuple[int, str] | None = None
    for trial in row.trials:
        for record in trial.gradient_flow[:1]:
            length, place = len(record.get(part, record["h"])), f"{trial.run.path}/gradient_flow.jsonl"
            first = first or (length, place)
            if length != first[0]:
                raise UserError(f"{place}: {part}: has {length} numbers; must have {first[0]}, as in {first[1]}")


def _regular(values: Array) -> Array:
    values = np.where(np.isfinite(values), values, np.inf)
    return np.where(values < TINY, 0.0, values)


def _by_length(result: Mapping[str, Any] | None) -> dict[int, tuple[int, float]]:
    """Words and free-running error by length."""
    table = (result or {}).get("by_length") or {}
    columns = (table.get("length", ()), table.get("count", ()), table.get("free_running", ()))
    return {int(length): (int(count), float(error)) for length, count, error in zip(*columns, strict=True) if count}


def _bins(lengths: list[int], words: Mapping[int, int], least: int) -> list[list[int]]:
    bins = [[length] for length in lengths]
    for first, second in ((0, 1), (-1, -2)):
        while len(bins) > 1 and sum(words[length] for length in bins[first]) < least:
            merged = sorted(bins[first] + bins[second])
            bins = [merged, *bins[2:]] if first == 0 else [*bins[:-2], merged]
    joined: list[list[int]] = []
    for part in bins:  # a rare length between common ones joins the shorter neighbour
        rare = sum(words[length] for length in part) < least
        joined = [*joined[:-1], joined[-1] + part] if rare and joined else [*joined, part]
    return joined


def _binned(row: Row, tables: list[dict[int, tuple[int, float]]], bins: list[list[int]]) -> Bins:
    def mean(table: dict[int, tuple[int, float]], part: list[int]) -> float:
        found = [table[length] for length in part if length in table]
        total = sum(count for count, _ in found)
        return sum(count * error for count, error in found) / total if total else np.nan

    errors = np.array([[mean(table, part) for part in bins] for table in tables])
    words = [max(sum(table.get(length, (0, 0.0))[0] for length in part) for table in tables) for part in bins]
    ends = tuple((part[0], part[-1]) for part in bins)
    return Bins(row, ends, np.array(words, float), errors.mean(0), errors.min(0), errors.max(0))
