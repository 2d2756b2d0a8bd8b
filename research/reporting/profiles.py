"""What the figures draw, as arrays: profiles and heat maps over seeds, errors in parts, courses, places for labels.

Profiles hold norms as they are: 0 where float32 underflowed, inf where it overflowed (a NaN is an inf that met a zero).
The middle of some seeds is the median of the logarithms, which has a place for both; no norm is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from research import catalogue
from research.errors import UserError
from research.probes.gradient_flow import TINY
from research.reporting.aggregate import Row

Array = NDArray[np.float64]
When = Literal["first", "last"]
By = Literal["length", "position"]
Kind = Literal["free_running", "teacher_forced", "bleu"]

MOST_BINS = 16


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
    """An error rate, or BLEU, of one row over the lengths of the input or the positions in the target."""

    row: Row
    places: tuple[tuple[int, int], ...]
    """First and last length or position of each bin."""
    count: Array
    """Examples of these lengths; targets that reach a position, added up over the bin."""
    mean: Array
    low: Array
    high: Array
    """Over the seeds."""


@dataclass(frozen=True)
class Course:
    """A metric of one row at the evaluations of its training."""

    row: Row
    minutes: Array
    """Of training before each evaluation, a trial's share of its pack's; the mean over the seeds."""
    mean: Array
    low: Array
    high: Array
    """Over the seeds."""


def state_of(row: Row) -> str:
    """The part of the carry through which the row's cell reaches back in time; of most cells h."""
    return catalogue.load("cells", str(row.options.get("model.cell"))).state


def profile(row: Row, part: str = "", when: When = "first") -> Profile | None:
    """The row's first or last profile over its seeds; None if no trial has one.

    Args:
        part: of the carry; by default the state.
    """
    part = part or state_of(row)
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


def heatmap(row: Row) -> tuple[Array, Array] | None:
    """Training steps [R] and, for each, log10 of the median norm over the seeds that have it [R, T]; None without any.

    Of the state. -inf is an underflow, inf an overflow.
    """
    part = state_of(row)
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


def errors(rows: Sequence[Row], by: By, kind: Kind = "free_running", least: int = 20) -> list[Bins]:
    """The error rate, or BLEU, by length or position of the rows that have it, in bins of at least `least` examples.

    All rows and kinds share the bins: neighbouring places are put together where there are few examples, or many bins.
    """
    tables = {row.label: [_table(trial.result, by, kind) for trial in row.finished] for row in rows}
    present = [table for found in tables.values() for table in found if table]
    if not present:
        return []
    places = sorted({place for table in present for place in table})
    count = {place: max(table[place].count for table in present if place in table) for place in places}
    bins = _bins(places, count, least)
    bins = bins if len(bins) <= MOST_BINS else _shares(places, count)
    found = [(row, [table for table in tables[row.label] if table]) for row in rows]
    return [_binned(row, chosen, bins) for row, chosen in found if chosen]


def course(row: Row, key: str) -> Course | None:
    """The row's metric against time, at the evaluations that all its seeds have; None if there are none."""
    seeds: list[dict[int, tuple[float, float]]] = []
    for trial in row.finished:
        known = [record for record in trial.metrics if key in record and "train/seconds" in record]
        seeds.append({int(record["step"]): (record["train/seconds"], record[key]) for record in known})
    seeds = [found for found in seeds if found]
    steps = sorted(set.intersection(*map(set, seeds))) if seeds else []
    if not steps:
        return None
    seconds, values = np.moveaxis(np.array([[found[step] for step in steps] for found in seeds], float), 2, 0)
    return Course(row, seconds.mean(0) / 60, values.mean(0), values.min(0), values.max(0))


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


def _check_lengths(row: Row, part: str) -> None:
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


@dataclass(frozen=True)
class _Cell:
    """What a table holds of one length or position."""

    count: int
    weight: float
    """What the rate is a mean over."""
    rate: float


def _table(result: Mapping[str, Any] | None, by: By, kind: Kind) -> dict[int, _Cell]:
    table = (result or {}).get(f"by_{by}") or {}
    weights = {"free_running": "references", "teacher_forced": "forced_references"} if by == "position" else {}
    weight = weights.get(kind, "count")
    keys = (by, "count", weight, kind)
    columns = [table[key] for key in keys] if all(key in table for key in keys) else [()] * len(keys)
    return {int(place): _Cell(int(count), *rest) for place, count, *rest in zip(*columns, strict=True) if count}


def _bins(places: list[int], count: Mapping[int, int], least: float) -> list[list[int]]:
    """Neighbours put together from the first place on, until each bin has `least`; a rest joins the last bin."""
    bins: list[list[int]] = []

    def short() -> bool:
        return sum(count[place] for place in bins[-1]) < least

    for place in places:
        if bins and short():
            bins[-1].append(place)
        else:
            bins.append([place])
    if len(bins) > 1 and short():
        rest = bins.pop()
        bins[-1] += rest
    return bins


def _shares(places: list[int], count: Mapping[int, int]) -> list[list[int]]:
    """Neighbours put together to bins of like count."""
    total, before = sum(count.values()), 0
    shares: dict[int, list[int]] = {}
    for place in places:
        shares.setdefault(int(MOST_BINS * (before + count[place] / 2) / total), []).append(place)
        before += count[place]
    return list(shares.values())


def _binned(row: Row, tables: list[dict[int, _Cell]], bins: list[list[int]]) -> Bins:
    def mean(table: dict[int, _Cell], part: list[int]) -> float:
        found = [table[place] for place in part if place in table and table[place].weight]
        total = sum(cell.weight for cell in found)
        return sum(cell.weight * cell.rate for cell in found) / total if total else np.nan

    def count(table: dict[int, _Cell], part: list[int]) -> int:
        return sum(table[place].count for place in part if place in table)

    rates = np.array([[mean(table, part) for part in bins] for table in tables])
    ends = tuple((part[0], part[-1]) for part in bins)
    counts = np.array([max(count(table, part) for table in tables) for part in bins], float)
    return Bins(row, ends, counts, rates.mean(0), rates.min(0), rates.max(0))
