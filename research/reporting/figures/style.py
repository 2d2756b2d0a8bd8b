"""How all figures look: type, colours, layout, labels at the lines."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from research.reporting.aggregate import Row
from research.reporting.profiles import spread

STYLE: dict[Any, Any] = {
    "font.size": 17,
    "axes.titlesize": 18,
    "axes.titleweight": "bold",
    "axes.labelsize": 17,
    "axes.spines.top": False,
    "axes.linewidth": 1.2,
    "figure.titlesize": 23,
    "figure.titleweight": "bold",
    "lines.linewidth": 3.2,
    "lines.solid_capstyle": "round",
    "svg.hashsalt": "research",  # the same runs give the same bytes
    "svg.fonttype": "none",
}
COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CELLS = ("rnn", "lstm", "gru")
"""Cells with a fixed colour, the first ones of COLORS; others take the next."""
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))


def grid(
    panels: int, left: float, right: float, columns: int = 0, inner: float = 6.6, tall: float = 4.6
) -> tuple[Figure, list[Axes]]:
    """Panels of `inner` x `tall` inches, each with room beside it, in inches, for its labels.

    Args:
        columns: 0: one for one panel, else two.
    """
    columns = columns or (1 if panels == 1 else 2)
    rows = math.ceil(panels / columns)
    above, below, top, bottom = 0.6, 0.85, 0.75, 0.5
    width, height = columns * (left + inner + right), top + rows * (above + tall + below) + bottom
    figure = Figure(figsize=(width, height))
    axes = []
    for panel in range(panels):
        down, across = divmod(panel, columns)
        x = across * (left + inner + right) + left
        y = height - top - above - tall - down * (above + tall + below)
        axes.append(figure.add_axes((x / width, y / height, inner / width, tall / height)))
    return figure, axes


def title(figure: Figure, title: str, note: str) -> None:
    """The title above and an explanation below, as large as the width of the figure allows."""
    width, height = figure.get_size_inches()

    def points(words: str, most: float, em: float) -> float:
        return min(most, 72 * (width - 0.5) / (em * len(words)))

    figure.text(0.25 / width, 1 - 0.2 / height, title, fontsize=points(title, 23, 0.62), weight="bold", va="top")
    figure.text(0.25 / width, 0.2 / height, note, fontsize=points(note, 15, 0.53), color="#444444")


def key(figure: Figure, colors: Mapping[str, str]) -> None:
    """What the colours are, below the title, where labels at the lines would be in each other's way."""
    width, height = figure.get_size_inches()
    x = 0.25
    for name, color in colors.items():
        figure.text(x / width, 1 - 0.6 / height, f"● {name}", color=color, fontsize=17, weight="bold", va="top")
        x += 0.135 * len(name) + 0.6


def looks(rows: Sequence[Row]) -> dict[str, tuple]:
    """Colour and line style by label: colour by cell where cells are compared, else by row."""
    cells = dict.fromkeys(str(row.options.get("model.cell")) for row in rows)
    by_label = {row.label: str(row.options.get("model.cell")) for row in rows}
    if len(cells) < 2:
        return {label: (COLORS[place % len(COLORS)], "-") for place, label in enumerate(by_label)}
    others = [cell for cell in cells if cell not in CELLS]
    color = {cell: COLORS[(CELLS + tuple(others)).index(cell) % len(COLORS)] for cell in cells}
    seen: dict[str, int] = {}
    looks = {}
    for label, cell in by_label.items():
        looks[label] = (color[cell], DASHES[seen.get(cell, 0) % len(DASHES)])
        seen[cell] = seen.get(cell, 0) + 1
    return looks


def labels(
    axis: Axes,
    lines: Sequence,
    at: float | list[float],
    wanted: list[float],
    looks: dict,
    limits: tuple[float, float],
    right: bool,
) -> None:
    """Names beside the ends of their lines, moved apart where they would overlap, with a thin leader to the line."""
    low, high = limits
    gap = (high - low) * 0.075
    places = spread(wanted, gap, low + gap / 3, high - gap / 3)
    ends = at if isinstance(at, list) else [at] * len(lines)
    for line, end, start, place in zip(lines, ends, wanted, places, strict=True):
        color = looks[line.row.label][0]
        leader = {"arrowstyle": "-", "color": color, "lw": 1.4, "shrinkA": 1, "shrinkB": 5 if right else 1}
        axis.annotate(line.row.label, (end, start), (1.05 if right else -0.05, place), color=color, weight="bold",
                      textcoords=axis.get_yaxis_transform(), ha="left" if right else "right", va="center", fontsize=16,
                      arrowprops=leader | {"relpos": (0 if right else 1, 0.5)}, annotation_clip=False)  # fmt: skip
