"""Errors of sequence-to-sequence models: by the length of the input, the position in the target, and teacher forcing.

Orange: free running; blue: teacher forced.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from research.errors import UserError
from research.reporting import measures
from research.reporting.comparison import Comparison, option, rows, task_of, tasks, values
from research.reporting.figures import style
from research.reporting.measures import Kind
from research.reporting.statistics import interval
from research.tracking.strict_json import is_number

KINDS = {"free running": "free_running", "teacher forced": "teacher_forced"}
COLORS = dict(zip(KINDS, style.COLORS, strict=False))
GAP = "#EEEEEE"
NOTE = "Mean over seeds with 95% t-intervals"

Intervals = dict[str, tuple[float, float, float]]
"""Mean, low and high end of an error in percent, by the names of `KINDS`."""


def error_by_length(comparison: Comparison) -> Figure | None:
    """Draw the free-running error against the length of the input, a line a row, a band over the seeds."""
    label = "{token} error, free running (%)"
    return _by_length(comparison, "free_running_error_rate", 100, label, "Error by the length of the input")


def bleu_by_length(comparison: Comparison) -> Figure | None:
    """Draw BLEU against the length of the input; of lengths in one bin, the mean weighted by examples."""
    return _by_length(comparison, "bleu", 1, "BLEU", "BLEU by the length of the input")


def _by_length(comparison: Comparison, kind: Kind, unit: float, label: str, title: str) -> Figure | None:
    panels = style.panels(comparison, lambda section: measures.errors(section, "length", kind))
    if not panels:
        return None
    looks = style.looks(comparison)
    figure, axes = style.grid(len(panels))
    for axis, (section, lines) in zip(axes, panels, strict=True):
        count = pd.concat([line["count"] for line in lines.values()], axis=1).max(axis=1)
        top = unit * max(line["high"].max() for line in lines.values()) * 1.12 or 1.0
        axis.bar(count.index, count / count.max() * top * 0.3, color="#E4E4E4", width=0.85, zorder=0)
        for name, line in lines.items():
            style.band(axis, line.index, line, *looks[name], unit=unit)
        axis.set_ylim(0, top)
        ends = {name: (line.index[-1], unit * line["middle"].iloc[-1]) for name, line in lines.items()}
        style.labels(axis, ends, {name: color for name, (color, _) in looks.items()}, right=True)
        _name_bins(axis, next(iter(lines.values())), 15)
        axis.set(xlabel=_unit(section, "length_unit"), ylabel=label.format(token=_unit(section, "token_unit")))
        axis.set_title(task_of(section))
    style.title(figure, title, "Line: mean over seeds; band: lowest to highest seed; gray: share of the examples.")
    return figure


def error_by_position(comparison: Comparison) -> Figure | None:
    """Draw both errors against the position in the target, a panel a row: when running free, errors cause errors."""
    panels = []
    for setting, section in comparison.sections():
        free, forced = (
            measures.errors(section, "position", kind)
            for kind in ("free_running_error_rate", "teacher_forced_error_rate")
        )
        panels += [(setting, section, label, free[label], forced[label]) for label in free if label in forced]
    if not panels:
        return None
    columns = min(4, math.ceil(math.sqrt(len(panels))))
    figure, axes = style.grid(len(panels), columns, *((5.5, 4.3) if len(panels) > 1 else ()))
    top = 100 * max(line["high"].max() for *_, free, forced in panels for line in (free, forced)) * 1.08
    for place, (axis, (setting, section, label, *lines)) in enumerate(zip(axes, panels, strict=True)):
        free, forced = lines
        axis.fill_between(free.index, 100 * free["middle"], 100 * forced["middle"], color=GAP, lw=0, zorder=0)
        for color, line in zip(COLORS.values(), lines, strict=True):
            style.band(axis, line.index, line, color, unit=100, size=5)
        _name_bins(axis, free, 13)
        axis.set(ylim=(0, top), xlabel="position in the target")
        if place % columns == 0:
            axis.set_ylabel(f"{_unit(section, 'token_unit')} error (%)")
        axis.set_title(" / ".join(part for part in (setting, label) if part), pad=10)
    note = "Line: mean over seeds; band: lowest to highest seed; gray: the gap. The end mark is a position, too."
    style.title(figure, "Error by the position in the target", note, COLORS)
    return figure


def exposure_bias_gap(comparison: Comparison) -> Figure | None:
    """Draw both errors against the ratio of teacher forcing where it is constant, with 95% t-intervals over seeds."""
    panels = style.panels(comparison, _by_ratio)
    if not panels:
        return None
    figure, axes = style.grid(len(panels))
    for axis, (section, points) in zip(axes, panels, strict=True):
        ratios = [float(ratio) for ratio in points]
        for kind, color in COLORS.items():
            _dots(axis, ratios, [errors[kind] for errors in points.values()], color, joined=True)
        means = {kind: [errors[kind][0] for errors in points.values()] for kind in KINDS}
        axis.fill_between(ratios, *means.values(), color=GAP, zorder=0)  # pyright: ignore[reportArgumentType]
        token = _unit(section, "token_unit")
        axis.set(xlabel="teacher-forcing ratio in training", ylabel=f"{token} error (%)", xticks=ratios)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_ylim(bottom=0)
        style.labels(axis, {kind: (ratios[-1], mean[-1]) for kind, mean in means.items()}, COLORS, right=True)
        axis.set_title(task_of(section))
    note = f"{NOTE} (none for one seed); gray: the gap."
    style.title(figure, "Error by the ratio of teacher forcing in training", note)
    return figure


def forced_and_free(comparison: Comparison) -> Figure | None:
    """Draw both errors of each row, with 95% t-intervals over seeds: for what has no place on an axis, as schedules."""
    panels = style.panels(comparison, style.of_rows(_errors))
    if not panels:
        return None
    most = max(len(errors) for _, errors in panels)
    figure, axes = style.grid(len(panels), width=11.0, height=1.7 + 0.52 * most)
    for axis, (section, errors) in zip(axes, panels, strict=True):
        heights = np.arange(len(errors))
        for shift, (kind, color) in zip((0.1, -0.1), COLORS.items(), strict=True):
            _dots(axis, heights + shift, [both[kind] for both in errors.values()], color, across=True)
        for height, both in zip(heights, errors.values(), strict=True):
            means = [both[kind][0] for kind in KINDS]
            axis.plot(means, [height] * 2, color=GAP, lw=14, zorder=0, solid_capstyle="butt")
        first = next(iter(errors.values()))["free running"][0]
        axis.axvline(first, color=COLORS["free running"], lw=1.4, ls=":", zorder=1)
        axis.set_yticks(heights, list(errors))
        axis.tick_params(axis="y", length=0)
        axis.set(ylim=(len(errors) - 0.5, -0.5), xlabel=f"{_unit(section, 'token_unit')} error (%)")
        axis.spines["left"].set_visible(False)
        axis.set_title(task_of(section))
    note = f"{NOTE}; gray: the gap; dotted: the first row, free running."
    style.title(figure, "Error after the true prefix, and free running", note, COLORS)
    return figure


def _unit(section: pd.DataFrame, name: str) -> str:
    """Return what the length of an input counts, or what a token is, where the tasks of the section agree."""
    units = {getattr(task, name) for task in tasks(section)}
    return units.pop() if len(units) == 1 else {"length_unit": "length of the input", "token_unit": "token"}[name]


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


def _dots(axis: Axes, places: Sequence[float] | np.ndarray, points: Sequence[tuple], color: str,
          joined: bool = False, across: bool = False) -> None:  # fmt: skip
    """Draw means with their intervals, upright or across."""
    mean, low, high = np.array(points).T
    bars = np.nan_to_num([mean - low, high - mean])
    look = {"color": color, "marker": "o", "ms": 9, "capsize": 6, "elinewidth": 2.4, "ls": "-" if joined else ""}
    if across:
        axis.errorbar(mean, places, xerr=bars, **look)
    else:
        axis.errorbar(places, mean, yerr=bars, **look)


def _by_ratio(section: pd.DataFrame) -> dict[str, Intervals]:
    """Return the errors of the rows whose ratio is constant, by ratio in ascending order.

    Of rows that differ in how tokens are drawn or fed back, the most frequent kind; one curve is of one kind.
    """
    points: list[tuple[float, Any, Intervals]] = []
    for _, row in rows(section):
        errors, ratio = _errors(row), _ratio(row)
        if errors and ratio is not None:
            always = option(row, "teacher_forcing.schedule") == "always"
            kind = tuple(option(row, f"teacher_forcing.{name}") for name in ("granularity", "feedback"))
            points.append((ratio, None if always else kind, errors))
    kinds = [kind for _, kind, _ in points if kind]
    common = max(kinds, key=kinds.count, default=None)
    return {
        str(ratio): errors for ratio, kind, errors in sorted(points, key=lambda it: it[0]) if kind in (None, common)
    }


def _ratio(row: pd.DataFrame) -> float | None:
    """Return the constant ratio of teacher forcing; None for a schedule."""
    schedule, ratio = option(row, "teacher_forcing.schedule"), option(row, "teacher_forcing.ratio")
    if schedule == "constant" and not is_number(ratio):
        raise UserError(f"{row['run'].iloc[0].config_file}: teacher_forcing.ratio={ratio}: must be a number")
    return {"always": 1.0, "never": 0.0, "constant": ratio}.get(str(schedule))


def _errors(row: pd.DataFrame) -> Intervals | None:
    """Return both errors on the test split over the seeds; None where one is missing."""
    errors: Intervals = {}
    name = tasks(row)[0].error_rate
    for kind, key in KINDS.items():
        rates = pd.Series(values(row, f"test/{key}/{name}"), dtype=float).replace([np.inf, -np.inf], np.nan).dropna()
        if rates.empty:
            return None
        mean, low, high = interval(100 * rates)
        errors[kind] = (mean, low, high)
    return errors
