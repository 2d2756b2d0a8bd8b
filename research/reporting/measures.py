"""What the figures draw, as tables: profiles and heat maps over seeds, errors by length and position, learning curves.

Lines are tables with the columns `low`, `middle` and `high` over the seeds. Profiles hold norms unchanged: 0 where
float32 underflowed, inf where it overflowed, NaN where no sequence of a batch has the step. Their middle is the median
of the logarithms, where both have a place; no norm is left out.
"""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from research.errors import UserError
from research.probes.gradient_flow import regular
from research.tracking.run_directory import METRICS, RunDirectory
from research.tracking.strict_json import ALL, FIRST, LAST

Array = NDArray[np.float64]
End = Literal["first", "last"]
"""Which record of a training."""
When = End | int
"""Which record: the first, the last, or that whose step is nearest."""
By = Literal["length", "position"]
Kind = Literal["free_running_error_rate", "teacher_forced_error_rate", "bleu"]

PROBE = "gradient_flow"
LEAST = 20
"""Examples of a bin."""
MAX_BINS = 16


@dataclass(frozen=True)
class Profile:
    """Norms over time of one row, relative to the norm at the last step."""

    name: str
    """Name in the records, such as "encoder/layer_1/forward/h"."""
    norms: pd.DataFrame
    """A row a time step; low, middle and high over the seeds."""
    seeds: int
    left_out: int
    """Seeds whose last norm is 0 or not finite: there is nothing to relate to."""
    steps: tuple[int, ...]
    """Updates before the profile was taken, the distinct values over the seeds."""


def profile(row: pd.DataFrame, part: str = "", when: When = "first") -> Profile | None:
    """Return the row's profile at a time, of a part of the carry or of the state; None if no trial has one."""
    name = _profile_name(row, part)
    if isinstance(when, int):
        taken = [min(records, key=lambda record: abs(record["step"] - when)) for records in _trials(row, name)]
    else:
        taken = [records[-1] for records in _trials(row, name, FIRST if when == "first" else LAST)]
    if not taken:
        return None
    norms = _to_the_loss(pd.DataFrame(regular([record[name] for record in taken])))
    last = norms.ffill(axis=1).iloc[:, -1]
    usable = np.isfinite(last) & (last > 0)
    if not usable.any():
        return None
    norms = norms[usable].div(last[usable], axis=0)
    lines = pd.DataFrame({"low": norms.min(), "middle": median(norms.to_numpy()), "high": norms.max()})
    steps = {int(record["step"]) for record, used in zip(taken, usable, strict=True) if used}
    return Profile(name, lines, int(usable.sum()), int((~usable).sum()), tuple(sorted(steps)))


def _to_the_loss(norms: pd.DataFrame) -> pd.DataFrame:
    """Return profiles up to the last step that one of them has: that of the loss, if one step's loss was chosen."""
    return norms.loc[:, : norms.notna().any().to_numpy().nonzero()[0].max(initial=0)]


def over_seeds(numbers: Array, index: Sequence[float]) -> pd.DataFrame:
    """Return low, middle (the median) and high over the first axis of numbers [seeds, N], without places of NaN."""
    frame = pd.DataFrame(numbers, columns=pd.Index(index))
    with np.errstate(invalid="ignore"):
        return pd.DataFrame({"low": frame.min(), "middle": frame.median(), "high": frame.max()}).dropna()


def attention_share(row: pd.DataFrame, when: End) -> pd.DataFrame | None:
    """Return how much of the gradient at the top layer's states comes by attention, in percent, by steps to the last.

    That is the norm by attention over the sum of both norms. None without attention, or if they were not recorded.
    """
    name = _profile_name(row)
    shares = []
    for record in _at(row, PROBE, f"{name}/by_attention", when):
        attention, recurrence = (regular(record[f"{name}/by_{way}"])[::-1] for way in ("attention", "recurrence"))
        with np.errstate(invalid="ignore"):
            shares.append(100 * attention / (attention + recurrence))
    return over_seeds(np.stack(shares), range(len(shares[0]))) if shares else None


