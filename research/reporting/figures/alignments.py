"""What the rows of a table attend to: an alignment for each row (down) and each of a few examples (across)."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from research.errors import UserError
from research.reporting.comparison import Comparison
from research.reporting.figures import alignment, fonts, style
from research.reporting.figures.alignment import Alignment
from research.reporting.interactive.examples import Example

MAX_ROWS = 8
CELL = 0.34
"""Inches of a token and of a labeled step of the source, within the bounds of a panel."""
BOUNDS = (2.2, 9.0)
"""Least and most inches of a panel."""

Row = tuple[str, str, Sequence[Example]]
"""Section, label of the row, and examples that have an alignment."""


def alignments(comparison: Comparison, examples: Mapping[Path, Sequence[Example]]) -> Figure:
    """Draw the attention as heat maps, with the source's symbols across and the predicted ones down.

    Args:
        comparison: the runs.
        examples: of one run of each row, by its path; those of a section are the same ones in the same order.

    Raises:
        UserError: if there is no attention in any of them.
    """
    rows: list[Row] = []
    trials = comparison.trials
    for run, section, label in zip(trials["run"], trials["heading"], trials["row"], strict=True):
        if found := [example for example in examples.get(run.path, ()) if example.alignment]:
            rows.append((str(section), str(label), found))
    if not rows:
        raise UserError("none of the runs has predictions with attention over the input")
    if len(rows) > MAX_ROWS:
        warnings.warn(f"the first {MAX_ROWS} of {len(rows)} rows; --where chooses others", stacklevel=2)
    shown = rows[:MAX_ROWS]
    words = [text for *names, found in shown for text in (*names, *(text for x in found for text in _texts(x)))]
    families = fonts.families("".join(words))
    with matplotlib.rc_context({"font.family": families}):
        return _draw(shown, families, style.looks(comparison))


def _draw(rows: Sequence[Row], families: list[str], looks: style.Looks) -> Figure:
    contents = [[_content(example) for example in found] for *_, found in rows]
    columns = max(map(len, contents))
    heights = [max(_inches(len(content.predicted)) for content in row) for row in contents]
    widths = [
        max(_inches(len(row[place].labels or range(14))) for row in contents if place < len(row))
        for place in range(columns)
    ]
    figure = Figure(figsize=(sum(widths) + columns + 1, sum(heights) + len(rows) + 1.4), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False, width_ratios=widths, height_ratios=heights)
    for down, (section, label, found) in enumerate(rows):
        for across, axis in enumerate(axes[down]):
            if across >= len(found):
                axis.remove()
                continue
            content = contents[down][across]
            tokens, labels = (alignment.names(texts, families) for texts in (content.predicted, content.labels or ()))
            size = alignment.points(0.9 * heights[down] / len(tokens))
            alignment.heat_map(axis, content, tokens, size, float(np.max(content.weights, initial=0)) or 1.0)
            if labels:
                size = alignment.points(0.9 * widths[across] / len(labels))
                upright = max(map(len, labels)) <= 2
                alignment.name_ticks(axis.xaxis, labels, content.edges[-1], size, 0 if upright else 90)
            else:
                axis.set_xlabel(content.name, parse_math=False, fontsize=12)
                axis.tick_params(axis="x", labelsize=12)
            if not down or section != rows[down - 1][0]:  # the examples are those of the panels above
                reference = fonts.drawable(found[across].line["reference"], families)
                axis.set_title(alignment.short(reference, int(7 * widths[across])), fontsize=14, parse_math=False)
        name = ": ".join([section] * (len({row[0] for row in rows}) > 1 and bool(section)) + [label])
        axes[down, 0].set_ylabel(name, color=looks[label][0], weight="bold", parse_math=False)
    note = "Above: the reference. Down: the prediction. White: no attention; darkest: the highest weight of the panel."
    style.title(figure, "Attention over the input (across) at each predicted token (down)", note)
    return figure


def _content(example: Example) -> Alignment:
    assert example.alignment is not None
    return example.alignment


def _texts(example: Example) -> list[str]:
    content = _content(example)
    return [*content.predicted, *(content.labels or ()), content.name, example.line["reference"]]


def _inches(count: int) -> float:
    return float(np.clip(CELL * count, *BOUNDS))
