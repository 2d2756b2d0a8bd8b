"""Which row of a part of a table is best, and which rows cannot be told apart from it.

Each row is compared with the best one, over the differences between trials with the same seed: these see the same data
in the same order. The test is the sign-flip permutation test (Fisher 1935): if two rows are alike, each difference is
as likely to have the other sign. Its p is exact up to `MAX_EXACT` pairs, and Holm (1979) adjusts it for the number of
comparisons in the part: one for each other row in each column that has better and worse values.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from research.reporting.numbers import Number
from research.reporting.statistics import CONFIDENCE, Array
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
    """Of the differences to the best row, paired by seed; of logarithmic columns, of the logarithms."""
    p: float = math.nan
    """Adjusted by Holm; of the best row and of columns without better values NaN."""


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
    """Return how each row compares with the best of its column."""
    tested: dict[tuple[int, int], tuple[float, float, int]] = {}
    bests: dict[int, int] = {}
    for column in range(len(part[0])):
        best = _best([row[column] for row in part])
        if best is None:
            continue
        bests[column] = best
        for row in range(len(part)):
            pairs = paired(part[row][column], part[best][column])
            if row != best and len(pairs):
                tested[row, column] = (float(pairs.mean()), sign_flip_p(pairs), len(pairs))
    adjusted = dict(zip(tested, holm([p for _, p, _ in tested.values()]), strict=True))
    differences = {place: Difference("", tested[place][0], p) for place, p in adjusted.items()}
    for column, best in bests.items():
        rows = [row for row, place in adjusted if place == column]
        apart = [row for row in rows if adjusted[row, column] < ALPHA]
        if not apart:
            continue
        differences[best, column] = Difference("best" if len(apart) == len(rows) else "tie")
        for row in {*rows} - {*apart}:
            found = differences[row, column]
            differences[row, column] = Difference("tie", found.mean, found.p)
    return Verdict(differences, len(tested), max((count for *_, count in tested.values()), default=0))


def paired(number: Number, other: Number) -> Array:
    """Return the differences of two rows over the seeds that both have; those of the logarithms on a log scale."""
    known = dict(zip(other.seeds, other.compared, strict=True))
    values = zip(number.seeds, number.compared, strict=True)
    pairs = np.array([value - known[seed] for seed, value in values if seed in known], np.float64)
    return pairs[np.isfinite(pairs)]


def sign_flip_p(differences: Array) -> float:
    """Return the two-sided p of a mean of 0."""
    count = len(differences)
    sums = np.abs(_signs(count) @ differences)
    extreme = sums >= abs(differences.sum()) * (1 - 1e-12) - 1e-300  # equal ones differ by rounding
    return float(np.mean(extreme) if count <= MAX_EXACT else (extreme.sum() + 1) / (FLIPS + 1))


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values adjusted for their number (Holm 1979)."""
    order = np.argsort(ps, kind="stable")
    scaled = np.asarray(ps, np.float64)[order] * np.arange(len(ps), 0, -1)
    adjusted = np.empty(len(ps))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted.tolist()


def _best(column: Sequence[Number]) -> int | None:
    """Return the row with the best statistic; None where no value is better than another."""
    way = better(column[0].column)
    centers = [number.estimate.center for number in column]
    finite = [row for row, center in enumerate(centers) if math.isfinite(center)]
    if not way or len(finite) < 2:
        return None
    return (min if way == "lower" else max)(finite, key=centers.__getitem__)


@functools.cache
def _signs(count: int) -> Array:
    """Return the choices of signs [FLIPS, count], with the last one fixed: the others mirror them; or random ones."""
    if count > MAX_EXACT:
        return np.random.default_rng(0).choice([-1.0, 1.0], (FLIPS, count))
    places = np.arange(2 ** (count - 1))[:, None] >> np.arange(count)
    return 2.0 * (places & 1) - 1
