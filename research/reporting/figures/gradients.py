"""The norm of the gradient over the sequence: its profile at one moment of training, and its heat map over training.

What float32 cannot hold is drawn at a marked floor or ceiling, or in a color of its own, and never left out.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure

from research.reporting import measures
from research.reporting.comparison import Comparison, task_of
from research.reporting.figures import style
from research.reporting.measures import Profile, When

COLOR_MAP = "viridis"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SPECIAL = {"0: underflow": "#BDBDBD", "inf: overflow": "#E8112D"}


class Scale:
    """The log axis of a panel in decades, with a strip below for what underflows and one above for what overflows."""

    def __init__(self, norms: np.ndarray) -> None:
        decades = measures.logarithm(norms[(norms > 0) & np.isfinite(norms)])
        low, high = min(decades.min(), 0), max(decades.max(), 0)
        margin = max(0.25, 0.03 * (high - low))
        self.low, self.high, self.strip = low - margin, high + margin, 0.13 * (high - low + 2 * margin)
        self.bottom = self.low - self.strip * bool((norms == 0).any())
        self.top = self.high + self.strip * bool(np.isinf(norms).any())

    def place(self, norms: np.ndarray, lane: float) -> np.ndarray:
        """Return decades of the norms; 0 and inf go to a lane (0..1) within their strip."""
        depth = self.strip * (0.25 + 0.6 * lane)
        decades = np.where(norms == 0, self.low - depth, measures.logarithm(norms))
        return np.where(np.isinf(norms), self.high + depth, decades)

    def ticks(self) -> dict[float, str]:
        """Return the labels of the axis by their places: powers of ten; of few decades, multiples of them too."""
        span = self.high - self.low
        every = next(step for step in (1, 2, 5, 10, 20) if span / step <= 8 or step == 20)
        ticks = {float(power): _power(power) for power in range(-400, 401, every)}
        factors = () if span >= 2.5 else (2, 5) if span >= 1 else (1.5, 2, 3, 5, 7)
        for power in range(-3, 3):  # so short an axis is next to 1, the norm at the last step
            ticks |= {power + math.log10(factor): f"{factor * 10.0**power:g}" for factor in factors}
        return {place: label for place, label in ticks.items() if self.low <= place <= self.high}


def gradient_profiles(comparison: Comparison, part: str = "", when: When = "first") -> Figure | None:
    """Draw the norm of dL/dh_t against t, a panel per section, a line per row, a band over the seeds.

    `part` is a part of the carry, such as "c"; by default, the state of each cell.
    """
    panels = style.panels(comparison, style.of_rows(lambda row: measures.profile(row, part, when)))
    looks = style.looks(comparison)

    def panel(axis: Axes, section: pd.DataFrame, lines: dict[str, Profile]) -> None:
        profile_panel(axis, lines, looks)
        if when != "first":
            updates = _range([step for line in lines.values() for step in line.steps])
            axis.set_title(f"{axis.get_title()}, {updates} updates")

    named: dict[str, dict[str, None]] = {}
    for label, line in [pair for _, lines in panels for pair in lines.items()]:
        named.setdefault(line.name, {})[label] = None
    usual = max(named, key=lambda name: len(named[name]), default="")
    profiles = [line for _, lines in panels for line in lines.values()]
    note = f"Line: median over seeds ({_range([line.seeds for line in profiles])}); band: lowest to highest seed. "
    note += f"The loss of the last step is on the right. Profile: {usual}"
    note += "".join(f"; of {', '.join(named[name])}: {name}" for name in named if name != usual)
    left_out = sum(line.left_out for line in profiles)
    if left_out:
        note += f". Left out: {left_out} profile{'s' if left_out > 1 else ''} whose last norm is 0 or not finite"
    times: dict[When, str] = {"first": "at initialization", "last": "at the last record of training"}
    state = times.get(when, f"at about {when} updates")
    title = f"Norm of ∂L/∂{part or 'h'}ₜ {state}, relative to its norm at the last time step"
    return style.draw(panels, panel, (title, f"{note}."))


def gradient_heatmaps(comparison: Comparison) -> Figure | None:
    """Draw the norm of dL/dh_t over t and training step, a panel per row and section."""
    panels = style.panels(comparison, style.of_rows(measures.heatmap))
    if not panels:
        return None
    looks = style.looks(comparison)
    labels = [label for label in looks if any(label in lines for _, lines in panels)]
    scale = measures.color_scale(
        np.concatenate([line.to_numpy().ravel() for _, lines in panels for line in lines.values()])
    )
    width = max(4.8, (10 + style.extra_width(labels)) / len(panels))
    height = max(1.7, 5 / len(labels))
    figure, axes = style.grid(len(labels) * len(panels), len(panels), width, height)
    for place, axis in enumerate(axes):
        down, across = divmod(place, len(panels))
        section, lines = panels[across]
        axis.tick_params(labelbottom=down == len(labels) - 1, labelsize=13)
        if labels[down] in lines:
            _heatmap_panel(axis, lines[labels[down]], scale)
            axis.set_xlabel("time step t" if down == len(labels) - 1 else "", fontsize=13)
        else:
            axis.set(xlabel="no record", xticks=[], yticks=[])
        if down == 0:
            axis.set_title(task_of(section).replace(", ", ",\n"), fontsize=16)
            axis.annotate("updates", (0, 1), xytext=(-4, 10), xycoords="axes fraction", textcoords="offset points",
                          ha="right", fontsize=13)  # fmt: skip
        if across == 0:
            color = looks[labels[down]][0]
            axis.set_ylabel(labels[down], rotation=0, ha="right", va="center", color=color, weight="bold")
    mappable = ScalarMappable(Normalize(*scale), COLOR_MAP)
    bar = figure.colorbar(mappable, ax=axes, extend="both", shrink=0.6, aspect=15, label="norm of ∂L/∂hₜ")
    ticks = range(scale[0], scale[1] + 1, 2)
    bar.set_ticks(list(ticks), labels=[_power(tick) for tick in ticks])
    note = "Median over seeds. Across: time step t, the loss is after the last. Up: updates of the weights."
    style.title(figure, "Norm of ∂L/∂hₜ over the sequence (across) and over training (up)", note, SPECIAL)
    return figure


def profile_panel(axis: Axes, lines: dict[str, Profile], looks: style.Looks) -> None:
    """Draw profiles over time, the loss on the right."""
    norms = np.concatenate([line.norms.to_numpy().ravel() for line in lines.values()])
    scale = Scale(norms)
    marks = {"v": 0, "^": np.inf}
    beyond = [[label for label in lines if (lines[label].norms["middle"] == value).any()] for value in marks.values()]
    ends = {}
    for label, line in lines.items():
        lanes = next((labels for labels in beyond if label in labels), [])
        lane = lanes.index(label) / max(1, len(lanes) - 1) if label in lanes else 0.5
        color, dashes = looks[label]
        times = np.arange(len(line.norms))
        low, middle, high = (scale.place(line.norms[column].to_numpy(), lane) for column in ("low", "middle", "high"))
        axis.fill_between(times, low, high, color=color, alpha=0.16, lw=0)
        axis.plot(times, middle, color=color, ls=dashes)
        for mark, value in marks.items():
            at = np.flatnonzero(line.norms["middle"] == value)
            if len(at):
                at = at[np.linspace(0, len(at) - 1, max(1, 8 * len(at) // len(times))).astype(int)]
                axis.plot(at, middle[at], ls="", marker=mark, ms=9, color=color, clip_on=False)
        ends[label] = (0.0, float(middle[np.argmin(np.isnan(middle))]))  # of the first step that a sequence has
    strips = ((scale.low, scale.bottom, "▼ underflow to 0"), (scale.high, scale.top, "▲ overflow"))
    for edge, end, words in strips:
        if edge != end:
            axis.axhspan(*sorted((edge, end)), color="#F0F0F0", zorder=0, lw=0)
            axis.text(0.985, (edge + end) / 2, words, transform=axis.get_yaxis_transform(), ha="right", va="center",
                      fontsize=15, color="#555555")  # fmt: skip
    axis.set(ylim=(scale.bottom, scale.top), xlim=(0, max(1, *(len(line.norms) - 1 for line in lines.values()))))
    ticks = scale.ticks()
    axis.set_yticks(list(ticks), labels=list(ticks.values()))
    axis.yaxis.tick_right()
    axis.spines["left"].set_visible(False)
    axis.spines["right"].set_visible(True)
    axis.grid(axis="y", color="#DDDDDD", lw=0.8)
    axis.axhline(0, color="#999999", lw=1.2, zorder=1)
    style.labels(axis, ends, {label: color for label, (color, _) in looks.items()}, right=False)
    axis.set_xlabel("time step t")
    axis.text(1, -0.092, "loss ▸", transform=axis.transAxes, ha="right", va="top", weight="bold")


def _heatmap_panel(axis: Axes, decades: pd.DataFrame, scale: tuple[int, int]) -> None:
    steps = list(decades.index)
    edges = [*steps, steps[-1] + (steps[-1] - steps[-2] if len(steps) > 1 else 1)]
    across = np.arange(decades.shape[1] + 1)
    pixels = ScalarMappable(Normalize(*scale), COLOR_MAP).to_rgba(decades.to_numpy())
    for value, color in zip((-np.inf, np.inf), SPECIAL.values(), strict=True):
        pixels[decades == value] = to_rgba(color)
    axis.pcolorfast(across, edges, pixels)
    ends = sorted({0, len(steps) - 1})
    axis.set_yticks([(edges[row] + edges[row + 1]) / 2 for row in ends], labels=[steps[row] for row in ends])
    axis.set_xticks([0, decades.shape[1]])
    axis.spines[:].set_visible(False)


def _power(exponent: int) -> str:
    return f"10{str(exponent).translate(SUPERSCRIPTS)}" if exponent else "1"


def _range(values: Sequence[int]) -> str:
    low, high = min(values, default=0), max(values, default=0)
    return f"{low}" if low == high else f"{low}–{high}"
