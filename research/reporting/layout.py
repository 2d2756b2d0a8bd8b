"""Which runs a table has, and which config keys tell its rows and its sections apart, as a user asks for it."""
# pandas has no types of its own that a checker follows
# pyright: reportReturnType=false, reportArgumentType=false

import contextlib
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from research.errors import UserError, shorten
from research.reporting.runs import ADDED


@dataclass(frozen=True)
class Layout:
    """Config keys; empty: as the experiment, the sweep, or the runs decide."""

    rows: Sequence[str] = ()
    sections: Sequence[str] = ()
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Allowed values by key."""
    sort: str = ""
    """Metric by which rows are sorted, the best first."""

    def __post_init__(self) -> None:
        for name in ("rows", "sections"):
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))  # each once

    @property
    def regroups(self) -> bool:
        """Whether rows or sections are given."""
        return bool(self.rows or self.sections)


def select(trials: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """Return the trials that a layout allows.

    Raises:
        UserError: for a key that no run has, or a value that none of them has.
    """
    for option, keys in {"rows": layout.rows, "sections": layout.sections, "where": layout.where}.items():
        for key in keys:
            _require_key(trials, option, key)
    chosen = np.ones(len(trials), bool)
    for key, words in layout.where.items():
        hits = {word: trials[key].map(lambda value, word=word: _is(value, word)).to_numpy(bool) for word in words}
        for word, hit in hits.items():
            if not hit.any():
                values = dict.fromkeys(shorten(value, 20) for value in trials[key].dropna())
                more = ", …" if len(values) > 8 else ""
                allowed = f"the runs have {', '.join([*values][:8])}{more}"
                raise UserError(f"--where={key}={shorten(word)}: no run has this value; {allowed}")
        chosen &= np.any([*hits.values()], axis=0)
    if not chosen.any():
        raise UserError("--where: no run meets all conditions")
    return trials[chosen]


def require_numbers(trials: pd.DataFrame, x: str) -> None:
    """Reject an axis that is not a config key of the runs, or whose values are not numbers."""
    if not x:
        raise UserError("--x must be given with --figure=metric_by_key: a config key, such as task.length")
    _require_key(trials, "x", x)
    words = [value for value in trials[x].dropna() if isinstance(value, bool) or not isinstance(value, int | float)]
    if words:
        raise UserError(f"--x={x}: must be a config key whose values are numbers; a run has {shorten(words[0], 20)}")


def _require_key(trials: pd.DataFrame, option: str, key: str) -> None:
    known = list(trials.columns.drop(ADDED, errors="ignore"))
    if key not in known:
        close = ", ".join(difflib.get_close_matches(key, known, cutoff=0.0))
        raise UserError(f"--{option}={shorten(key)}: no run has this config key; the nearest are {close}")


def require_seeds_alone(options: pd.DataFrame, groups: Sequence[pd.Series], layout: Layout) -> None:
    """Reject rows whose runs differ in more than the seed: their mean would be over two things at once.

    Args:
        options: config values that differ, as texts.
        groups: section and row of each trial.
        layout: that made them.
    """
    keys = [key for key in options if key not in ("seed", "experiment", *layout.rows, *layout.sections)]
    differing = [key for key in keys if (options[key].groupby(groups).nunique(dropna=False) > 1).any()]
    differing = [key for key in differing if "." in key] or differing  # a variant is its options
    if differing:
        which = "rows" if layout.rows else "sections"
        words = f"{', '.join(differing[:4])}{', …' if len(differing) > 4 else ''}"
        mend = "add to --rows or --sections, or choose with --where"
        raise UserError(f"--{which}={','.join(getattr(layout, which))}: runs of a row differ in {words}; {mend}")


def _is(value: Any, word: str) -> bool:
    if isinstance(value, str) or value is None:
        return value == word
    with contextlib.suppress(ValueError):
        return float(value) == float(word)
    return str(value).lower() == word.lower()
