"""Errors of sequence-to-sequence models: by the length of the input and the position in the target, and by forcing.

Orange: running free; blue: teacher forced.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from research.errors import UserError
from research.reporting import profiles
from research.reporting.aggregate import Group, Row, Section, task
from research.reporting.figures import style
from research.reporting.profiles import Bins, Kind
from research.reporting.statistic import interval
from research.tracking.shape import is_number

KINDS: dict[str, Kind] = {"free running": "free_running", "teacher forced": "teacher_forced"}
COLORS = dict(zip(KINDS, style.COLORS, strict=False))
GAP = "#EEEEEE"
WORDS = {
    "pronunciation": ("letters in the word", "phoneme"),
    "translation": ("words in the sentence", "token"),
    "speech_digits": ("frames of sound", "word"),
    "speech_syllables": ("frames of sound", "symbol"),
    "speech_prompts": ("frames of sound", "character"),
    "image_digits": ("digits in the strip", "digit"),
}
"""Of a task: what the length of an input is, and what a token is."""


def error_by_length(group: Group) -> Figure | None:
    """Free-running error against the length of the input, a line a row, a band from the lowest to the highest seed."""
    return _by_length(group, "free_running", 100, "{token} error, free running (%)", "Error by the length of the input")


def bleu_by_length(group: Group) -> Figure | None:
    """BLEU against the length of the input, in the same way; of lengths in one bin, the mean weighted by examples."""
    return _by_length(group, "bleu", 1, "BLEU", "BLEU by the length of the input")


def _by_length(group: Group, kind: Kind, unit: float, label: str, title: str) -> Figure | None:
    panels = [(section, profiles.errors(section.rows, "length", kind)) for section in group.sections]
    panels = [(section, lines) for section, lines in panels if lines]
    if not panels:
        return None
    looks = style.looks([row for section in group.sections for row in section.rows])
    longest = max(len(line.row.label) for _, lines in panels for line in lines)
    figure, axes = style.grid(len(panels), left=1.2, right=0.5 + 0.14 * longest)
    for axis, (section, lines) in zip(axes, panels, strict=True):
        places = np.arange(len(lines[0].places))
        count = np.max([line.count for line in lines], axis=0)
        top = unit * max(np.nanmax(line.high) for line in lines) * 1.12 or 1.0
        axis.bar(places, count / count.max() * top * 0.3, color="#E4E4E4", width=0.85, zorder=0)
        for line in lines:
            color, dashes = looks[line.row.label]
            axis.fill_between(places, unit * line.low, unit * line.high, color=color, alpha=0.2, lw=0)
            axis.plot(places, unit * line.mean, color=color, ls=dashes, marker="o", ms=6)
        wanted = [unit * line.mean[-1] for line in lines]
        style.labels(axis, lines, places[-1], wanted, looks, (0, top), right=True)
        _name_bins(axis, lines[0], 15)
        length, token = _words(section)
        axis.set(xlabel=length, ylabel=label.format(token=token), ylim=(0, top))
        axis.spines["right"].set_visible(False)
        axis.set_title(task(section), pad=12)
    note = "Line: mean over seeds; band: lowest to highest seed; grey: share of the examples."
    style.title(figure, title, note)
    return figure


def error_by_position(group: Group) -> Figure | None:
    """Both errors against the position in the target, a panel a row: free running, errors can follow from errors."""
    panels: list[tuple[Section, dict[str, Bins]]] = []
    for section in group.sections:
        free, forced = (profiles.errors(section.rows, "position", key) for key in KINDS.values())
        pairs = [(one, other) for one in free for other in forced if one.row is other.row]
        panels += [(section, dict(zip(KINDS, pair, strict=True))) for pair in pairs]
    if not panels:
        return None
    columns = min(4, math.ceil(math.sqrt(len(panels))))
    inner, tall = (4.3, 2.8) if len(panels) > 1 else (6.6, 4.6)
    figure, axes = style.grid(len(panels), left=0.95, right=0.25, columns=columns, inner=inner, tall=tall)
    top = 100 * max(float(np.nanmax(line.high)) for _, lines in panels for line in lines.values()) * 1.08
    for place, (axis, (section, lines)) in enumerate(zip(axes, panels, strict=True)):
        free, forced = lines.values()
        at = np.arange(len(free.places))
        axis.fill_between(at, 100 * free.mean, 100 * forced.mean, color=GAP, lw=0, zorder=0)
        for kind, line in lines.items():
            axis.fill_between(at, 100 * line.low, 100 * line.high, color=COLORS[kind], alpha=0.2, lw=0)
            axis.plot(at, 100 * line.mean, color=COLORS[kind], marker="o", ms=5)
        _name_bins(axis, free, 13)
        axis.set(ylim=(0, top), xlabel="position in the target")
        if place % columns == 0:
            axis.set_ylabel(f"{_words(section)[1]} error (%)")
        axis.spines["right"].set_visible(False)
        axis.set_title(" / ".join(part for part in (section.setting, free.row.label) if part), pad=10)
    style.key(figure, COLORS)
    note = "Line: mean over seeds; band: lowest to highest seed; grey: the gap. The end mark is a position, too."
    style.title(figure, "Error by the position in the target", note)
    return figure


def forcing_gap(group: Group) -> Figure | None:
    """Both errors against the forcing ratio where it is constant, with 95 % t-intervals over seeds."""
    panels = [(section, _by_ratio(section)) for section in group.sections]
    panels = [(section, points) for section, points in panels if points]
    if not panels:
        return None
    figure, axes = style.grid(len(panels), left=1.2, right=2.4)
    for axis, (section, points) in zip(axes, panels, strict=True):
        ratios = sorted(points)
        means = {kind: [points[ratio][kind][0] for ratio in ratios] for kind in KINDS}
        for kind, color in COLORS.items():
            _dots(axis, ratios, [points[ratio][kind] for ratio in ratios], color, joined=True)
        axis.fill_between(ratios, *means.values(), color=GAP, zorder=0)  # pyright: ignore[reportArgumentType]
        axis.set(xlabel="teacher-forcing ratio in training", ylabel=f"{_words(section)[1]} error (%)", xticks=ratios)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_ylim(bottom=0)
        top = axis.get_ylim()[1]
        apart = profiles.spread([mean[-1] for mean in means.values()], 0.075 * top, 0, top)
        for (kind, color), place in zip(COLORS.items(), apart, strict=True):
            axis.annotate(kind, (ratios[-1], place), (14, 0), textcoords="offset points", color=color, weight="bold",
                          va="center", annotation_clip=False)  # fmt: skip
        axis.spines["right"].set_visible(False)
        axis.set_title(task(section), pad=12)
    note = "Mean over seeds with 95 % t-intervals (none for one seed); grey: the gap."
    style.title(figure, "Error by the ratio of teacher forcing in training", note)
    return figure


def forced_and_free(group: Group) -> Figure | None:
    """Both errors of each row, with 95 % t-intervals over seeds: for what has no place on an axis, as schedules."""
    panels = [(section, {row.label: _errors(row) for row in section.rows}) for section in group.sections]
    panels = [(section, {label: found for label, found in rows.items() if found}) for section, rows in panels]
    panels = [(section, rows) for section, rows in panels if rows]
    if not panels:
        return None
    most = max(len(rows) for _, rows in panels)
    longest = max(len(label) for _, rows in panels for label in rows)
    figure, axes = style.grid(len(panels), left=0.5 + 0.14 * longest, right=0.4, inner=8.2, tall=0.3 + 0.52 * most)
    for axis, (section, rows) in zip(axes, panels, strict=True):
        heights = np.arange(len(rows))
        for shift, (kind, color) in zip((0.1, -0.1), COLORS.items(), strict=True):
            _dots(axis, heights + shift, [found[kind] for found in rows.values()], color, across=True)
        for height, found in zip(heights, rows.values(), strict=True):
            axis.plot(
                [found[kind][0] for kind in KINDS], [height] * 2, color=GAP, lw=14, zorder=0, solid_capstyle="butt"
            )
        first = next(iter(rows.values()))["free running"][0]
        axis.axvline(first, color=COLORS["free running"], lw=1.4, ls=":", zorder=1)
        axis.set_yticks(heights, list(rows))
        axis.tick_params(axis="y", length=0)
        axis.set(ylim=(len(rows) - 0.5, -0.5), xlabel=f"{_words(section)[1]} error (%)")
        axis.spines[["left", "right"]].set_visible(False)
        axis.set_title(task(section), pad=12)
    style.key(figure, COLORS)
    note = "Mean over seeds with 95 % t-intervals; grey: the gap; dotted: the first row, running free."
    style.title(figure, "Error given the true prefix, and running free", note)
    return figure


def _words(section: Section) -> tuple[str, str]:
    """What the length of an input is, and what a token is."""
    names = {str(trial.options.get("task.name")) for trial in section.trials}
    return (
        WORDS.get(min(names), ("length of the input", "token")) if len(names) == 1 else ("length of the input", "token")
    )


def _name_bins(axis: Axes, line: Bins, size: float) -> None:
    """Ticks that name the lengths or positions of each bin; where there is no room, some."""
    names = [f"{low}" if low == high else f"{low}–{high}" for low, high in line.places]
    for edge, sign in ((0, "≤{1}"), (-1, "{0}+")):
        low, high = line.places[edge]
        names[edge] = sign.format(low, high) if low < high else names[edge]
    widths = [len(name) * size * 0.0083 for name in names]  # inches
    needed = max((one + other) / 2 + 0.05 for one, other in pairwise([*widths, 0]))
    every = math.ceil(needed * len(names) / (axis.bbox.width / axis.figure.dpi))
    shown = sorted(range(len(names))[::-every])
    axis.set_xticks(shown, [names[place] for place in shown], fontsize=size)
    axis.tick_params(axis="x", pad=8)  # below the first number of the other axis
    axis.set_xlim(-0.6, len(names) - 0.4)


def _dots(axis: Axes, places: Sequence[float] | np.ndarray, points: Sequence[tuple], color: str,
          joined: bool = False, across: bool = False) -> None:  # fmt: skip
    """Means with their intervals, upright or across."""
    mean, low, high = np.array(points).T
    bars = np.nan_to_num([mean - low, high - mean])
    look = {"color": color, "marker": "o", "ms": 9, "capsize": 6, "elinewidth": 2.4, "ls": "-" if joined else ""}
    if across:
        axis.errorbar(mean, places, xerr=bars, **look)
    else:
        axis.errorbar(places, mean, yerr=bars, **look)


def _by_ratio(section: Section) -> dict[float, dict[str, tuple[float, float, float]]]:
    """The errors of the rows whose forcing ratio is constant, by ratio."""
    drawn = [row for row in section.rows if _errors(row) and _ratio(row) is not None]
    variants = [_variant(row) for row in drawn]
    common = max(variants, key=variants.count, default=None)
    return {
        float(_ratio(row)): _errors(row)  # pyright: ignore[reportArgumentType]
        for row in drawn
        if _variant(row) == common or row.options.get("forcing.policy") == "always"
    }


def _ratio(row: Row) -> float | None:
    """The constant forcing ratio of the row; None for a schedule."""
    ratio = {"always": 1.0, "never": 0.0}.get(str(row.options.get("forcing.policy")))
    if row.options.get("forcing.policy") == "constant":
        ratio = row.options.get("forcing.ratio")
        if not is_number(ratio):
            raise UserError(f"{row.trials[0].run.config_file}: forcing.ratio={ratio}: must be a number")
    return ratio


def _variant(row: Row) -> tuple:
    """How the ratio is drawn and what is fed where it is not forced: one curve is of one variant."""
    return tuple(row.options.get(f"forcing.{name}") for name in ("unit", "feed"))


def _errors(row: Row) -> dict[str, tuple[float, float, float]]:
    """Mean and interval of both errors in percent, over the seeds; none where one is missing."""
    found = {}
    for kind, key in KINDS.items():
        values = [trial.value(f"eval/{key}/error_rate") for trial in row.finished]
        finite = [value for value in values if value is not None and math.isfinite(value)]
        if not finite:
            return {}
        found[kind] = tuple(100 * bound for bound in interval(finite))
    return found
