"""What a decoder looks at: the weights of the attention, over the source (across) at each token that is said (down)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from research.reporting.figures import fonts, style

COLOR_MAP = LinearSegmentedColormap.from_list("attention", ["white", style.COLORS[1], "#00243A"])
CELL = 0.4
"""Inches of a row, and of a column with a label, as long as there are not too many."""
SMALLEST = 8
"""Points of a label; where there is no room for it, not all rows or columns have one."""
BELOW: dict[str, tuple[str, Literal["lower", "upper"]]] = {"sound": ("magma", "lower"), "image": ("gray", "upper")}
"""How a picture is drawn: its colours, and the side that its first row is at."""


@dataclass(frozen=True)
class Alignment:
    """All that is drawn."""

    weights: np.ndarray
    """[U, S]: of each token that is said, over the encoder's states."""
    said: Sequence[str]
    """A label for each token."""
    edges: np.ndarray
    """[S + 1]: where along the source the states begin, and where the last one ends."""
    name: str
    """Of the source's axis, with its unit."""
    title: str
    labels: Sequence[str] | None = None
    """Of the steps of the source, where they have such."""
    picture: np.ndarray | None = None
    """[rows, steps]: the source as it looks."""
    kind: str = "sound"
    """Of the picture: a key of `BELOW`."""
    heights: Mapping[str, float] = field(default_factory=dict)
    """Labels up the picture, and where, in rows."""


def draw(found: Alignment) -> Figure:
    """The weights, above the source's picture or its labels."""
    texts = [*found.said, *(found.labels or ()), found.name, found.title]
    families = fonts.families("".join(texts))
    with matplotlib.rc_context({"font.family": families}):
        return _drawn(found, families)


def _drawn(found: Alignment, families: list[str]) -> Figure:
    said, labels = ([_label(one, families) for one in many] for many in (found.said, found.labels or ()))
    inner = float(np.clip(CELL * len(labels), 4.5, 24)) if labels else 10.0
    tall = float(np.clip(CELL * len(said), 1.6, 24))
    down = _points(tall / len(said))
    left = 0.55 + 0.011 * down * max(map(len, said))
    strip = _strip(found.picture, found.kind, inner)
    across = _points(inner / len(labels)) if labels else 15
    upright = max(map(len, labels), default=1) <= 2
    name = 0.75 if strip or not labels else 0.4 if found.name else 0.0
    below = name + (strip + 0.15 if strip else 0.35 if upright else 0.011 * across * max(map(len, labels)))
    width, height = left + inner + 0.4, 0.8 + tall + below + 0.5
    figure = Figure(figsize=(width, height))
    axis = figure.add_axes((left / width, (0.5 + below) / height, inner / width, tall / height))
    most = float(np.max(found.weights, initial=0)) or 1.0
    lines = {"edgecolors": "#E4E4E4", "linewidth": 0.6} if labels and min(down, across) >= 12 else {}
    axis.pcolormesh(found.edges, np.arange(len(said) + 1), found.weights, cmap=COLOR_MAP, vmin=0, vmax=most,
                    rasterized=True, **lines)  # fmt: skip
    axis.set(ylim=(len(said), 0), xlim=(found.edges[0], found.edges[-1]))
    _name_rows(axis, said, down)
    if found.picture is not None:
        axis.tick_params(axis="x", labelbottom=False, length=0)
        place = (left / width, (0.5 + name) / height, inner / width, strip / height)
        axis = _picture(figure.add_axes(place), found)
    if labels:
        _name_columns(axis, labels, found.edges[-1], across, upright)
    axis.set_xlabel(found.name, parse_math=False)
    note = f"Down: what is said. White: no attention; darkest: {most:.2f}."
    style.title(figure, _short(fonts.drawable(found.title, families), int(6.5 * width)), note)
    figure.texts[0].set_parse_math(False)
    return figure


def _name_rows(axis: Axes, said: list[str], points: float) -> None:
    every = max(1, math.ceil(SMALLEST / points))
    rows = range(0, len(said), every)
    axis.set_yticks(
        [row + 0.5 for row in rows], [said[row] for row in rows], fontsize=max(points, SMALLEST), parse_math=False
    )
    axis.tick_params(axis="y", length=0)
    axis.spines[:].set_visible(False)


def _name_columns(axis: Axes, labels: list[str], end: float, points: float, upright: bool) -> None:
    """A label at the middle of each step; as many as have room."""
    every = max(1, math.ceil(SMALLEST / points))
    steps = range(0, len(labels), every)
    middles = [(step + 0.5) * end / len(labels) for step in steps]
    axis.set_xticks(middles, [labels[step] for step in steps], fontsize=max(points, SMALLEST), parse_math=False,
                    rotation=0 if upright else 90)  # fmt: skip
    axis.tick_params(axis="x", length=0)


def _picture(axis: Axes, found: Alignment) -> Axes:
    assert found.picture is not None
    colors, origin = BELOW[found.kind]
    rows = len(found.picture)
    extent = (float(found.edges[0]), float(found.edges[-1]), *((0, rows) if origin == "lower" else (rows, 0)))
    axis.imshow(found.picture, cmap=colors, origin=origin, extent=extent, aspect="auto", interpolation="nearest")
    axis.set_yticks([*found.heights.values()], [*found.heights], fontsize=SMALLEST)
    axis.tick_params(axis="y", length=3 if found.heights else 0)
    axis.spines[:].set_visible(False)
    return axis


def _strip(picture: np.ndarray | None, kind: str, inner: float) -> float:
    """Inches that a picture is tall: an image keeps its form, within bounds."""
    if picture is None:
        return 0.0
    return 1.8 if kind == "sound" else float(np.clip(inner * picture.shape[0] / picture.shape[1], 0.6, 6.0))


def _points(inches: float) -> float:
    """The size of a label that has so much room, across the direction it is read in."""
    return min(16.0, 72 * inches * 0.62)


def _label(text: str, families: list[str]) -> str:
    return _short(fonts.drawable(text.replace(" ", "␣") or "∅", families), 24)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(1, most - 1)] + "…"
