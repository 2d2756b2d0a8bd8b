"""What a decoder attends to: the weights over the source (across) at each predicted token (down)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from research.reporting.figures import fonts, style

COLOR_MAP = LinearSegmentedColormap.from_list("attention", ["white", style.COLORS[1], "#00243A"])
CELL = 0.4
"""Inches of a row, and of a column with a label, as long as there are not too many."""
SMALLEST = 8
"""Points of a label; where there is no room for it, not all rows or columns have one."""
PICTURES: dict[str, tuple[str, Literal["lower", "upper"]]] = {"audio": ("magma", "lower"), "image": ("gray", "upper")}
"""How a picture is drawn: its colors, and the side that its first row is at."""


@dataclass(frozen=True)
class Alignment:
    """What an alignment figure shows."""

    weights: np.ndarray
    """[U, S]: at each predicted token, over the encoder's states."""
    predicted: Sequence[str]
    """A label for each token."""
    edges: np.ndarray
    """[S + 1]: where along the source the states start, and where the last one ends."""
    name: str
    """Name of the source's axis, with its unit."""
    title: str
    labels: Sequence[str] | None = None
    """A label for each step of the source, where there are such."""
    picture: np.ndarray | None = None
    """[rows, steps]: the source as it looks."""
    kind: str = "audio"
    """Kind of the picture: a key of `PICTURES`."""
    heights: Mapping[str, float] = field(default_factory=dict)
    """Labels up the picture, and where, in rows."""


def draw(content: Alignment) -> Figure:
    """Return a figure of the weights, above the source's picture or its labels."""
    texts = [*content.predicted, *(content.labels or ()), content.name, content.title]
    families = fonts.families("".join(texts))
    with matplotlib.rc_context({"font.family": families}):
        return _draw(content, families)


def _draw(content: Alignment, families: list[str]) -> Figure:
    tokens, labels = names(content.predicted, families), names(content.labels or (), families)
    inner = float(np.clip(CELL * len(labels), 4.5, 24)) if labels else 10.0
    tall = float(np.clip(CELL * len(tokens), 1.6, 24))
    down = points(tall / len(tokens))
    left = 0.55 + 0.011 * down * max(map(len, tokens))
    strip = 0.0 if content.picture is None else 1.8
    if content.picture is not None and content.kind == "image":  # it keeps its form, within bounds
        strip = float(np.clip(inner * content.picture.shape[0] / content.picture.shape[1], 0.6, 6.0))
    across = points(inner / len(labels)) if labels else 15
    upright = max(map(len, labels), default=1) <= 2
    name = 0.75 if strip or not labels else 0.4 if content.name else 0.0
    below = name + (strip + 0.15 if strip else 0.35 if upright else 0.011 * across * max(map(len, labels)))
    width, height = left + inner + 0.4, 0.8 + tall + below + 0.5
    figure = Figure(figsize=(width, height))
    axis = figure.add_axes((left / width, (0.5 + below) / height, inner / width, tall / height))
    most = float(np.max(content.weights, initial=0)) or 1.0
    heat_map(axis, content, tokens, down, most, lines=bool(labels) and min(down, across) >= 12)
    if content.picture is not None:
        axis.tick_params(axis="x", labelbottom=False, length=0)
        place = (left / width, (0.5 + name) / height, inner / width, strip / height)
        axis = figure.add_axes(place)
        colors, origin = PICTURES[content.kind]
        rows = len(content.picture)
        extent = (float(content.edges[0]), float(content.edges[-1]), *((0, rows) if origin == "lower" else (rows, 0)))
        axis.imshow(content.picture, cmap=colors, origin=origin, extent=extent, aspect="auto", interpolation="nearest")
        axis.set_yticks([*content.heights.values()], [*content.heights], fontsize=SMALLEST)
        axis.tick_params(axis="y", length=3 if content.heights else 0)
        axis.spines[:].set_visible(False)
    if labels:
        name_ticks(axis.xaxis, labels, content.edges[-1], across, rotation=0 if upright else 90)
    axis.set_xlabel(content.name, parse_math=False)
    note = f"Down: the prediction. White: no attention; darkest: {most:.2f}."
    style.title(figure, short(fonts.drawable(content.title, families), int(6.5 * width)), note)
    figure.texts[0].set_parse_math(False)
    return figure


def names(texts: Sequence[str], families: list[str]) -> list[str]:
    """Return the texts as labels that the fonts have, and that are not too long."""
    return [short(fonts.drawable(text.replace(" ", "␣") or "∅", families), 24) for text in texts]


def heat_map(axis: Axes, content: Alignment, tokens: list[str], size: float, most: float, lines: bool = False) -> None:
    """Draw the weights and name the tokens.

    Args:
        axis: to draw on.
        content: with the weights.
        tokens: labels of its rows.
        size: of these labels, in points.
        most: the weight of the darkest color.
        lines: whether there are lines between the cells.
    """
    look = {"edgecolors": "#E4E4E4", "linewidth": 0.6} if lines else {}
    axis.pcolormesh(content.edges, np.arange(len(tokens) + 1), content.weights, cmap=COLOR_MAP, vmin=0, vmax=most,
                    rasterized=True, **look)  # fmt: skip
    axis.set(ylim=(len(tokens), 0), xlim=(content.edges[0], content.edges[-1]))
    name_ticks(axis.yaxis, tokens, len(tokens), size)
    axis.spines[:].set_visible(False)


def name_ticks(axis: Axis, labels: list[str], end: float, size: float, rotation: int = 0) -> None:
    """Write a label at the middle of each row or column; as many as have room."""
    shown = range(0, len(labels), max(1, math.ceil(SMALLEST / size)))
    middles = [(place + 0.5) * end / len(labels) for place in shown]
    look = {"fontsize": max(size, SMALLEST), "parse_math": False, "rotation": rotation}
    axis.set_ticks(middles, [labels[place] for place in shown], **look)
    axis.set_tick_params(length=0)


def points(inches: float) -> float:
    """Return the size of a label that has so much room, across the direction it is read in."""
    return min(16.0, 72 * inches * 0.62)


def short(text: str, most: int) -> str:
    """Return the text, cut to so many characters."""
    return text if len(text) <= most else text[: max(1, most - 1)] + "…"
