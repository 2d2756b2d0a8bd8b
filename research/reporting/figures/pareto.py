"""Quality against cost: which rows no other row beats in both."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from research.config.experiment import Column
from research.errors import UserError
from research.reporting.comparison import Comparison
from research.reporting.figures import style
from research.reporting.numbers import Number, measure
from research.reporting.statistics import Estimate
from research.reporting.titles import better

COSTS = {
    "train/seconds": "seconds of training",
    "model/parameters": "parameters",
    "model/carry_size": "values in the encoder's carry",
}
MARKERS = "os^Dv<>P"
"""Of the rows that have one color."""

Place = tuple[Estimate, Estimate]
"""Cost and quality of a row."""


def pareto_front(comparison: Comparison, x: str = "train/seconds", y: Column | None = None) -> Figure | None:
    """Draw quality against cost, a point with its intervals per row, and a step line through those that no row beats.

    Args:
        comparison: the runs.
        x: the metric that is the cost: train/seconds, model/parameters, model/carry_size, or another one.
        y: the metric of quality and its statistic; None: the first column of test or validation examples.

    Raises:
        UserError: if it is not known which values of the metric are better.
    """
    column, cost = style.quality(comparison, y), style.quality(comparison, Column(COSTS.get(x, x), x))
    if not column or not cost:
        return None
    if not (way := better(column)):
        raise UserError(f"{column.key}: must be a metric of quality, of which lower or higher values are better")
    words, unit = style.words_and_unit(column)
    colors = {label: color for label, (color, _) in style.looks(comparison).items()}
    alike = {color: [label for label in colors if colors[label] == color] for color in colors.values()}

    def numbers(row: pd.DataFrame) -> tuple[Number, Number] | None:
        found = measure(row, cost), measure(row, column)
        return found if all(len(number.values) for number in found) else None

    def place(row: pd.DataFrame) -> Place | None:
        found = numbers(row)
        if not found or not all(style.drawn(number).all() for number in found):
            return None
        return found[0].estimate, found[1].estimate.scaled(unit)

    def panel(axis: Axes, _: pd.DataFrame, rows: dict[str, Place]) -> None:
        front = undominated(rows, higher=way == "higher")
        handles = {}
        for label, (spent, reached) in sorted(rows.items(), key=lambda row: -row[1][1].center):  # as the points stand
            color = colors[label]
            marker = MARKERS[alike[color].index(label) % len(MARKERS)]
            bars = {"xerr": _bars(spent), "yerr": _bars(reached), "capsize": 5, "elinewidth": 2}
            look = {"color": color, "mfc": color if label in front else "white", "mew": 2.5, "marker": marker}
            above = 3 if label in front else 2  # a hollow point hides none of the front
            handles[label] = axis.errorbar(spent.center, reached.center, **bars, **look, ms=12, ls="", zorder=above)[0]
        for along, number in (("x", 0), ("y", 1)):
            ends = [end for found in rows.values() for end in found[number].ends]
            style.scale(axis, along, ends, (cost, column)[number])
        axis.margins(0.08)
        axis.set(xlabel=cost.title, ylabel=words, xlim=axis.get_xlim(), ylim=axis.get_ylim())
        axis.tick_params(axis="x", pad=8)  # below the first number of the other axis
        steps = [(rows[label][0].center, rows[label][1].center) for label in front]
        steps.append((axis.get_xlim()[1], steps[-1][1]))
        axis.step(*zip(*steps, strict=True), where="post", color=style.BASELINE, lw=2.2, zorder=0)
        legend = {"labelcolor": [colors[label] for label in handles], "prop": {"weight": "bold", "size": 16}}
        place_at = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "frameon": False, "handletextpad": 0.2}
        axis.legend(handles.values(), handles, **legend, **place_at)

    (_, across), (center, up) = style.describe_interval(cost), style.describe_interval(column)
    bars = f"bar: {up}" if across == up else f"bar upward: {up}; across: {across}"
    front = "Filled, with the line: no other row is as good at less cost, or better at no more."
    measured = [pair for _, rows in style.panels(comparison, style.of_rows(numbers)) for pair in rows.items()]
    left_out = style.describe_left_out((label, number) for label, both in measured for number in both)
    note = f"Point: {center}; {bars}. {front}{left_out}"
    panels = style.panels(comparison, style.of_rows(place))
    return style.draw(panels, panel, (f"{column.title} against {cost.title}", note), width=11.0, height=6.4)


def undominated(rows: Mapping[str, Place], higher: bool) -> list[str]:
    """Return the rows of the front by ascending cost: none is as good at less cost, or better at no more."""
    sign = -1 if higher else 1
    places = {label: (cost.center, sign * quality.center) for label, (cost, quality) in rows.items()}
    front = [
        label
        for label, (cost, quality) in places.items()
        if all((cost, quality) == other or cost < other[0] or quality < other[1] for other in places.values())
    ]
    return sorted(front, key=lambda label: places[label])


def _bars(found: Estimate) -> np.ndarray:
    """Return the lengths of the bar below and above the center; 0 where there is no interval."""
    return np.nan_to_num([[found.center - found.low], [found.high - found.center]])
