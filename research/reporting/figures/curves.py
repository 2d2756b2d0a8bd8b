"""The metric of validation examples against the time of training."""

import re

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from research.reporting import measures
from research.reporting.columns import metrics, values
from research.reporting.comparison import Comparison
from research.reporting.figures import style
from research.reporting.titles import with_unit


def metric_by_time(comparison: Comparison) -> Figure | None:
    """Draw the first metric of the table against the minutes of training, a line per row, and the baselines."""
    if not (column := style.quality(comparison)):
        return None
    unit = 100 if column.unit == "%" else 1
    metric = column.key.partition("/")[2]
    looks = style.looks(comparison)

    def panel(axis: Axes, section: pd.DataFrame, lines: dict[str, pd.DataFrame]) -> None:
        for label, line in lines.items():
            style.band(axis, line["minutes"], line, *looks[label], unit=unit)
        floors = _baselines(section, metric)
        last = max(line["minutes"].iloc[-1] for line in lines.values()) * 1.03
        highest = max(*(line["high"].max() for line in lines.values()), *floors.values(), 0)
        axis.set(xlim=(0, last), ylim=(0, unit * highest * 1.1 or 1.0))
        for value in floors.values():
            axis.axhline(unit * value, color=style.BASELINE, lw=2, ls=":", zorder=0)
        ends = {label: (line["minutes"].iloc[-1], unit * line["middle"].iloc[-1]) for label, line in lines.items()}
        ends |= {name: (last, unit * value) for name, value in floors.items()}
        colors = {label: color for label, (color, _) in looks.items()} | dict.fromkeys(floors, style.BASELINE)
        style.labels(axis, ends, colors, right=True)
        axis.tick_params(axis="x", pad=8)  # below the first number of the other axis
        axis.set(xlabel="minutes of training", ylabel=with_unit(column))

    note = "Line: mean over seeds, with a trial's share of its pack's minutes; band: lowest to highest seed; "
    note += "dotted: needs no training."
    panels = style.panels(comparison, style.of_rows(lambda row: measures.curve(row, f"validation/{metric}")))
    return style.draw(panels, panel, (f"By the time of training: {column.title}, validation", note))


def _baselines(section: pd.DataFrame, metric: str) -> dict[str, float]:
    """Return the metric of the task's baselines by their names in words."""
    baseline = re.compile(f"validation/baseline/([^/]+)/{re.escape(metric.removeprefix('free_running/'))}")
    return {
        match[1].replace("_", " "): float(pd.Series(values(section, key), dtype=float).mean())
        for key in metrics(section)
        if (match := baseline.fullmatch(key))
    }
