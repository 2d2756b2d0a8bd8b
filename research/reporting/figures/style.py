"""How all figures look: type, colors, layout, bands over the seeds, labels at the lines."""

import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from scipy.optimize import isotonic_regression

from research.config.experiment import Column
from research.reporting.comparison import Comparison, task_of
from research.reporting.notes import CENTERS
from research.reporting.numbers import Number
from research.reporting.statistics import CONFIDENCE, MIN_SEEDS
from research.reporting.titles import better, complete, with_unit

STYLE: dict[Any, Any] = {
    "font.size": 17,
    "axes.titlesize": 18,
    "axes.titleweight": "bold",
    "axes.titlepad": 12,
    "axes.labelsize": 17,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 1.2,
    "figure.constrained_layout.h_pad": 0.15,
    "figure.constrained_layout.w_pad": 0.15,
    "lines.linewidth": 3.2,
    "lines.solid_capstyle": "round",
    "svg.hashsalt": "research",  # the same runs give the same bytes
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # TrueType: journals refuse the default
}
COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CELLS = ("rnn", "lstm", "gru")
"""Cells with a fixed color, the first ones of COLORS; others take the next."""
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))

BASELINE = "#777777"
"""Color of what needs no training."""
LEADER = "#AAAAAA"
"""Color of what connects a label to its line: that of no line."""
NEAR = 0.06
"""Part of the axes next to the labels in which a leader may start; farther in, it would look like data."""
INTERVAL = f"{CONFIDENCE:.0%} interval, of fewer than {MIN_SEEDS} seeds the lowest to the highest"
DECADES = 10.0
"""How many times the lowest value the highest must be for a logarithmic axis."""

NOTE_SIZE = 11
"""Least points of a note; a longer one has several lines."""
TITLE_WIDTH = 46
"""Most characters of a line in a panel's title."""
LABEL_GAP = 0.075
"""Least distance between two labels at lines, in heights of the axes."""
MAX_MARKERS = 200
"""Points of a line beyond which it has no markers, which would cover it and take seconds to draw."""

Looks = dict[str, tuple[str, Any]]
"""Color and line style by the label of a row."""
Line = TypeVar("Line")


def panels(
    comparison: Comparison, measure: Callable[[pd.DataFrame], Mapping[str, Line] | None]
) -> list[tuple[pd.DataFrame, dict[str, Line]]]:
    """Return the trials of each section that has something to draw, and what is measured of its rows by label."""
    return [(section, dict(lines)) for section in comparison.sections if (lines := measure(section))]


def of_rows(measure: Callable[[pd.DataFrame], Line | None]) -> Callable[[pd.DataFrame], dict[str, Line]]:
    """Return a function that measures all rows of a section, made of one that measures a row."""

    def measured(section: pd.DataFrame) -> dict[str, Line]:
        lines = ((str(label), measure(row)) for label, row in section.groupby("row", sort=False))
        return {label: line for label, line in lines if line is not None}

    return measured


