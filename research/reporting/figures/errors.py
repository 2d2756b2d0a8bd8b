"""Errors of sequence-to-sequence models: by the length of the input, the position in the target, and teacher forcing.

Orange: free running; blue: teacher forced.
"""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false

import math
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from research.reporting import measures
from research.reporting.columns import values
from research.reporting.comparison import Comparison
from research.reporting.figures import style
from research.reporting.measures import Kind
from research.reporting.statistics import estimate

BARS = f"Mean over seeds; bar: {style.INTERVAL}"
KINDS = {"free running": "free_running", "teacher forced": "teacher_forced"}
COLORS = dict(zip(KINDS, style.COLORS, strict=False))
GAP = "#EEEEEE"
DOTS: dict[str, Any] = {"marker": "o", "ms": 9, "capsize": 6, "elinewidth": 2.4}


def by_length(comparison: Comparison, kind: Kind) -> Figure | None:
    """Draw an error or BLEU against the length of the input, a line per row, a band over the seeds."""
    looks = style.looks(comparison)
    quantity, unit = ("BLEU", 1) if kind == "bleu" else ("Error", 100)

    def panel(axis: Axes, section: pd.DataFrame, lines: dict[str, pd.DataFrame]) -> None:
        count = pd.concat([line["count"] for line in lines.values()], axis=1).max(axis=1)
        top = unit * max(line["high"].max() for line in lines.values()) * 1.12 or 1.0
        axis.bar(count.index, count / count.max() * top * 0.3, color="#E4E4E4", width=0.85, zorder=0)
        for name, line in lines.items():
            style.band(axis, line.index, line, *looks[name], unit=unit)
        axis.set_ylim(0, top)
        _name_bins(axis, next(iter(lines.values())), 15)
        ends = {name: (line.index[-1], unit * line["middle"].iloc[-1]) for name, line in lines.items()}
        style.labels(axis, ends, {name: color for name, (color, _) in looks.items()}, right=True)
        length, token = _units(section)
        axis.set(xlabel=length, ylabel="BLEU" if kind == "bleu" else f"{token} error, free running (%)")

    note = "Line: mean over seeds; band: lowest to highest seed; gray: share of the examples."
    panels = style.panels(comparison, partial(measures.errors, by="length", kind=kind))
    return style.draw(panels, panel, (f"{quantity} by the length of the input", note))


def error_by_position(comparison: Comparison) -> Figure | None:
    """Draw both errors against the position in the target, a panel per row."""
    panels = []
    for section in comparison.sections:
        setting = section["setting"].iloc[0]
        free, forced = (measures.errors(section, "position", f"{kind}_error_rate") for kind in KINDS.values())
        panels += [(setting, section, label, free[label], forced[label]) for label in free if label in forced]
    if not panels:
        return None
    columns = min(4, math.ceil(math.sqrt(len(panels))))
    size = (5.5 + style.extra_width(label for _, _, label, *_ in panels), 4.3) if len(panels) > 1 else ()
    figure, axes = style.grid(len(panels), columns, *size)
    top = 100 * max(line["high"].max() for *_, free, forced in panels for line in (free, forced)) * 1.08
    for place, (axis, (setting, section, label, free, forced)) in enumerate(zip(axes, panels, strict=True)):
        axis.fill_between(free.index, 100 * free["middle"], 100 * forced["middle"], color=GAP, lw=0, zorder=0)
        for color, line in zip(COLORS.values(), (free, forced), strict=True):
            style.band(axis, line.index, line, color, unit=100, size=5)
        _name_bins(axis, free, 13)
        axis.set(ylim=(0, top), xlabel="position in the target")
        if place % columns == 0:
            axis.set_ylabel(f"{_units(section)[1]} error (%)")
        axis.set_title(" / ".join(part for part in (setting, label) if part), pad=10)
    note = "Line: mean over seeds; band: lowest to highest seed; gray: the gap. The end mark is a position, too."
    style.title(figure, "Error by the position in the target", note, COLORS)
    return figure


def exposure_bias_gap(comparison: Comparison) -> Figure | None:
    """Draw both errors, with their intervals over seeds, against the ratio of teacher forcing where it is constant."""

    def panel(axis: Axes, section: pd.DataFrame, rows: dict[tuple[float, int], pd.DataFrame]) -> None:
        points = {ratio: errors for (ratio, other), errors in rows.items() if not other}
        lines = {kind: pd.concat(points).xs(kind, level=1) for kind in KINDS}
        for kind, line in lines.items():
            axis.errorbar(line.index, line["middle"], yerr=_bars(line), color=COLORS[kind], ls="-", **DOTS)
            for ratio, errors in [(ratio, errors.loc[[kind]]) for (ratio, other), errors in rows.items() if other]:
                look = {"color": COLORS[kind], "mfc": "white", "ls": "", **DOTS}
                axis.errorbar([ratio], errors["middle"], yerr=_bars(errors), **look)
        axis.fill_between(list(points), *(line["middle"] for line in lines.values()), color=GAP, zorder=0)
        axis.set(xlabel="teacher-forcing ratio in training", ylabel=f"{_units(section)[1]} error (%)")
        axis.set_xticks(sorted({ratio for ratio, _ in rows}))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_ylim(bottom=0)
        ends = {kind: (max(points), line["middle"].iloc[-1]) for kind, line in lines.items()}
        style.labels(axis, ends, COLORS, right=True)

    note = f"{BARS}; gray: the gap; hollow: other rows with a ratio."
    words = ("Error by the ratio of teacher forcing in training", note)
    return style.draw(style.panels(comparison, _by_ratio), panel, words)


