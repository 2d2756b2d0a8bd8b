"""The interactive page of a comparison: one HTML file with data, Plotly and a script inside, which needs no network.

What the page shows is measured here; `template.html` draws it. Profiles and curves are thinned to a fixed amount of
numbers, so that a page of hundreds of runs stays small.
"""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false

import html
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from research.config.experiment import Column, find_metric
from research.errors import UserError, escape
from research.reporting.comparison import Comparison, task_of
from research.reporting.interactive import plots
from research.reporting.interactive import table as table_of
from research.reporting.interactive.examples import Example, cards
from research.reporting.interactive.thinning import number, spread
from research.reporting.runs import ADDED
from research.reporting.tables import Table
from research.reporting.titles import with_unit
from research.tracking.run_directory import METRICS, RunDirectory

FOLDER = Path(__file__).parent
MAX_POINTS = 500_000
"""Points of all curves together."""
MAX_CURVES = 24
"""Metrics that have a curve."""
CURVE_POINTS = (20, 100)
"""Points of a curve: at least, if there are very many curves; at most."""
NO_CURVE = re.compile(r"/baseline/|^test/|^train/(seconds|updates_averaged)$|^gradient/profile_step$|^step$")
"""Metrics that do not change while a model trains, or are no results."""


def render(comparison: Comparison, table: Table, examples: Mapping[Path, Sequence[Example]]) -> str:
    """Return the page.

    Args:
        comparison: whose runs are shown.
        table: of the comparison.
        examples: by the run directory that has predicted them.
    """
    return fill(
        "report.html",
        _data(comparison, examples),
        title=html.escape(table.name),
        claim=html.escape(table.claim),
        tables="\n".join(table_of.lines(comparison, table)),
    )


def fill(template: str, data: Mapping[str, Any], **parts: str) -> str:
    """Return a page: a template with its parts in HTML, and with its data, style, script and Plotly."""
    import plotly.offline  # only when a page is written

    content = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    style, script = ((FOLDER / f"page.{suffix}").read_text(encoding="utf-8").rstrip() for suffix in ("css", "js"))
    parts |= {"data": content.replace("<", "\\u003c"), "style": style, "script": script}
    parts["plotly"] = plotly.offline.get_plotlyjs()
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], (FOLDER / template).read_text(encoding="utf-8"))


def _data(comparison: Comparison, examples: Mapping[Path, Sequence[Example]]) -> dict[str, Any]:
    """Return what the script draws, as JSON; rows, sections and runs are numbered in the order of the comparison."""
    from research.reporting.figures import style  # matplotlib, which takes a second

    trials, looks = comparison.trials, style.looks(comparison)
    variants = {str(label): place for place, label in enumerate(dict.fromkeys(trials["row"]))}
    names = {str(name): place for place, name in enumerate(dict.fromkeys(trials["section"]))}
    sections = comparison.sections
    shared, own = options(trials)
    records = [read_metrics(run) for run in trials["run"]]
    metrics = curve_names(records)
    points = int(np.clip(MAX_POINTS // max(1, len(records) * len(metrics)), *CURVE_POINTS))
    runs = [
        {
            "section": names[trial["section"]],
            "variant": variants[str(trial["row"])],
            "options": chosen,
            "shared": 0,
            "curves": {key: curve(lines, key, points) for key in metrics},
            **_result(trial, comparison.experiment.columns),
        }
        for (_, trial), chosen, lines in zip(trials.iterrows(), own, records, strict=True)
    ]
    return {
        "variants": [{"label": escape(label), **_look(looks[label])} for label in variants],
        "sections": [_title(section) for section in sections],
        "columns": [
            {"title": with_unit(column), "key": column.key, "percent": column.unit == "%"}
            for column in comparison.experiment.columns
        ],
        "shared": [shared],
        "runs": runs,
        "metrics": metrics,
        "profiles": plots.profiles(sections, variants),
        "errors": [plots.errors(section, variants) for section in sections],
        "examples": cards(sections, variants, examples),
    }


def _result(trial: pd.Series, columns: Sequence[Column]) -> dict[str, Any]:
    """Return name, seed and status of a run, and its value in each column that is not at equal time."""
    result = trial["result"]
    summary = result["summary"] if result else {}
    values = [None if column.equal == "time" else find_metric(summary, column.key) for column in columns]
    return {
        "name": escape(trial["run"].path.name),
        "path": escape(str(trial["run"].path)),
        "seed": _plain(trial["seed"]),
        "status": str(result.get("status", "finished")) if result else "unfinished",
        "values": list(map(number, values)),
    }


def _title(section: pd.DataFrame) -> str:
    return escape(": ".join(filter(None, [str(section["heading"].iloc[0]), task_of(section)])))


def _look(look: tuple[str, Any]) -> dict[str, str]:
    """Return color and dashes in the words of Plotly."""
    color, dashes = look
    dash = "solid" if dashes == "-" else ",".join(f"{3 * length:g}px" for length in dashes[1])
    return {"color": color, "dash": dash}


def options(trials: pd.DataFrame) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the options that all trials share, and those of each trial that differ, without what it does not have."""
    keys = [str(key) for key in trials.columns if key not in ADDED]
    differing = [key for key in keys if trials[key].map(repr).nunique() > 1]
    first = trials.iloc[0]
    shared = {key: _plain(first[key]) for key in keys if key not in differing and first[key] == first[key]}
    own = [{key: _plain(trial[key]) for key in differing if trial[key] == trial[key]} for _, trial in trials.iterrows()]
    return shared, own


def _plain(value: Any) -> Any:
    """Return the value of an option as JSON."""
    return number(value) if isinstance(value, float) else value if isinstance(value, bool | int) else escape(str(value))


def read_metrics(run: RunDirectory) -> list[dict[str, Any]]:
    """Return the metrics of a run; none, with a warning, if they cannot be read."""
    try:
        return run.records(METRICS)
    except UserError as error:
        warnings.warn(f"left out: {error}", stacklevel=2)
        return []


def curve_names(records: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """Return the metrics that change while models train: losses and validation first."""
    names = dict.fromkeys(key for run in records for record in run for key in record if not NO_CURVE.search(key))
    ranks = ("train/loss", "validation/", "train/", "")
    order = sorted(names, key=lambda key: next(k for k, start in enumerate(ranks) if key.startswith(start)))
    return order[:MAX_CURVES]


def curve(records: Sequence[Mapping[str, Any]], key: str, points: int) -> list[list[Any]]:
    """Return training steps and values, thinned."""
    known = [record for record in records if key in record]
    chosen = [known[place] for place in spread(len(known), points)]
    return [[record["step"] for record in chosen], [number(record[key]) for record in chosen]]
