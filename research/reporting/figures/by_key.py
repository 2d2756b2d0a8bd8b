"""A metric against a config key that is a number: length, size, ratio, gain."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from research.config.experiment import Column
from research.reporting.comparison import Comparison, task_of, texts_of
from research.reporting.figures import style
from research.reporting.labels import row_labels
from research.reporting.layout import Layout, require_seeds_alone
from research.reporting.numbers import Number, measure
from research.reporting.parts import baselines
from research.reporting.tables import BASELINES

MAX_TICKS = 8
"""Values of the key beyond which not each of them has a tick."""

Points = dict[float, Number]
"""The number of a row at each value of the key."""


def metric_by_key(comparison: Comparison, x: str = "", y: Column | None = None) -> Figure | None:
    """Draw a metric against a config key: a line per row with its seeds and interval, and the baselines.

    Args:
        comparison: the runs.
        x: the config key, whose values are numbers. Runs without it are left out.
        y: the metric and its statistic; None: the first column of the table that is of test or validation examples.

    Raises:
        UserError: where the runs of a point differ in more than their seed.
    """
    column = style.quality(comparison, y)
    if not column or x not in comparison.trials:
        return None
    by_key = regroup(comparison, x)
    looks = style.looks(by_key)
    words, unit = style.words_and_unit(column)

    def panel(axis: Axes, section: pd.DataFrame, lines: dict[str, Points]) -> None:
        tables = {label: _table(points) for label, points in lines.items()}
        heights = [end for table in tables.values() for end in table.to_numpy().ravel()]
        for label, table in tables.items():
            style.band(axis, table.index, table, *looks[label], unit=unit)
            for value, number in lines[label].items() if column.statistic != "success" else ():
                seeds = number.values[number.regular]
                axis.plot(np.full(len(seeds), value), unit * seeds, "o", color=looks[label][0], ms=9, alpha=0.35, mew=0)
                heights += [*seeds]
        floors = _baselines(section, x, column)
        for floor in floors.values():
            axis.plot(floor.index, unit * floor, color=style.BASELINE, lw=2, ls=":", zorder=0)
        values = sorted({value for table in tables.values() for value in table.index})
        style.scale(axis, "x", values)
        style.scale(axis, "y", heights, column)
        if len(values) <= MAX_TICKS:
            axis.set_xticks(values, [f"{value:g}" for value in values])
            axis.xaxis.minorticks_off()
        axis.set_title(style.wrapped(_title(section)))
        axis.set(xlabel=x, ylabel=words, xlim=axis.get_xlim(), ylim=axis.get_ylim())
        axis.tick_params(axis="x", pad=8)  # below the first number of the other axis
        ends = {name: end for name, numbers in lines.items() for end in _ends(numbers, unit)}
        ends |= {name: (floor.index[-1], unit * floor.iloc[-1]) for name, floor in floors.items()}
        colors = {name: color for name, (color, _) in looks.items()} | dict.fromkeys(floors, style.BASELINE)
        style.labels(axis, ends, colors, right=True)

    def points(row: pd.DataFrame) -> Points | None:
        numbers = {float(value): measure(alike, column) for value, alike in row.groupby(x)}
        return {value: number for value, number in numbers.items() if len(number.values)} or None

    panels = style.panels(by_key, style.of_rows(points))
    dotted = "; dotted: needs no training" if any(_baselines(section, x, column) for section, _ in panels) else ""
    center, interval = style.describe_interval(column)
    seeds = "" if column.statistic == "success" else "points: seeds; "
    found = [(label, number) for _, lines in panels for label, numbers in lines.items() for number in numbers.values()]
    note = f"Line: {center}; {seeds}band: {interval}{dotted}.{style.describe_left_out(found)}"
    return style.draw(panels, panel, (f"{column.title} by {x}", note))


def regroup(comparison: Comparison, x: str) -> Comparison:
    """Return the runs that have a config key, in rows and sections that it does not tell apart.

    Sections are of what differs in tasks and headings and does not follow from the key.
    """
    trials = comparison.trials[comparison.trials[x].notna()].astype({x: float})
    texts = texts_of(trials).assign(heading=trials["heading"].astype(str))
    varying = [key for key in texts if texts[key].nunique(dropna=False) > 1]
    known, sections = [texts[x]], []
    for key in ["task.name", *(key for key in varying if key.startswith("task.")), "heading"]:
        if key != x and (texts[key].groupby(known, dropna=False).nunique(dropna=False) > 1).any():
            known.append(texts[key])
            sections.append(key)
    keys = tuple(key for key in comparison.keys if key != x)
    headings = row_labels(trials, [key for key in sections if key not in ("heading", "task.name")])
    if "heading" in sections:
        headings = trials["heading"].str.cat(headings, sep=", ").str.strip(", ")
    names = headings.str.cat(trials["task.name"], sep=": ") if "task.name" in sections else headings
    rows = row_labels(trials, keys)
    options = texts[varying].drop(columns="heading", errors="ignore")
    require_seeds_alone(options, [names, rows, trials[x]], Layout(rows=(*keys, x)))
    return replace(comparison, keys=keys, trials=trials.assign(section=names, heading=headings, row=rows))


def _table(points: Points) -> pd.DataFrame:
    """Return the lines of a row, with a gap where a seed has no place in the figure."""
    gap = (np.nan,) * 3
    lines = {value: number.estimate.ends if style.drawn(number).all() else gap for value, number in points.items()}
    return pd.DataFrame.from_dict(lines, orient="index", columns=["low", "middle", "high"])


def _ends(points: Points, unit: float) -> list[tuple[float, float]]:
    """Return where the last point of a row is that has anything drawn; none if there is no such point."""
    drawn = [(value, unit * number.estimate.center) for value, number in points.items() if style.drawn(number).any()]
    return drawn[-1:]


def _baselines(section: pd.DataFrame, x: str, column: Column) -> dict[str, pd.Series]:
    """Return the metric of what needs no training by the key, by the name of the baseline."""
    lines: dict[str, dict[float, float]] = {}
    for value, trials in section.groupby(x):
        for name, numbers in baselines(trials, (column,)).items():
            lines.setdefault(BASELINES.get(name, name), {})[value] = numbers[0].estimate.center
    return {name: pd.Series(line) for name, line in lines.items()}


def _title(section: pd.DataFrame) -> str:
    """Return what the runs of a panel share: the heading, and the task, whose size may vary."""
    tasks = dict.fromkeys(task.name.replace("_", " ") for task in section["task"])
    alike = section["task"].map(lambda task: task.describe()).nunique() == 1
    return ": ".join(filter(None, (section["heading"].iloc[0], task_of(section) if alike else " or ".join(tasks))))
