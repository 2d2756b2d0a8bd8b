"""What `train` prints of a summary: the scores first, of the probes a few metrics and how many more there are."""

import fnmatch
from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from research.config.experiment import Column
from research.reporting.columns import repeated

SECTIONS = ("test", "validation", "train", "model")
"""Those that come first; the others follow as the summary has them."""
MOST = 6
"""Metrics of a probe that are printed."""
SCORES = 3
"""Scores in the line that ends a training."""


def choose(summary: Mapping[str, Any], columns: Sequence[Column]) -> tuple[list[str], Counter[str]]:
    """Return the names of the metrics to print, in order, and how many are left out of each section.

    All are printed except those of probes with more than `MOST` metrics: of these, the columns of the experiment, or
    else the first ones. Metrics that a probe has twice, as its last ones and as the `final` ones, count once.
    """
    twice = {*repeated(summary)}
    probes: dict[str, list[str]] = {}
    ranks: dict[str, tuple[int, bool]] = {}
    sections = [*SECTIONS, *dict.fromkeys(name.partition("/")[0] for name in summary)]
    for name in summary:
        section, *path = name.split("/")
        if path[:1] in (["initial"], ["final"]):
            probes.setdefault(section, []).append(name)
        ranks[name] = (sections.index(section), "baseline" in path)
    hidden: Counter[str] = Counter()
    for section, names in probes.items():
        if len(names) > MOST:
            keys = [column.key for column in columns]
            shown = [name for key in keys for name in fnmatch.filter(names, key)] or names
            hidden[section] = len(names) - len(shown[:MOST])
            twice |= {*names} - {*shown[:MOST]}
    return sorted((name for name in summary if name not in twice), key=ranks.__getitem__), hidden


def scores(summary: Mapping[str, Any], columns: Sequence[Column]) -> str:
    """Return the scores of a trial and its training time in a line: `test/loss 0.0123, test/accuracy 0.9; 12.3 s`.

    The scores are those on test data that are columns of the experiment, or else the first ones.
    """
    numbers = (name for name, value in summary.items() if isinstance(value, Real))
    tested = [name for name in numbers if name.startswith("test/") and "/baseline/" not in name]
    shown = [name for column in columns for name in fnmatch.filter(tested, column.key)] or tested
    line = ", ".join([f"{name} {summary[name]:.4g}" for name in dict.fromkeys(shown)][:SCORES])
    seconds = summary.get("train/seconds")
    return line if seconds is None else "; ".join(filter(None, (line, f"{seconds:.3g} s of training")))
