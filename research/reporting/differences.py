"""Which row of a part of a table is best, and which rows cannot be told apart from it.

Each row is compared with the best one, over the differences between trials with the same seed: these see the same data
in the same order. The test is the sign-flip permutation test (Fisher 1935): if two rows are alike, each difference is
as likely to have the other sign. It tests the mean of the differences; of a column's median or interquartile mean, the
differences are replaced by their signed ranks (Wilcoxon 1945), so that none counts for more than its rank. p is exact
up to `MAX_EXACT` pairs. Other test examples would move all differences together, by a normal error; with it, p is that
of the sum of both. Where a value is infinite, the signs of the differences are tested, and its row is never the best.
Holm (1979) adjusts p for the number of comparisons in the part: one for each other row in each column that has better
and worse values.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from research.config.experiment import Column, Statistic
from research.reporting.numbers import Number
from research.reporting.sampling import sampling_error
from research.reporting.statistics import CENTERS, CONFIDENCE, Array
from research.reporting.titles import better

ALPHA = 1 - CONFIDENCE
MAX_EXACT = 16
FLIPS = 2**15
"""Random choices of signs for more pairs than `MAX_EXACT`."""

Mark = Literal["", "best", "tie"]
Part = Sequence[Sequence[Number]]
"""Numbers of the rows of a part, in the order of the columns."""


@dataclass(frozen=True)
class Difference:
    """A row compared with the best row in one column."""

    mark: Mark = ""
    """best: it differs from all other rows; tie: it is the best or not told apart from it, and some row is."""
    mean: float = math.nan
    """Statistic of the differences to the best row, paired by seed; of logarithmic columns, of the logarithms."""
    p: float = math.nan
    """Adjusted by Holm; of the best row and of columns without better values NaN."""
    error: float = math.nan
    """Standard error of the mean by the choice of test examples, which p includes; NaN: not known, and not in p."""


@dataclass(frozen=True)
class Verdict:
    """All comparisons of a part of a table."""

    differences: Mapping[tuple[int, int], Difference]
    """By row and column."""
    comparisons: int
    pairs: int
    """Most pairs of seeds of any comparison."""

    @property
    def can_differ(self) -> bool:
        """Whether there are enough seeds for any difference to be significant."""
        return self.pairs >= needed_pairs(self.comparisons)


def needed_pairs(comparisons: int) -> int:
    """Return how many seeds the smallest of some comparisons needs at least to be significant."""
    return math.ceil(1 - math.log2(ALPHA / max(comparisons, 1)))


def compare_rows(part: Part) -> Verdict:
    """Return how each row compares with the best of its column.

    The sampling error of the test examples is part of it only where there are enough seeds for a mark.
    """
    tested: dict[tuple[int, int], Mapping[Any, float]] = {}
    bests: dict[int, int] = {}
    for column in range(len(part[0])):
        best = _best([row[column] for row in part])
        if best is None:
            continue
        bests[column] = best
        for row in range(len(part)):
            pairs = paired(part[row][column], part[best][column])
            if row != best and pairs:
                tested[row, column] = pairs
    most = max(map(len, tested.values()), default=0)
    errors = _sampling_errors(part, tested, bests) if most >= needed_pairs(len(tested)) else {}
    values = {place: np.array([*pairs.values()]) for place, pairs in tested.items()}
    ps = [
        sign_flip_p(pairs, errors.get((row, column), math.nan), part[row][column].column.statistic)
        for (row, column), pairs in values.items()
    ]
    found = {
        (row, column): Difference(
            "", _center(pairs, part[row][column].column.statistic), p, errors.get((row, column), math.nan)
        )
        for ((row, column), pairs), p in zip(values.items(), holm(ps), strict=True)
    }
    for column, best in bests.items():
        sign = 1 if _way(part[best][column].column) == "lower" else -1
        others = [
            row for row, numbers in enumerate(part) if row != best and not np.all(np.isnan(numbers[column].compared))
        ]
        known = {row: found.get((row, column), Difference()) for row in others}
        apart = [row for row, difference in known.items() if difference.p < ALPHA and sign * difference.mean > 0]
        if not apart:
            continue
        found[best, column] = Difference("best" if len(apart) == len(others) else "tie")
        for row in {*others} - {*apart}:
            found[row, column] = replace(known[row], mark="tie")
    return Verdict(found, len(tested), most)


def paired(number: Number, other: Number) -> dict[Any, float]:
    """Return the differences of two rows by the seeds that both have; those of the logarithms on a log scale.

    Of an infinite value the difference is infinite; an undefined one has none.
    """
    known = dict(zip(other.seeds, other.compared, strict=True))
    values = zip(number.seeds, number.compared, strict=True)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        pairs = {seed: float(value - known[seed]) for seed, value in values if seed in known}
    return {seed: difference for seed, difference in pairs.items() if not math.isnan(difference)}


def sign_flip_p(differences: Array, error: float = math.nan, statistic: Statistic = "mean") -> float:
    """Return the two-sided p of differences around 0.

    Args:
        differences: of the seeds; where one is infinite, their signs are tested.
        error: standard error that their mean has besides, by the choice of test examples; NaN: not known. It never
            lowers p.
        statistic: of the column; of medians and interquartile means, signed ranks are tested.
    """
    count = len(differences)
    if not np.all(np.isfinite(differences)):
        differences, error, statistic = np.sign(differences), math.nan, "mean"
    if statistic in ("median", "iqm"):
        from scipy.stats import rankdata

        differences = np.sign(differences) * rankdata(np.abs(differences))
    sums, observed = np.abs(_signs(count) @ differences), abs(differences.sum())
    extreme = sums >= observed * (1 - 1e-12) - 1e-300  # equal ones differ by rounding
    p = float(np.mean(extreme) if count <= MAX_EXACT else (extreme.sum() + 1) / (FLIPS + 1))
    if not error > 0:
        return p
    from scipy.special import ndtr

    spread = count * error
    return max(p, float(np.mean(ndtr((sums - observed) / spread) + ndtr(-(sums + observed) / spread))))


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values adjusted for their number (Holm 1979)."""
    order = np.argsort(ps, kind="stable")
    scaled = np.asarray(ps, np.float64)[order] * np.arange(len(ps), 0, -1)
    adjusted = np.empty(len(ps))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted.tolist()


