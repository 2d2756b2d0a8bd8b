"""The sampling error of the test examples, in means over seeds of one row and in differences between rows.

A metric of a trial is a ratio over N examples, R = sum(e) / sum(c), such as edits per symbol. The influence of example
i on it is N (e_i - R c_i) / sum(c), the ratio's linear approximation; of its logarithm, that divided by R. The
influence on a weighted sum of rows is the weighted sum of their influences: rows are scored on the same examples, so
one that is hard for all rows cancels in their difference.

The influence u of an example has a part that all seeds share, and a part of each seed. The latter varies the values of
the seeds, which show it already; the variance of the former is that of the mean over seeds, less what the latter adds
to it (two-way analysis of variance, without replication):

    SE^2 = (var_i(mean_s(u_si)) - mean_i(var_s(u_si)) / S) / N        0 where that is negative
"""

import fnmatch
import math
from collections.abc import Mapping, Sequence

import numpy as np

from research.reporting.statistics import Array

Scores = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Of a run by metric, as `RunDirectory.test_examples` returns them."""
SPLIT = "test/"
"""Section of the metrics that have scores by example."""


def influence(errors: np.ndarray, count: np.ndarray, *, logarithm: bool = False) -> Array:
    """Return the influence [N] of each example on sum(errors) / sum(count), or on its logarithm."""
    total = count.sum(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = errors.sum(dtype=np.float64) / total
        return len(count) * (errors - rate * count) / (total * rate if logarithm else total)


def influences(runs: Sequence[Scores], key: str, *, logarithm: bool = False) -> Array | None:
    """Return the influence [runs, N] of each example on a metric of each run.

    None where one has no scores by example, or they have different numbers of examples.
    """
    found = []
    for scores in runs:
        name = next((name for name in scores if fnmatch.fnmatchcase(f"{SPLIT}{name}", key)), None)
        if name is None:
            return None
        found.append(influence(*scores[name], logarithm=logarithm))
    return np.stack(found) if len({*map(len, found)}) == 1 else None


def sampling_error(rows: Sequence[Array]) -> float:
    """Return the standard error, by the choice of examples, of the sum of rows' means over seeds; NaN: not known.

    Args:
        rows: influences [seeds, N] of each row, times its weight, with the same seeds in the same order. Rows with the
            same N are taken to have the same examples. For others this does no harm: no example of the one row goes
            with one of the other, so there is nothing that cancels.
    """
    groups: dict[int, Array] = {}
    for row in rows:
        groups[row.shape[1]] = groups.get(row.shape[1], 0.0) + row
    return math.sqrt(sum(map(_variance, groups.values())))


def _variance(influence: Array) -> float:
    """Return the variance of the mean over seeds by the choice of examples, from influences [seeds, N]."""
    seeds, count = influence.shape
    if seeds < 2 or count < 2:
        return math.nan
    of_seeds = influence.var(axis=0, ddof=1).mean() / seeds
    variance = (influence.mean(axis=0).var(ddof=1) - of_seeds) / count
    return float(variance) if math.isnan(variance) else max(float(variance), 0.0)
