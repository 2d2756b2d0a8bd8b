"""Errors of sequence-to-sequence models: by the length of the input, and by the ratio of teacher forcing."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from research.errors import UserError
from research.reporting import profiles
from research.reporting.aggregate import Group, Section, task
from research.reporting.figures import style
from research.reporting.statistic import interval
from research.tracking.shape import is_number


def error_by_length(group: Group) -> Figure | None:
    """Free-running error against the length of the word, a line a row, a band from the lowest to the highest seed."""
    panels = [(section, profiles.by_length(section.rows)) for section in group.sections]
    panels = [(section, lines) for section, lines in panels if lines]
    if not panels:
        return None
    looks = style.looks([row for section in group.sections for row in section.rows])
    longest = max(len(line.row.label) for _, lines in panels for line in lines)
    figure, axes = style.grid(len(panels), left=1.2, right=0.5 + 0.14 * longest)
    for axis, (section, lines) in zip(axes, panels, strict=True):
        ends = lines[0].lengths
        places = np.arange(len(ends))
        words = np.max([line.words for line in lines], axis=0)
        top = 100 * max(np.nanmax(line.high) for line in lines) * 1.12
        axis.bar(places, words / words.max() * top * 0.3, color="#E4E4E4", width=0.85, zorder=0)
        for line in lines:
            color, dashes = looks[line.row.label]
            axis.fill_between(places, 100 * line.low, 100 * line.high, color=color, alpha=0.2, lw=0)
            axis.plot(places, 100 * line.mean, color=color, ls=dashes, marker="o", ms=6)
        wanted = [100 * line.mean[-1] for line in lines]
        style.labels(axis, lines, places[-1], wanted, looks, (0, top), right=True)
        axis.set_xticks(places, _bin_names(ends), fontsize=15)
        axis.set_xlim(-0.6, len(ends) - 0.6)
        axis.set(xlabel="letters in the word", ylabel="phoneme error, free running (%)", ylim=(0, top))
        axis.spines["right"].set_visible(False)
        axis.set_title(task(section), pad=12)
    note = "Line: mean over seeds; band: lowest to highest seed; grey: share of the words."
    style.title(figure, "Error by the length of the word", note)
    return figure


def forcing_gap(group: Group) -> Figure | None:
    """Teacher-forced and free-running error against the forcing ratio, with 95 % t-intervals over seeds."""
    kinds = {"free running": "eval/free_running/error_rate", "teacher forced": "eval/teacher_forced/error_rate"}
    panels = [(section, {kind: _errors(section, key) for kind, key in kinds.items()}) for section in group.sections]
    panels = [(section, curves) for section, curves in panels if all(curves.values())]
    if not panels:
        return None
    figure, axes = style.grid(len(panels), left=1.2, right=2.4)
    for axis, (section, curves) in zip(axes, panels, strict=True):
        for points, color in zip(curves.values(), style.COLORS[:2], strict=True):
            ratio, mean, low, high = (np.array(values) for values in zip(*points, strict=True))
            bars = np.nan_to_num([mean - low, high - mean])
            axis.errorbar(ratio, mean, yerr=bars, color=color, marker="o", ms=9, capsize=6, elinewidth=2.4)
        free, forced = ({point[0]: point[1] for point in points} for points in curves.values())
        shared = [ratio for ratio in free if ratio in forced]
        axis.fill_between(shared, [free[r] for r in shared], [forced[r] for r in shared], color="#EEEEEE", zorder=0)
        axis.set(xlabel="teacher-forcing ratio in training", ylabel="error (%)", xticks=shared)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_ylim(bottom=0)
        ends = [points[-1][:2] for points in curves.values()]
        top = axis.get_ylim()[1]
        apart = profiles.spread([error for _, error in ends], 0.075 * top, 0, top)
        for kind, (ratio, _), place, color in zip(curves, ends, apart, style.COLORS, strict=False):
            axis.annotate(kind, (ratio, place), (14, 0), textcoords="offset points", color=color, weight="bold",
                          va="center", annotation_clip=False)  # fmt: skip
        axis.spines["right"].set_visible(False)
        axis.set_title(task(section), pad=12)
    note = "Mean over seeds with 95 % t-intervals (none for one seed); grey: the gap."
    style.title(figure, "Error by the ratio of teacher forcing in training", note)
    return figure


def _bin_names(ends: Sequence[tuple[int, int]]) -> list[str]:
    names = [f"{low}" if low == high else f"{low}–{high}" for low, high in ends]
    if ends[0][0] < ends[0][1]:
        names[0] = f"≤{ends[0][1]}"
    if ends[-1][0] < ends[-1][1]:
        names[-1] = f"{ends[-1][0]}+"
    return names


def _errors(section: Section, key: str) -> list[tuple[float, float, float, float]]:
    """Forcing ratio, mean and interval in percent, over the seeds of each row."""
    points = []
    for row in section.rows:
        values = [value for trial in row.finished if (value := trial.value(key)) is not None and math.isfinite(value)]
        ratio = row.options.get("forcing.ratio")
        if values and ratio is not None:
            if not is_number(ratio):
                place = f"{row.trials[0].run.config_file}: forcing.ratio={ratio}"
                raise UserError(f"{place}: must be a number")
            points.append((float(ratio), *(100 * bound for bound in interval(values))))
    return sorted(points)