def forced_and_free(comparison: Comparison) -> Figure | None:
    """Draw both errors of each row with their intervals over seeds, also for schedules, which have no ratio."""

    def panel(axis: Axes, section: pd.DataFrame, errors: dict[str, pd.DataFrame]) -> None:
        heights = np.arange(len(errors))
        lines = {kind: pd.concat(errors).xs(kind, level=1) for kind in KINDS}
        for shift, (kind, line) in zip((0.1, -0.1), lines.items(), strict=True):
            axis.errorbar(line["middle"], heights + shift, xerr=_bars(line), color=COLORS[kind], ls="", **DOTS)
        free, forced = (line["middle"] for line in lines.values())
        axis.hlines(heights, forced, free, color=GAP, lw=14, zorder=0)
        axis.axvline(free.iloc[0], color=COLORS["free running"], lw=1.4, ls=":", zorder=1)
        axis.set_yticks(heights, list(errors))
        axis.tick_params(axis="y", length=0)
        axis.set(ylim=(len(errors) - 0.5, -0.5), xlabel=f"{_units(section)[1]} error (%)")
        axis.spines["left"].set_visible(False)

    panels = style.panels(comparison, style.of_rows(_errors))
    note = f"{BARS}; gray: the gap; dotted: the first row, free running."
    height = 1.7 + 0.52 * max((len(errors) for _, errors in panels), default=0)
    return style.draw(panels, panel, ("Error after the true prefix, and free running", note), COLORS, 11.0, height)


def _units(section: pd.DataFrame) -> tuple[str, str]:
    """Return what the length of an input counts and what a token is, where the tasks of the section agree."""
    units = {(task.length_unit, task.token_unit) for task in section["task"]}
    return units.pop() if len(units) == 1 else ("length of the input", "token")


def _name_bins(axis: Axes, line: pd.DataFrame, size: float) -> None:
    """Name the lengths or positions of each bin; where there is no room, of some."""
    ends = list(zip(line["first"], line["last"], strict=True))
    names = [f"{low}" if low == high else f"{low}–{high}" for low, high in ends]
    for edge, sign in ((0, "≤{1}"), (-1, "{0}+")):
        low, high = ends[edge]
        names[edge] = sign.format(low, high) if low < high else names[edge]
    widths = [len(name) * size * 0.0083 for name in names]  # inches
    needed = max((left + right) / 2 + 0.05 for left, right in pairwise([*widths, 0]))
    every = math.ceil(needed * len(names) / (axis.bbox.width / axis.figure.dpi))
    shown = sorted(range(len(names))[::-every])
    axis.set_xticks(shown, [names[place] for place in shown], fontsize=size)
    axis.tick_params(axis="x", pad=8)  # below the first number of the other axis
    axis.set_xlim(-0.6, len(names) - 0.4)


def _bars(line: pd.DataFrame) -> np.ndarray:
    """Return the lengths of the bars below and above each mean; 0 where there is no interval."""
    return np.nan_to_num([line["middle"] - line["low"], line["high"] - line["middle"]])


def _by_ratio(section: pd.DataFrame) -> dict[tuple[float, int], pd.DataFrame]:
    """Return the errors of the rows with a constant ratio by (ratio, place), ratios in ascending order.

    The rows of place 0 make the curve. It is of one kind: of rows that differ in how tokens are sampled or fed back,
    the most frequent kind, and the first of equal ratios. Places from 1 on are those of the other rows.
    """
    points = []
    for _, row in section.groupby("row", sort=False):
        first, errors = row.iloc[0], _errors(row)
        schedule = first["teacher_forcing.schedule"]
        ratio = {"always": 1.0, "never": 0.0, "constant": first.get("teacher_forcing.ratio")}.get(schedule)
        kind = (first["teacher_forcing.granularity"], first["teacher_forcing.feedback"])
        if errors is not None and ratio is not None:
            points.append((float(ratio), None if schedule == "always" else kind, errors))
    kinds = [kind for _, kind, _ in points if kind]
    common = max(kinds, key=kinds.count, default=None)
    rows: dict[tuple[float, int], pd.DataFrame] = {}
    for ratio, kind, errors in sorted(points, key=lambda point: (point[0], point[1] not in (None, common))):
        place = 1 if kind not in (None, common) else 0
        while (ratio, place) in rows:
            place += 1
        rows[ratio, place] = errors
    return rows


def _errors(row: pd.DataFrame) -> pd.DataFrame | None:
    """Return mean (middle), low and high of both errors on the test split, in percent; None where one is missing."""
    name = row["task"].iloc[0].error_rate
    rates = {kind: np.array(values(row, f"test/{key}/{name}"), float) for kind, key in KINDS.items()}
    finite = {kind: rate[np.isfinite(rate)] for kind, rate in rates.items()}
    if not all(map(len, finite.values())):
        return None
    found = {kind: estimate(rate, is_rate=bool(np.all(rate <= 1))) for kind, rate in finite.items()}
    bounds = {kind: [100 * end for end in (line.center, line.low, line.high)] for kind, line in found.items()}
    return pd.DataFrame.from_dict(bounds, orient="index", columns=["middle", "low", "high"])
