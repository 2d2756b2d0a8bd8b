"""Single runs over one another: metrics during training, and norms of the gradient over the sequence."""

# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from research.reporting.figures import style
from research.reporting.figures.gradients import profile_panel
from research.reporting.measures import Profile
from research.reporting.titles import describe_metric, with_unit

Profiles = Mapping[str, Mapping[str, Profile]]
"""Profiles by the number of the run, for each title of a panel."""


def draw(curves: Mapping[str, pd.DataFrame], profiles: Profiles, labels: Mapping[str, str]) -> Figure:
    """Return a figure with a panel for each metric and for each time at which there are profiles.

    Args:
        curves: values of each metric, a row per step, a column per run.
        profiles: see `Profiles`.
        labels: of the runs, by their numbers, which stand at the lines.
    """
    count = len(style.COLORS)
    looks = {
        number: (style.COLORS[place % count], style.DASHES[place // count % len(style.DASHES)])
        for place, number in enumerate(labels)
    }
    figure, axes = style.grid(len(curves) + len(profiles))
    for axis, (metric, curve) in zip(axes, curves.items(), strict=False):
        _curve_panel(axis, metric, curve, looks)
    for axis, (title, lines) in zip(axes[len(curves) :], profiles.items(), strict=True):
        profile_panel(axis, dict(lines), looks)
        axis.set_title(title)
    handles = [Line2D([], [], color=looks[number][0], ls=looks[number][1], label=labels[number]) for number in labels]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False)
    return figure


def _curve_panel(axis: Axes, metric: str, curve: pd.DataFrame, looks: style.Looks) -> None:
    column = describe_metric(metric)
    unit = 100 if column.unit else 1
    ends = {}
    for number in curve:
        line = unit * curve[number][np.isfinite(curve[number])]
        if len(line):
            color, dashes = looks[number]
            axis.plot(line.index, line, color=color, ls=dashes, marker="o" if len(line) <= style.MAX_MARKERS else "")
            ends[number] = (float(line.index[-1]), float(line.iloc[-1]))
    axis.set(title=with_unit(column), xlabel="updates", xlim=(0, curve.index.max() * 1.02))
    axis.set_ylim(axis.get_ylim())
    style.labels(axis, ends, {number: color for number, (color, _) in looks.items()}, right=True)
