"""Profiles and errors of the rows of a comparison, as JSON."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from research.reporting import measures
from research.reporting.interactive.thinning import number, spread

MAX_UPDATES, MAX_TIMES = 24, 96
"""Training steps of profiles, and time steps of each."""
MAX_NORMS = 600_000
"""Numbers of all profiles together."""


def profiles(sections: Sequence[pd.DataFrame], variants: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the profiles of each section by name, as decades."""
    measured = [
        {str(label): measures.profiles(row) for label, row in section.groupby("row", sort=False)}
        for section in sections
    ]
    bands = sum(
        2 * (len(next(iter(table.values()))) > 1) + 1
        for rows in measured
        for row in rows.values()
        for table in row.values()
    )
    fraction = MAX_NORMS / max(1, bands * MAX_UPDATES * MAX_TIMES)
    updates, times = (max(2, int(most * min(1, math.sqrt(fraction)))) for most in (MAX_UPDATES, MAX_TIMES))
    drawn = []
    for rows in measured:
        names = dict.fromkeys(name for tables in rows.values() for name in tables)
        tables = {name: {variants[label]: row[name] for label, row in rows.items() if name in row} for name in names}
        drawn.append({name: _profile(table, updates, times) for name, table in tables.items()})
    return drawn


def _profile(table: Mapping[int, Mapping[int, np.ndarray]], updates: int, times: int) -> dict[str, Any]:
    """Return a profile of the variants at some updates: middle, and low and high where there are several seeds."""
    steps = sorted({step for norms in table.values() for step in norms})
    steps = [steps[place] for place in spread(len(steps), updates)]
    length = max(norms.shape[1] for by_step in table.values() for norms in by_step.values())
    places = spread(length, times)
    lines: dict[str, list[Any]] = {}
    middles = [np.zeros(0)]
    for variant, by_step in table.items():
        lines[str(variant)] = []
        for step in steps:
            norms = by_step.get(step)
            if norms is None:
                lines[str(variant)].append(None)
                continue
            shown = norms[:, [place for place in places if place < norms.shape[1]]]
            missing = np.isnan(shown).any(axis=0)
            curves = [measures.median(shown)] + [shown.min(axis=0), shown.max(axis=0)] * (len(shown) > 1)
            decades = [np.where(missing, np.nan, measures.logarithm(curve)) for curve in curves]
            middles.append(decades[0])
            lines[str(variant)].append([len(shown), *([number(x, 2) for x in line] for line in decades)])
    return {"steps": steps, "times": places, "lines": lines, "scale": measures.color_scale(np.concatenate(middles))}


def errors(section: pd.DataFrame, variants: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the free-running error of each row by the length of the input, and by the position in the target."""
    plots = []
    names = {"length": section["task"].iloc[0].length_unit, "position": "position in the target"}
    for by, name in names.items():
        lines = measures.errors(section, by, "free_running_error_rate")
        if lines:
            parts = {
                str(variants[label]): {
                    "x": [
                        f"{first}" if first == last else f"{first}–{last}"
                        for first, last in zip(line["first"], line["last"], strict=True)
                    ],
                    **{part: [number(100 * x) for x in line[part]] for part in ("low", "middle", "high")},
                }
                for label, line in lines.items()
            }
            plots.append({"by": name, "lines": parts})
    return plots