def _sampling_errors(
    part: Part, tested: Mapping[tuple[int, int], Mapping[Any, float]], bests: Mapping[int, int]
) -> dict[tuple[int, int], float]:
    """Return the standard error of each mean difference by the choice of test examples, where it is known."""
    needed: dict[int, dict[tuple[int, tuple[Any, ...]], None]] = {}
    for (row, column), pairs in tested.items():
        for place in (row, bests[column]):
            needed.setdefault(place, {})[column, tuple(pairs)] = None
    found = {}
    for row, asked in needed.items():
        read = functools.cache(lambda run: run.test_examples())  # a file has all metrics; those of a row fit in memory
        found |= {(row, *key): part[row][key[0]].influences(key[1], read) for key in asked}
    errors = {}
    for (row, column), pairs in tested.items():
        ours, others = (found[place, column, tuple(pairs)] for place in (row, bests[column]))
        if ours is not None and others is not None:
            errors[row, column] = sampling_error([ours, -others])
    return errors


def _best(column: Sequence[Number]) -> int | None:
    """Return the row with the best statistic; None where no value is better than another."""
    way = _way(column[0].column)
    centers = [number.estimate.center for number in column]
    finite = [
        row for row, number in enumerate(column) if math.isfinite(centers[row]) and np.all(np.isfinite(number.compared))
    ]
    if not way or not finite or sum(bool(len(number.values)) for number in column) < 2:
        return None
    return (min if way == "lower" else max)(finite, key=centers.__getitem__)


def _way(column: Column) -> str:
    """Return which values of the statistic are better: "lower", "higher" or ""."""
    return "higher" if column.statistic == "success" else better(column)


def _center(differences: Array, statistic: Statistic) -> float:
    return float(CENTERS["mean" if statistic == "success" else statistic](differences))


@functools.cache
def _signs(count: int) -> Array:
    """Return the choices of signs [FLIPS, count], with the last one fixed: the others mirror them; or random ones."""
    if count > MAX_EXACT:
        return np.random.default_rng(0).choice([-1.0, 1.0], (FLIPS, count))
    places = np.arange(2 ** (count - 1))[:, None] >> np.arange(count)
    return 2.0 * (places & 1) - 1
