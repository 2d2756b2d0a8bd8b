"""Charts of the gradient profile over t and over training, for W&B and TensorBoard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from research.probes.gradient_flow import TINY, regular

HUGE = float(np.finfo(np.float32).max)
HEATMAP_ROWS, HEATMAP_COLUMNS = 24, 256
LINES, COMPARED_RECORDS, POINTS = 5, 12, 64
"""W&B advises at most 10,000 rows for a table that a chart reads. One panel reads the tables of all runs of a sweep."""
COLORS = (-10, 4)
"""Colors of heat maps, in decades: the same for all runs, so that they can be compared."""
TIME = "t (the loss follows the last step that is drawn)"
PIXELS = (240, 768)
"""Rows and columns that an image has about."""
BEYOND = {-np.inf: ("underflow", "#BDBDBD"), np.inf: ("overflow", "#E8112D")}
"""What heat maps draw in a color of its own, by log10 of the norm: gray and red."""
MISSING = 255
"""White: a step that no sequence has."""


@dataclass(frozen=True)
class Profiles:
    """Records of `gradient_flow.jsonl`, and which of their profiles is drawn."""

    records: Sequence[Mapping[str, Any]]
    name: str
    """Such as "encoder/layer_1/forward/h"."""

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], name: str) -> "Profiles | None":
        """Return the records that have a profile; None if none has it."""
        found = [record for record in records if name in record]
        return cls(found, name) if found else None

    @property
    def names(self) -> list[str]:
        """The profiles of the last record, without those that are aligned to the start."""
        return [name for name in self.records[-1] if name != "step" and not name.endswith("/from_start")]

    @property
    def drawn(self) -> bool:
        """Whether charts are drawn after the last record: it has the profile, and the records have doubled."""
        count = len(self.records)
        return count.bit_count() == 1 and self.name in self.records[-1]


def lines(profiles: Profiles) -> tuple[list[int], list[list[float]], list[str], str]:
    """Return t, log10 ||dL/dh_t|| at a few training steps (the first, the last), their names and a title."""
    steps, times, decades, title = _drawable(profiles, LINES, POINTS)
    return times.tolist(), _clipped(decades[:, times]).tolist(), [f"step {step}" for step in steps], title


def points(profiles: Profiles) -> list[tuple[int, int, float]]:
    """Return the training step, t and log10 ||dL/dh_t|| of a few records and a few t, for charts that compare runs."""
    steps, times, decades, _ = _drawable(profiles, COMPARED_RECORDS, POINTS)
    return [(step, int(t), float(row[t])) for step, row in zip(steps, _clipped(decades), strict=True) for t in times]


def heatmap(profiles: Profiles) -> Any:
    """Return a Plotly heat map of log10 ||dL/dh_t|| over t and training steps."""
    import plotly.graph_objects as go

    steps, times, decades, title = _drawable(profiles, HEATMAP_ROWS, HEATMAP_COLUMNS)
    (low, high), finite = COLORS, np.isfinite(decades)
    outside = finite & ((decades < low) | (decades > high))
    if outside.any():
        title += f"; {outside.sum()} of {outside.size} outside the color scale, {low} to {high}"
    bar = {"title": {"text": quantity(profiles.name), "side": "right"}}
    shown = decades[:, times]
    shared = {"x": times.tolist(), "y": [str(step) for step in steps]}  # categories: steps need not be evenly spaced
    z = _cells(np.where(np.isfinite(shown), shown, np.nan))
    mesh = [go.Heatmap(**shared, z=z, zmin=low, zmax=high, colorscale="Viridis", colorbar=bar)]
    for value, (word, color) in BEYOND.items():
        if (shown == value).any():
            z, scale = _cells(np.where(shown == value, 0, np.nan)), [[0, color], [1, color]]
            mesh.append(go.Heatmap(**shared, z=z, colorscale=scale, showscale=False, name=word, hoverinfo="x+y+name"))
    layout = {
        "title": {"text": title.replace("; ", "<br>", 1), "font": {"size": 13}},
        "xaxis_title": TIME,
        "yaxis": {"title": "training step", "type": "category"},
    }
    return go.Figure(mesh, layout)


def _cells(values: np.ndarray) -> list[list[float | None]]:
    """Return the cells of a heat map; JSON has no NaN."""
    return [[None if value != value else value for value in row] for row in values.tolist()]


def image(profiles: Profiles) -> tuple[np.ndarray, str]:
    """Return the heat map as pixels [rows, columns, 3] of uint8, and its caption.

    The first step t is at the left, the first training step at the bottom; the colors are those of `heatmap`.
    """
    steps, times, decades, title = _drawable(profiles, HEATMAP_ROWS, HEATMAP_COLUMNS)
    low, high = COLORS
    caption = (
        f"{title}; columns: t from 0 to {decades.shape[1] - 1}; rows: training steps {steps[0]} (bottom) to {steps[-1]}"
    )
    shares = (decades[::-1, times] - low) / (high - low)
    return pixels(shares), f"{caption}; colors: {low} (dark) to {high}"


def pixels(shares: np.ndarray) -> np.ndarray:
    """Return an array [rows, columns] as an image of uint8: 0 dark, 1 light, `BEYOND`, NaN `MISSING`."""
    from plotly.colors import hex_to_rgb, sample_colorscale

    shades = np.array(sample_colorscale("Viridis", np.linspace(0, 1, 256).tolist(), colortype="tuple"))
    places = np.clip(shares, 0, 1) * 255
    image = (shades[np.nan_to_num(places).round().astype(int)] * 255).round().astype(np.uint8)
    image[np.isnan(places)] = MISSING
    for value, (_, color) in BEYOND.items():
        image[shares == value] = hex_to_rgb(color)
    height, width = (max(1, round(size / count)) for size, count in zip(PIXELS, places.shape, strict=True))
    return image.repeat(height, 0).repeat(width, 1)


def quantity(profile: str) -> str:
    """Return the label of a profile such as "encoder/layer_1/forward/c"."""
    return f"log10 ‖∂L/∂{profile.rpartition('/')[2]}_t‖"


def _drawable(profiles: Profiles, most_rows: int, most_times: int) -> tuple[list[int], np.ndarray, np.ndarray, str]:
    """Return some of the training steps, the t that are drawn, the decades [rows, T] and a title.

    Decades are log10 of the norms: -inf and inf for what float32 cannot hold, which the title counts, and NaN where no
    sequence has the step.
    """
    steps, norms = heatmap_rows(profiles.records, profiles.name, most_rows)
    with np.errstate(divide="ignore"):
        decades = np.log10(regular(norms)).round(2)
    title = f"{quantity(profiles.name)} of {profiles.name}"
    for value, (word, _) in BEYOND.items():
        if count := (decades == value).sum():
            title += f"; {count} of {decades.size} {word}"
    return steps, _spread(norms.shape[1], most_times), decades, title


def _clipped(decades: np.ndarray) -> np.ndarray:
    """Return decades for lines, which draw underflow and overflow at the ends of float32."""
    return np.clip(decades, *np.log10([TINY, HUGE]).round(2))


def _spread(length: int, most: int) -> np.ndarray:
    """Return at most `most` evenly spaced indices of 0 .. length - 1, including both ends."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).round().astype(int))


def heatmap_rows(
    records: Sequence[Mapping[str, Any]], profile: str, most: int = 24
) -> tuple[list[int], NDArray[np.float64]]:
    """Return the training steps and norms [rows, T] of at most `most` records, evenly spaced from first to last.

    Zeros and infinities are kept. Records without the profile are ignored; without any, the norms are [0, 0].
    """
    chosen = [record for record in records if profile in record]
    if len(chosen) > most:
        rows = np.unique(np.linspace(0, len(chosen) - 1, most).round().astype(int))
        chosen = [chosen[row] for row in rows]
    if not chosen:
        return [], np.zeros((0, 0))
    return [int(record["step"]) for record in chosen], np.array([record[profile] for record in chosen], np.float64)