def horizons(row: pd.DataFrame, when: End) -> pd.DataFrame | None:
    """Return the memory horizons of the encoder's units, sorted, by the percentage of units; None if not recorded."""
    found = []
    for record in _at(row, "gates", "", when):
        names = sorted(name for name in record if name.startswith("encoder/") and name.endswith("/unit_horizon"))
        found += [np.sort(record[names[-1]])] if names else []
    return over_seeds(np.stack(found), (np.arange(len(found[0])) + 0.5) * 100 / len(found[0])) if found else None


def heatmap(row: pd.DataFrame) -> pd.DataFrame | None:
    """Return log10 of the state's median norm over the seeds that have it, training steps by time steps.

    -inf is an underflow, inf an overflow, NaN a step that no sequence has; None if no trial has a profile.
    """
    name = _profile_name(row)
    taken = [record for trial in _trials(row, name) for record in trial]
    if not taken:
        return None
    steps = [int(record["step"]) for record in taken]
    norms = _to_the_loss(pd.DataFrame(regular([record[name] for record in taken]), steps))
    decades = {step: logarithm(median(seeds.to_numpy())) for step, seeds in norms.groupby(level=0)}
    return pd.DataFrame.from_dict(decades, orient="index")


def profiles(row: pd.DataFrame) -> dict[str, dict[int, Array]]:
    """Return the norms [seeds, T] of each profile of the row, that of the state first, at each training step.

    0 is an underflow and inf an overflow; NaN where no sequence of a batch has the step.
    """
    tables: dict[str, dict[int, list[Array]]] = {name: {} for name in filter(None, [_profile_name(row)])}
    for run in row["run"]:
        for record in _records(run, PROBE, ""):
            for name, values in record.items():
                if np.ndim(values) == 1:
                    tables.setdefault(name, {}).setdefault(int(record["step"]), []).append(regular(values))
    return {
        name: {step: np.stack([line for line in seeds if len(line) == len(seeds[0])]) for step, seeds in table.items()}
        for name, table in tables.items()
        if table
    }


def median(norms: Array) -> Array:
    """Return the median of the logarithms over the first axis, of seeds that are not NaN; a tie of 0 and inf is inf."""
    with np.errstate(invalid="ignore"):
        middle = pd.DataFrame(logarithm(norms)).median().to_numpy()
    return 10.0 ** np.where(np.isnan(middle) & ~np.isnan(norms).all(axis=0), np.inf, middle)


def logarithm(norms: Array) -> Array:
    """Return log10, -inf for 0."""
    with np.errstate(divide="ignore"):
        return np.log10(norms)


def errors(section: pd.DataFrame, by: By, kind: Kind) -> dict[str, pd.DataFrame]:
    """Return a line for each row that has errors, or BLEU, by length or position, in bins of at least `LEAST` examples.

    All rows and kinds share the bins: neighboring places are put together where there are few examples, or many bins.
    A line has `first`, `last` (of the bin) and `count` next to low, middle (the mean) and high; of positions, `count`
    adds up the targets that reach each.
    """
    tables = []
    for label, row in section.groupby("row", sort=False):
        for seed, result in enumerate(row["result"].dropna()):
            table = pd.DataFrame(result.get(f"by_{by}") or {})
            symbols = kind.replace("error_rate", "references")  # what a rate is a mean over
            weight = symbols if symbols in table or by == "position" else "count"  # of BLEU, and in older results
            if {by, "count", weight, kind} <= set(table):
                columns = {"place": table[by], "count": table["count"], "weight": table[weight], "rate": table[kind]}
                tables.append(pd.DataFrame(columns).assign(row=label, seed=seed))
    examples = pd.concat(tables).query("count > 0") if tables else pd.DataFrame()
    if examples.empty:
        return {}
    count = examples.groupby("place")["count"].max()
    bins = pd.Series(_bins(count, LEAST), count.index)
    examples["bin"] = examples["place"].map(bins)
    examples["rate"] = (examples["rate"] * examples["weight"]).where(examples["weight"] > 0)
    sums = examples.groupby(["row", "seed", "bin"], sort=False)[["rate", "weight", "count"]].sum(min_count=1)
    sums["rate"] /= sums["weight"]
    lines = sums.groupby(["row", "bin"])["rate"].agg(low="min", middle="mean", high="max")
    lines["count"] = sums.groupby(["row", "bin"])["count"].max()
    ends = count.index.to_series().groupby(bins).agg(first="min", last="max")
    present = dict.fromkeys(examples["row"])
    return {label: ends.join(lines.loc[label]).reset_index(drop=True) for label in present}


