"""Where the gradient goes, layer by layer or through the attention, and how long units remember, before and after.

Each section has two panels: at the first record of the probe and at the last.
"""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

import re
from collections.abc import Callable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from research.reporting import measures
from research.reporting.columns import metrics, values
from research.reporting.comparison import Comparison, task_of
from research.reporting.figures import style
from research.reporting.measures import End

NORM = re.compile(r"gradient/initial/encoder/layer_(\d+)/forward/h/norm")
TIMES: dict[End, str] = {"first": "at initialization", "last": "trained"}
NOTE = "Line: median over seeds; band: lowest to highest seed."

Lines = dict[str, pd.DataFrame]


def gradient_by_layer(comparison: Comparison) -> Figure | None:
    """Draw the norm of dL/dh over all steps in each layer of the encoder, relative to its top layer."""

    def measure(row: pd.DataFrame, when: End) -> pd.DataFrame | None:
        layers = sorted(int(match[1]) for name in metrics(row) if (match := NORM.fullmatch(name)))
        time = {"first": "initial", "last": "final"}[when]
        keys = {layer: f"gradient/{time}/encoder/layer_{layer}/forward/h/norm" for layer in layers}
        norms = pd.DataFrame({layer: values(row, key) for layer, key in keys.items()}, dtype=float).dropna()
        if len(norms.columns) < 2 or norms.empty:
            return None
        return measures.over_seeds(norms.div(norms[layers[-1]], axis=0).to_numpy()[:, ::-1], range(len(layers)))

    def finish(axis: Axes, lines: Lines) -> None:
        depth = max(len(line) for line in lines.values())
        _logarithmic(axis)
        axis.axhline(1, color="#999999", lw=1.2, zorder=0)
        axis.set(xlabel="layers below the top of the encoder", xticks=range(depth), ylabel="norm of ∂L/∂h, top = 1")

    return _before_and_after(comparison, measure, finish, ("Gradient by layer, relative to the top layer", NOTE))


def attention_share(comparison: Comparison) -> Figure | None:
    """Draw how much of dL/dh_t of the encoder comes by the attention, against the steps to its last state."""

    def finish(axis: Axes, lines: Lines) -> None:
        last = max(line.index[-1] for line in lines.values())
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set(xlabel="steps to the encoder's last state", ylabel="by attention (%)", xlim=(0, last), ylim=(0, 105))

    words = "Share of the encoder's gradient that comes through the attention"
    note = f"Norm by attention / sum of the norms by attention and by recurrence. {NOTE}"
    return _before_and_after(comparison, measures.attention_share, finish, (words, note))


def memory_horizons(comparison: Comparison) -> Figure | None:
    """Draw the memory horizons of the units of the encoder's top layer, from the shortest to the longest."""

    def finish(axis: Axes, lines: Lines) -> None:
        _logarithmic(axis)
        axis.set(xlabel="units, from the shortest horizon to the longest (%)", ylabel="horizon (steps)", xlim=(0, 100))

    words = ("Memory horizon −1 / ln f of the units", NOTE)
    return _before_and_after(comparison, measures.horizons, finish, words)


class _Plain(LogFormatter):
    """Numbers such as 0.6 and 20 between the powers of ten, where there is room for them."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def _logarithmic(axis: Axes) -> None:
    axis.set_yscale("log")
    axis.yaxis.set_minor_formatter(_Plain(minor_thresholds=(1.5, 0.5)))


def _before_and_after(
    comparison: Comparison,
    measure: Callable[[pd.DataFrame, End], pd.DataFrame | None],
    finish: Callable[[Axes, Lines], None],
    words: tuple[str, str],
) -> Figure | None:
    """Return a figure with a panel per section and time, a line per row; None if no row has anything to draw."""
    panels: list[tuple[str, Lines]] = []
    for section in comparison.sections:
        for when, time in TIMES.items():
            lines = style.of_rows(lambda row, when=when: measure(row, when))(section)
            panels += [(f"{style.wrapped(task_of(section))}\n{time}", lines)] if lines else []
    if not panels:
        return None
    figure, axes = style.grid(len(panels), width=9 + style.extra_width(label for _, lines in panels for label in lines))
    looks = style.looks(comparison)
    for axis, (title, lines) in zip(axes, panels, strict=True):
        for label, line in lines.items():
            style.band(axis, line.index, line, *looks[label])
        axis.set_title(title)
        finish(axis, lines)
        axis.set_ylim(axis.get_ylim())
        axis.tick_params(axis="x", pad=8)  # below the first number of the other axis
        ends = {label: (float(line.index[-1]), float(line["middle"].iloc[-1])) for label, line in lines.items()}
        style.labels(axis, ends, {label: color for label, (color, _) in looks.items()}, right=True)
    style.title(figure, *words)
    return figure
