"""The figures, by the names that experiments give in `figures`; nothing else imports matplotlib.

Made to be read from the back row: large type, labels at the lines, colour-blind safe colours (Okabe & Ito 2008); the
colour says which cell and the line style which initialisation.
"""

from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from research.reporting.aggregate import Group
from research.reporting.figures import alignment
from research.reporting.figures.alignment import Alignment
from research.reporting.figures.courses import metric_by_time
from research.reporting.figures.errors import (
    bleu_by_length,
    error_by_length,
    error_by_position,
    forced_and_free,
    forcing_gap,
)
from research.reporting.figures.gradients import gradient_heatmaps, gradient_profiles
from research.reporting.figures.style import STYLE

FIGURES: dict[str, Callable[[Group], Figure | None]] = {
    "gradient_profiles": gradient_profiles,
    "gradient_profiles_trained": lambda group: gradient_profiles(group, when="last"),
    "gradient_profiles_cell_state": lambda group: gradient_profiles(group, part="c"),
    "gradient_heatmaps": gradient_heatmaps,
    "error_by_length": error_by_length,
    "error_by_position": error_by_position,
    "bleu_by_length": bleu_by_length,
    "metric_by_time": metric_by_time,
    "forcing_gap": forcing_gap,
    "forced_and_free": forced_and_free,
}


def draw(name: str, group: Group) -> Figure | None:
    """The figure of that name; None when the runs hold nothing to draw in it."""
    with matplotlib.rc_context(STYLE):
        return FIGURES[name](group)


def draw_alignment(found: Alignment, path: Path) -> None:
    """Write the figure of an alignment, in the format that the path's suffix names."""
    with matplotlib.rc_context(STYLE):
        figure = alignment.draw(found)
        figure.savefig(path, dpi=150, facecolor="white", metadata={"Date": None} if path.suffix == ".svg" else None)


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write the figure as PNG (150 dpi) and SVG; returns the paths."""
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    with matplotlib.rc_context(STYLE):
        figure.savefig(paths[0], dpi=150, facecolor="white")
        figure.savefig(paths[1], facecolor="white", metadata={"Date": None})
    return paths