def curve(row: pd.DataFrame, key: str) -> pd.DataFrame | None:
    """Return the row's metric at the evaluations that all its seeds have; None if there are none.

    `minutes` is the mean time of training before each, a trial's share of its pack's; `middle` is the mean as well.
    """
    seeds = []
    for run in row.dropna(subset="result")["run"]:
        metrics = pd.DataFrame(_records(run, METRICS, key), columns=["step", "train/seconds", key])
        evaluations = metrics.dropna().drop_duplicates("step", keep="last")
        if len(evaluations):
            seeds.append(evaluations.set_index("step"))
    if not seeds:
        return None
    together = pd.concat(seeds, axis=1, join="inner").sort_index()
    values, minutes = together[[key]], together[["train/seconds"]].mean(axis=1) / 60
    line = {"low": values.min(axis=1), "middle": values.mean(axis=1), "high": values.max(axis=1), "minutes": minutes}
    return pd.DataFrame(line) if len(together) else None


def _profile_name(row: pd.DataFrame, part: str = "") -> str:
    """Return the name of the row's profiles of a part of the carry; by default of the state, which results tell."""
    named = [result.get("profiles", {}).get(PROBE) for result in row["result"].dropna()]
    first = (item for run in row["run"] for record in _records(run, PROBE, "", FIRST) for item in record.items())
    name = next(filter(None, named), "") or next((key for key, value in first if isinstance(value, list)), "")
    return f"{name.rpartition('/')[0]}/{part}" if part else name


def _trials(row: pd.DataFrame, name: str, chosen: slice = ALL) -> Iterator[list[dict[str, Any]]]:
    """Yield the chosen records of each trial that has that profile; all must be of one length."""
    first: tuple[int, str] | None = None
    for run in row["run"]:
        named = [record for record in _records(run, PROBE, name, chosen) if name in record]
        if named:
            length, place = len(named[0][name]), f"{run.path}/{PROBE}.jsonl"
            first = first or (length, place)
            if length != first[0]:
                raise UserError(f"{place}: {name}: has {length} numbers; must have {first[0]}, as in {first[1]}")
            yield named


def _at(row: pd.DataFrame, probe: str, name: str, when: End) -> Iterator[dict[str, Any]]:
    """Yield the first or the last record of a probe of each trial that has that profile."""
    for run in row["run"]:
        yield from _records(run, probe, name, FIRST if when == "first" else LAST)[-1:]


def _records(run: RunDirectory, stem: str, key: str, chosen: slice = ALL) -> list[dict[str, Any]]:
    """Return records of a run, as `RunDirectory.records` does; none, with a warning, if the file cannot be read."""
    try:
        return run.records(stem, key, chosen)
    except UserError as error:
        warnings.warn(f"left out: {error}", stacklevel=2)
        return []


def _bins(count: pd.Series, least: float) -> list[int]:
    """Return the bin of each place: neighbors until it has `least`; bins of like count if there are many."""
    bins, filled = [], least
    for number in count:
        if filled >= least:
            bins.append(bins[-1] + 1 if bins else 0)
            filled = 0
        else:
            bins.append(bins[-1])
        filled += number
    if filled < least:  # the rest joins the bin before it
        bins = [min(place, max(bins[-1] - 1, 0)) for place in bins]
    if bins[-1] < MAX_BINS:
        return bins
    middles = count.cumsum() - count / 2
    return list((MAX_BINS * middles / count.sum()).astype(int))


def color_scale(decades: NDArray[np.float64]) -> tuple[int, int]:
    """Return the color range of a heat map, in whole decades, from log10 of norms; infinities and nan are ignored.

    The range is at most 14 decades and ends at 10^4, to keep differences near 1 visible.
    """
    finite = decades[np.isfinite(decades)]
    if not finite.size:
        return -1, 0
    high = min(math.ceil(np.percentile(finite, 99)), 4)
    return min(max(math.floor(finite.min()), high - 14), high - 1), high
