"""The norm of the gradient over the sequence: its profile at one moment of training, and its heat map over training.

What float32 cannot hold is drawn at a marked floor or ceiling, or in a colour of its own, and never left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from research.probes.gradient_flow import color_scale
from research.reporting import profiles
from research.reporting.aggregate import Group, task
from research.reporting.figures import style
from research.reporting.profiles import Array, Profile, When

COLOR_MAP = "viridis"
UNDERFLOW, OVERFLOW = "#BDBDBD", "#E8112D"


@dataclass(frozen=True)
class Scale:
    """The log axis of a panel in decades, with a strip below for what underflows and one above for what overflows."""

    low: float
    high: float
    strip: float

    def place(self, norms: Array, lane: float) -> Array:
        """Decades of the norms; 0 and inf go to a lane (0..1) within their strip."""
        decades = profiles.logarithm(norms)
        decades = np.where(norms == 0, self.low - self.strip * (0.25 + 0.6 * lane), decades)
        return np.where(np.isinf(norms), self.high + self.strip * (0.25 + 0.6 * lane), decades)


def gradient_profiles(group: Group, part: str = "", when: When = "first") -> Figure | None:
    """Norm of dL/dh_t against t, one panel a setting, one line a row; a band from the lowest to the highest seed.

    Args:
        part: of the carry; by default the state of each cell.
    """
    panels = [(section, [profiles.profile(row, part, when) for row in section.rows]) for section in group.sections]
    panels = [(section, [line for line in lines if line]) for section, lines in panels]
    panels = [(section, lines) for section, lines in panels if lines]
    if not panels:
        return None
    looks = style.looks([row for section in group.sections for row in section.rows])
    longest = max(len(line.row.label) for _, lines in panels for line in lines)
    figure, axes = style.grid(len(panels), left=0.6 + 0.13 * longest, right=1.0)
    for axis, (section, lines) in zip(axes, panels, strict=True):
        _profile_panel(axis, lines, looks)
        updates = f", {_range([step for line in lines for step in line.steps])} updates" if when == "last" else ""
        axis.set_title(f"{task(section)}{updates}", pad=12)
        axis.set_xlabel("time step t")
        axis.text(1, -0.092, "loss ▸", transform=axis.transAxes, ha="right", va="top", weight="bold")
    state = {"first": "at initialisation", "last": "at the last record of training"}[when]
    seeds = _range([line.seeds for _, lines in panels for line in lines])
    note = f"Line: median over seeds ({seeds}); band: lowest to highest seed. "
    note += "To the right stands the loss of the last step."
    others = {} if part else {line.row.label: profiles.state_of(line.row) for _, lines in panels for line in lines}
    note += "".join(f" Of {label}: its state {other}." for label, other in others.items() if other != "h")
    left_out = sum(line.left_out for _, lines in panels for line in lines)
    if left_out:
        note += f" Left out: {left_out} profile{'s' if left_out > 1 else ''} whose last norm is 0 or not finite."
    style.title(figure, f"Norm of ∂L/∂{part or 'h'}ₜ {state}, relative to its norm at the last time step", note)
    return figure


def gradient_heatmaps(group: Group) -> Figure | None:
    """Norm of dL/dh_t over t and training step, one panel a row and setting."""
    labels = list(dict.fromkeys(row.label for section in group.sections for row in section.rows))
    cells = {(s.setting, row.label): profiles.heatmap(row) for s in group.sections for row in s.rows}
    found = {key: value for key, value in cells.items() if value is not None}
    if not found:
        return None
    sections = [section for section in group.sections if any(setting == section.setting for setting, _ in found)]
    labels = [label for label in labels if any(row == label for _, row in found)]
    looks = style.looks([row for section in sections for row in section.rows])
    scale = color_scale(np.concatenate([decades.ravel() for _, decades in found.values()]))
    left, right, top, bottom = 0.9 + 0.14 * max(map(len, labels)), 2.1, 1.55, 1.2
    width, height = left + 3.7 * len(sections) + right, top + 1.5 * len(labels) + bottom
    figure = Figure(figsize=(width, height))
    grid = figure.add_gridspec(
        len(labels), len(sections), left=left / width, right=1 - right / width, top=1 - top / height,
        bottom=bottom / height, hspace=0.28, wspace=0.2,
    )  # fmt: skip
    for down, label in enumerate(labels):
        for across, section in enumerate(sections):
            axis = figure.add_subplot(grid[down, across])
            _heatmap_panel(axis, found.get((section.setting, label)), scale)
            axis.tick_params(labelbottom=down == len(labels) - 1, labelsize=13)
            if down == 0:
                axis.set_title(task(section).replace(", ", ",\n"), pad=10, fontsize=16)
            if across == 0:
                middle = axis.get_position().y0 + axis.get_position().height / 2
                color = looks[label][0]
                figure.text((left - 0.6) / width, middle, label, ha="right", va="center", color=color, weight="bold")
    place = (1 - 1.7 / width, 0.35, 0.32 / width, 0.45)
    bar = figure.colorbar(ScalarMappable(Normalize(*scale), COLOR_MAP), cax=figure.add_axes(place), extend="both")
    ticks = range(scale[0], scale[1] + 1, 2)
    bar.set_ticks(list(ticks), labels=[_power(tick) for tick in ticks])
    bar.set_label("norm of ∂L/∂hₜ")
    patches = [Patch(color=UNDERFLOW, label="0: underflow"), Patch(color=OVERFLOW, label="inf: overflow")]
    figure.legend(handles=patches, loc="upper right", bbox_to_anchor=(1 - 0.05 / width, 0.32), frameon=False,
                  fontsize=14, handlelength=1)  # fmt: skip
    note = "Median over seeds. Across: time step t, the loss is after the last. Up: updates of the weights."
    style.title(figure, "Norm of ∂L/∂hₜ over the sequence (across) and over training (up)", note)
    return figure


def _profile_panel(axis: Axes, lines: list[Profile], looks: dict[str, tuple]) -> None:
    scale, underflows, overflows = _scale(lines)
    starts = []
    for line in lines:
        sunk = [other for other in lines if (other.middle == 0).any()]
        risen = [other for other in lines if np.isinf(other.middle).any()]
        lanes = sunk if line in sunk else risen
        lane = lanes.index(line) / max(1, len(lanes) - 1) if line in lanes else 0.5
        color, dashes = looks[line.row.label]
        steps = np.arange(len(line.middle))
        low, middle, high = (scale.place(norms, lane) for norms in (line.low, line.middle, line.high))
        axis.fill_between(steps, low, high, color=color, alpha=0.16, lw=0)
        axis.plot(steps, middle, color=color, ls=dashes)
        for mark, hits in (("v", line.middle == 0), ("^", np.isinf(line.middle))):
            at = np.flatnonzero(hits)
            shown = at[np.linspace(0, len(at) - 1, max(1, 8 * len(at) // len(steps))).astype(int)] if len(at) else at
            axis.plot(shown, middle[shown], ls="", marker=mark, ms=9, color=color, clip_on=False)
        starts.append(float(middle[0]))
    bottom = scale.low - (scale.strip if underflows else 0)
    top = scale.high + (scale.strip if overflows else 0)
    for edge, end, words in ((scale.low, bottom, "▼ underflow to 0"), (scale.high, top, "▲ overflow")):
        if edge != end:
            axis.axhspan(*sorted((edge, end)), color="#F0F0F0", zorder=0, lw=0)
            axis.text(0.985, (edge + end) / 2, words, transform=axis.get_yaxis_transform(), ha="right", va="center",
                      fontsize=15, color="#555555")  # fmt: skip
    axis.set_ylim(bottom, top)
    axis.set_xlim(0, max(1, *(len(line.middle) - 1 for line in lines)))
    axis.yaxis.tick_right()
    axis.spines["left"].set_visible(False)
    span = scale.high - scale.low
    every = next(step for step in (1, 2, 5, 10, 20) if span / step <= 8 or step == 20)
    ticks = [tick for tick in range(-400, 401, every) if scale.low <= tick <= scale.high]
    axis.set_yticks(ticks, [_power(tick) for tick in ticks])
    axis.grid(axis="y", color="#DDDDDD", lw=0.8)
    axis.axhline(0, color="#999999", lw=1.2, zorder=1)
    style.labels(axis, lines, 0, starts, looks, (bottom, top), right=False)


def _scale(lines: list[Profile]) -> tuple[Scale, bool, bool]:
    """The range of one panel: all that float32 holds there, and 1; whether anything underflows; and overflows."""
    values = np.concatenate([norms for line in lines for norms in (line.low, line.middle, line.high)])
    decades = profiles.logarithm(values[(values > 0) & np.isfinite(values)])
    low, high = min(decades.min(), 0), max(decades.max(), 0)
    margin = max(0.25, 0.03 * (high - low))
    low, high = low - margin, high + margin
    underflows, overflows = bool((values == 0).any()), bool(np.isinf(values).any())
    return Scale(low, high, 0.13 * (high - low)), underflows, overflows


def _power(exponent: int) -> str:
    return rf"$10^{{{exponent}}}$" if exponent else "1"


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low}–{high}"


def _heatmap_panel(axis: Axes, found: tuple[Array, Array] | None, scale: tuple[int, int]) -> None:
    if found is None:
        axis.text(0.5, 0.5, "no record", ha="center", va="center", transform=axis.transAxes, fontsize=13)
        axis.set(xticks=[], yticks=[])
        return
    steps, decades = found
    edges = np.append(steps, steps[-1] + (steps[-1] - steps[-2] if len(steps) > 1 else 1)).astype(float)
    across = np.arange(decades.shape[1] + 1)
    finite = np.where(np.isfinite(decades), decades, np.nan)
    axis.pcolormesh(across, edges, finite, cmap=COLOR_MAP, vmin=scale[0], vmax=scale[1], rasterized=True)
    for value, color in ((-np.inf, UNDERFLOW), (np.inf, OVERFLOW)):
        special = np.where(decades == value, 1.0, np.nan)
        axis.pcolormesh(across, edges, special, cmap=ListedColormap([color]), rasterized=True)
    axis.set(yticks=[int(steps[0]), int(steps[-1])], xticks=[0, decades.shape[1]])
    axis.spines[:].set_visible(False)
