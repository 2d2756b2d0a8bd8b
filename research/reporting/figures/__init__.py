"""The figures, by the names that experiments list in `figures`; nothing else imports matplotlib.

They can be read from the back row: large type, labels at the lines, color-blind safe colors (Okabe & Ito 2008); where
cells are compared, the color says which cell and the line style which variant of it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from research.reporting.comparison import Comparison
from research.reporting.figures import alignment, errors, overlay, parts
from research.reporting.figures.alignment import Alignment
from research.reporting.figures.alignments import alignments
from research.reporting.figures.by_key import metric_by_key
from research.reporting.figures.curves import metric_by_time
from research.reporting.figures.gradients import gradient_heatmaps, gradient_profiles
from research.reporting.figures.lyapunov import critical_gain
from research.reporting.figures.pareto import pareto_front
from research.reporting.figures.style import STYLE

TIMELESS: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""What is left out of the files, so that the same runs give the same bytes."""

FIGURES: dict[str, Callable[..., Figure | None]] = {
    "gradient_profiles": gradient_profiles,
    "gradient_profiles_trained": partial(gradient_profiles, when="last"),
    "gradient_profiles_cell_state": partial(gradient_profiles, part="c"),
    "gradient_heatmaps": gradient_heatmaps,
    "critical_gain": critical_gain,
    "error_by_length": partial(errors.by_length, kind="free_running_error_rate"),
    "error_by_position": errors.error_by_position,
    "bleu_by_length": partial(errors.by_length, kind="bleu"),
    "metric_by_time": metric_by_time,
    "gradient_by_layer": parts.gradient_by_layer,
    "attention_share": parts.attention_share,
    "memory_horizons": parts.memory_horizons,
    "exposure_bias_gap": errors.exposure_bias_gap,
    "forced_and_free": errors.forced_and_free,
    "alignments": alignments,
    "metric_by_key": metric_by_key,
    "pareto_front": pareto_front,
}


AT = ("gradient_profiles", "gradient_profiles_cell_state")
"""Figures that can be drawn at any training step."""
AXES = ("metric_by_key", "pareto_front")
"""Figures whose axes can be chosen."""
OF_EXAMPLES = ("alignments",)
"""Figures of what runs predict for examples."""


def draw(name: str, comparison: Comparison, **options: Any) -> Figure | None:
    """Return the figure of that name; None when the runs hold nothing to draw in it.

    Args:
        name: of the figure.
        comparison: the runs.
        options: `when`, the training step, of the figures in `AT`; `x` and `y` of those in `AXES`; `examples`,
            by the path of their run, of those in `OF_EXAMPLES`.
    """
    with matplotlib.rc_context(STYLE):
        return FIGURES[name](comparison, **options)


def draw_alignment(content: Alignment, path: Path) -> None:
    """Write the figure of an alignment, in the format that the path's suffix names."""
    with matplotlib.rc_context(STYLE):
        _write(alignment.draw(content), path)


def draw_overlay(
    curves: Mapping[str, pd.DataFrame], profiles: overlay.Profiles, labels: Mapping[str, str], path: Path
) -> None:
    """Write the figure of single runs, in the format that the path's suffix names."""
    with matplotlib.rc_context(STYLE):
        _write(overlay.draw(curves, profiles, labels), path)


def save(figure: Figure, folder: Path, name: str, formats: Sequence[str] = ()) -> list[Path]:
    """Write the figure as PNG with 150 dpi, and in the formats that are given; return the paths, PNG first."""
    paths = [folder / f"{name}.{suffix}" for suffix in ("png", *formats)]
    with matplotlib.rc_context(STYLE):
        if engine := figure.get_layout_engine():  # once, not at each of the two times that a file is drawn
            engine.execute(figure)
            figure.set_layout_engine(None)
        for path in paths:
            _write(figure, path)
    return paths


def _write(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=150, facecolor="white", metadata=TIMELESS.get(path.suffix))
