"""What is measured on held-out examples, against the time of training."""

import numpy as np
from matplotlib.figure import Figure

from research.reporting import profiles
from research.reporting.aggregate import Group, Section, task
from research.reporting.figures import style

BASELINE = "#777777"


def metric_by_time(group: Group) -> Figure | None:
    """The first metric of the table against the minutes of training, a line a row, and what needs no training."""
    columns = [column for column in group.experiment.columns if column.key.startswith("eval/")]
    if not columns:
        return None
    column = columns[0]
    unit = 100 if column.unit == "%" else 1
    panels = [(section, [profiles.course(row, column.key) for row in section.rows]) for section in group.sections]
    panels = [(section, [line for line in lines if line]) for section, lines in panels]
    panels = [(section, lines) for section, lines in panels if lines]
    if not panels:
        return None
    looks = style.looks([row for section in group.sections for row in section.rows])
    longest = max(len(line.row.label) for _, lines in panels for line in lines)
    figure, axes = style.grid(len(panels), left=1.2, right=0.5 + 0.14 * longest)
    for axis, (section, lines) in zip(axes, panels, strict=True):
        floor = _baseline(section, column.key)
        highest = [np.nanmax(line.high) for line in lines] + ([] if floor is None else [floor])
        top = unit * float(max(highest)) * 1.1 or 1.0
        for line in lines:
            color, dashes = looks[line.row.label]
            axis.fill_between(line.minutes, unit * line.low, unit * line.high, color=color, alpha=0.2, lw=0)
            axis.plot(line.minutes, unit * line.mean, color=color, ls=dashes, marker="o", ms=6)
        if floor is not None:
            axis.axhline(unit * floor, color=BASELINE, lw=2, ls=":", zorder=0)
        ends = [float(line.minutes[-1]) for line in lines]
        axis.set_xlim(0, max(ends) * 1.03)
        axis.tick_params(axis="x", pad=8)  # below the first number of the other axis
        wanted = [unit * float(line.mean[-1]) for line in lines]
        style.labels(axis, lines, ends, wanted, looks, (0, top), right=True)
        named = f"{column.title} (%)" if column.unit else column.title
        axis.set(xlabel="minutes of training", ylabel=named, ylim=(0, top))
        axis.spines["right"].set_visible(False)
        axis.set_title(task(section), pad=12)
    note = "Line: mean over seeds, with a trial's share of its pack's minutes; band: lowest to highest seed; "
    note += "dotted: the input unseen."
    style.title(figure, f"By the time of training: {column.title}, held out", note)
    return figure


def _baseline(section: Section, key: str) -> float | None:
    """What the trivial answer reaches, where the task tells."""
    own = f"eval/baseline/{key.removeprefix('eval/').removeprefix('free_running/')}"
    values = [value for trial in section.trials if (value := trial.value(own)) is not None]
    return float(np.mean(values)) if values else None
