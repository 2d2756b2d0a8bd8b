"""What rows, sections and config values are called in tables and figures."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportReturnType=false

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from research.config.naming import RUN_KEYS, run_id
from research.reporting.numbers import DASH


def label(value: Any) -> str:
    """Return the value of an option in words: "base" for none, a dash for a choice that does not have the option."""
    if isinstance(value, float):
        return DASH if math.isnan(value) else f"{value:g}"
    return str(value) or "base"


def key_titles(keys: Sequence[str]) -> list[str]:
    """Return short names of config keys, "cell" for "cell.name"; of those that are alike two words: "gates every"."""
    paths = [key.removesuffix(".name").replace("_", " ").split(".") for key in keys]
    ends = Counter(path[-1] for path in paths)
    titles = [" ".join(path[-1 - (ends[path[-1]] > 1) :]) for path in paths]
    return [key if titles.count(title) > 1 else title for key, title in zip(keys, titles, strict=True)]


def key_cells(trials: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return the values of the keys in words, in full where short ones would be alike."""
    full = trials[list(keys)]
    short = full.apply(lambda column: column.map(_run_label if column.name in RUN_KEYS else label))
    alike = [key for key in keys if short[key].nunique() < full[key].nunique(dropna=False)]
    return short.assign(**{key: full[key].astype(str) for key in alike})


def _run_label(path: Any) -> str:
    return label(run_id(path) if isinstance(path, str) else path)


def row_labels(trials: pd.DataFrame, keys: Sequence[str], named: bool = False) -> pd.Series:
    """Return the label of each trial's row: "lstm, gain 0.9": only numbers have the names of their keys, or all."""
    cells = key_cells(trials, keys)
    for key, title in zip(keys, key_titles(keys), strict=True):
        is_word = trials[key].map(lambda value: isinstance(value, str) and not named)
        cells[key] = cells[key].where(is_word, f"{title} " + cells[key]).where(trials[key].notna(), "")
    return pd.Series([", ".join(filter(None, row)) for row in cells.to_numpy()], cells.index)