def grid(panels: int, columns: int = 0, width: float = 9.0, height: float = 5.8) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels of `width` x `height` inches, labels included, in 1 or 2 columns unless told."""
    columns = columns or min(panels, 2)
    rows = math.ceil(panels / columns)
    figure = Figure(figsize=(columns * width, rows * height + 1), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[panels:]:
        axis.remove()
    return figure, list(axes[:panels])


def extra_width(labels: Iterable[str]) -> float:
    """Return the inches that a panel needs besides its usual width where labels next to it are long."""
    return 0.135 * max(0, max(map(len, labels), default=0) - 20)


def draw(
    panels: Sequence[tuple[pd.DataFrame, dict[Any, Line]]],
    panel: Callable[[Axes, pd.DataFrame, dict[Any, Line]], None],
    words: tuple[str, str],
    colors: Mapping[str, str] | None = None,
    width: float = 9.0,
    height: float = 5.8,
) -> Figure | None:
    """Return a figure with a panel per section under its task, a title and a note; None without panels."""
    if not panels:
        return None
    figure, axes = grid(
        len(panels), 0, width + extra_width(str(label) for _, lines in panels for label in lines), height
    )
    for axis, (section, lines) in zip(axes, panels, strict=True):
        axis.set_title(wrapped(task_of(section)))
        panel(axis, section, lines)
    title(figure, *words, colors)
    return figure


def wrapped(words: str) -> str:
    """Return the title of a panel in lines that fit above it."""
    return textwrap.fill(words, TITLE_WIDTH)


def title(figure: Figure, title: str, note: str, colors: Mapping[str, str] | None = None) -> None:
    """Write the title, under it what the colors are, and the note at the bottom, as large as the width allows."""
    width, height = figure.get_size_inches()
    room = int(72 * (width - 0.5) / (0.53 * NOTE_SIZE))  # characters
    lines = textwrap.wrap(note, min(room, len(note) // math.ceil(len(note) / room) + 10))

    def points(words: str, most: float, em: float) -> float:
        return min(most, 72 * (width - 0.5) / (em * len(words)))

    x, top, bottom = 0.25, 1.1 if colors else 0.7, 0.25 + 0.25 * len(lines)
    if figure.get_layout_engine():
        figure.set_layout_engine("constrained", rect=(0, bottom / height, 1, 1 - (bottom + top) / height))
    figure.text(x / width, 1 - 0.2 / height, title, size=points(title, 23, 0.62), weight="bold", va="top")
    size = points(max(lines, key=len), 15, 0.53)
    figure.text(x / width, 0.15 / height, "\n".join(lines), size=size, color="#444444", va="bottom")
    for name, color in (colors or {}).items():
        figure.text(x / width, 1 - 0.6 / height, f"● {name}", color=color, size=17, weight="bold", va="top")
        x += 0.135 * len(name) + 0.6


def quality(comparison: Comparison, column: Column | None = None) -> Column | None:
    """Return a column with its title, scale and unit; by default, the first one of test or validation examples."""
    if column:
        return complete(column, comparison.experiment.columns)
    columns = (column for column in comparison.experiment.columns if column.key.startswith(("test/", "validation/")))
    return next(columns, None)


def words_and_unit(column: Column) -> tuple[str, float]:
    """Return what is written at the axis of a column, and what its statistic is multiplied by."""
    if column.statistic == "success":
        return f"seeds with {column.title} (%)", 100
    return with_unit(column), 100 if column.unit == "%" else 1


def describe_interval(column: Column) -> tuple[str, str]:
    """Return what the center of a column is, and what its interval."""
    if column.statistic == "success":
        return "fraction of the seeds", f"{CONFIDENCE:.0%} interval (Wilson)"
    center = CENTERS[column.statistic]
    return f"geometric {center}" if column.scale == "log" else center, INTERVAL


def drawn(number: Number) -> np.ndarray:
    """Return whether each value has a place in a figure; where one has none, as an infinity, its row has no center."""
    return number.regular | (number.column.statistic == "success")


def describe_left_out(numbers: Iterable[tuple[str, Number]]) -> str:
    """Return the end of a note that counts the values of each row that are not drawn; empty if all are."""
    rows: dict[str, list[Number]] = {}
    for label, number in numbers:
        rows.setdefault(label, []).append(number)
    counts = []
    for label, found in rows.items():
        hidden = np.concatenate([number.values[~drawn(number)] for number in found])
        kinds = {"0": hidden == 0, "infinite": np.isinf(hidden), "undefined": np.isnan(hidden) | (hidden < 0)}
        names = " or ".join(kind for kind, hits in kinds.items() if hits.any())
        if len(hidden):
            values = sum(len(number.values) for number in found)
            counts.append(f"{len(hidden)} of {values} values of {label} ({names})")
    return f" Not drawn, nor a center with them: {', '.join(counts)}." if counts else ""


def scale(axis: Axes, way: Literal["x", "y"], values: Iterable[float], column: Column | None = None) -> None:
    """Make an axis logarithmic if its values are positive and span decades, or if its column is logarithmic.

    That of an accuracy stays linear: what matters is its distance to 100%.
    """
    if column and column.scale == "linear" and better(column) == "higher":
        return
    finite = [value for value in values if math.isfinite(value)]
    span = max(finite) / min(finite) if finite and min(finite) > 0 else 0
    if span >= DECADES or (span and column and column.scale == "log"):
        axis.set(**{f"{way}scale": "log"})
        along = axis.xaxis if way == "x" else axis.yaxis
        along.set_major_formatter("{x:g}")
        along.set_minor_formatter(NullFormatter())
        if span < 200:  # numbers between the powers of ten as well
            along.set_major_locator(LogLocator(subs=(1, 2, 5)))


def looks(comparison: Comparison) -> Looks:
    """Return color and line style by label: color by cell where cells are compared, else by row."""
    cells = dict(zip(comparison.trials["row"], comparison.trials["cell.name"], strict=True))
    if len(set(cells.values())) < 2:
        return {label: (COLORS[place % len(COLORS)], "-") for place, label in enumerate(cells)}
    order = list(dict.fromkeys([*CELLS, *cells.values()]))
    labels = {cell: [label for label in cells if cells[label] == cell] for cell in order}
    return {
        label: (COLORS[order.index(cell) % len(COLORS)], DASHES[labels[cell].index(label) % len(DASHES)])
        for label, cell in cells.items()
    }


def band(axis: Axes, x: Any, line: pd.DataFrame, color: str, dashes: Any = "-", unit: float = 1, size: int = 6) -> None:
    """Draw the middle of a line, with markers if they can be told apart, and a band from lowest to highest seed."""
    if (line["low"] != line["high"]).any():
        axis.fill_between(x, unit * line["low"], unit * line["high"], color=color, alpha=0.2, lw=0)
    marker = "o" if len(line) <= MAX_MARKERS else ""
    axis.plot(x, unit * line["middle"], color=color, ls=dashes, marker=marker, ms=size)


def labels(axis: Axes, ends: Mapping[str, tuple[float, float]], colors: Mapping[str, str], right: bool) -> None:
    """Write names beside the axes at the ends (x, y) of their lines, moved apart where they would overlap.

    Leaders start at the ends, or at the edge of the axes if that is far. The axis must have its final limits.
    """
    if not ends:
        return
    axis.get_xlim()  # sets limits that follow from the data
    points = (axis.transScale + axis.transLimits).transform(list(ends.values()))
    places = spread(list(points[:, 1]), LABEL_GAP, LABEL_GAP / 3, 1 - LABEL_GAP / 3)
    edge = 1.0 if right else 0.0
    for name, (across, height), place in zip(ends, points, places, strict=True):
        leader = {"arrowstyle": "-", "color": LEADER, "lw": 1.2, "patchA": None, "shrinkA": 4, "shrinkB": 6}
        start = across if abs(across - edge) <= NEAR else edge
        axis.annotate(name, (start, height), (1.05 if right else -0.05, place), color=colors[name], weight="bold",
                      xycoords=axis.transAxes, textcoords=axis.transAxes, ha="left" if right else "right", va="center",
                      fontsize=16, arrowprops=leader | {"relpos": (1 - edge, 0.5)}, annotation_clip=False)  # fmt: skip


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return the places moved as little as needed to lie `gap` apart within low..high; closer if there is no room."""
    if not places:
        return []
    gap = min(gap, (high - low) / max(1, len(places) - 1))
    order, offsets = np.argsort(places, kind="stable"), gap * np.arange(len(places))
    free = isotonic_regression(np.asarray(places, float)[order] - offsets).x
    spaced = np.clip(free, low, high - offsets[-1]) + offsets
    return list(pd.Series(spaced, index=order).sort_index())
