"""Runs on disk as rows of a pandas DataFrame, and the sweep files that they are of."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from research.config import strict_yaml
from research.config.naming import folder_name
from research.errors import UserError
from research.tracking import strict_json
from research.tracking.find import find_some

ADDED = ["run", "result", "task", "section", "heading", "row"]
"""What rows have besides config keys, here and in a comparison."""


def load(*runs: Path | str) -> pd.DataFrame:
    """Return a table of the runs at or under some directories, one row per run.

    Its columns are `path`, `status` ("finished", "diverged" or "unfinished"), the config's dotted keys and the metrics
    of the summary, which have slashes. What a run does not have is NaN, so a column of whole numbers may hold floats.

        runs = research.reporting.load("runs/attention")
        runs.groupby("attention.name")["test/free_running/edit_error_rate"].agg(["mean", "std", "count"])

    A run that cannot be read is left out with a warning.

    Raises:
        UserError: for a directory without runs, or if no run can be read.
    """
    trials, faults = read(runs)
    for fault in faults:
        warnings.warn(f"left out: {fault}", stacklevel=2)
    return flatten(trials)


def read(directories: Sequence[Path | str]) -> tuple[pd.DataFrame, list[str]]:
    """Return a row per run and a line for each run that cannot be read.

    A row has `run` (RunDirectory), `result` (dict, or None while the run is unfinished) and the config's dotted keys,
    NaN where it has none.
    """
    rows: dict[Path, dict[str, Any]] = {}
    faults: list[str] = []
    for directory in directories:
        for run in find_some(directory):
            try:
                row = {**strict_json.decode(run.options()), "run": run, "result": run.result()}
                rows.setdefault(run.path.resolve(), row)
            except UserError as error:
                faults.append(str(error))
    faults = list(dict.fromkeys(faults))
    if not rows:
        raise UserError(f"{faults[0]} (and {len(faults) - 1} more such runs)" if faults[1:] else faults[0])
    return pd.DataFrame(list(rows.values()), dtype=object), faults


def flatten(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `read`, or of a comparison, as `load` does."""
    results = [result or {"status": "unfinished", "summary": {}} for result in trials["result"]]
    columns = {"path": [str(run.path) for run in trials["run"]], "status": [result["status"] for result in results]}
    config = trials.drop(columns=ADDED, errors="ignore").infer_objects().reset_index(drop=True)
    return pd.concat([pd.DataFrame(columns), config, pd.DataFrame([result["summary"] for result in results])], axis=1)


@dataclass(frozen=True)
class SweepFile:
    """What a report needs of the file of a sweep."""

    name: str = ""
    description: str = ""
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Values of each parameter that varies, in the order of the file; none of a distribution."""
    search: str = ""
    """How it chooses trials by their results; empty: it does not."""
    metric: str = ""
    """By which it chooses."""
    goal: str = ""
    """minimize or maximize"""
    total: int = 0
    """Number of trials; 0: not known."""


def sweep_of(folder: Path) -> SweepFile:
    """Return the sweep whose runs are in a folder, from the copy of its file there; an empty one without a copy."""
    path = folder / "sweep.yaml"
    try:
        content = strict_yaml.read(path) if path.exists() else {}
        entries = {key: entry for key, entry in _entries(content.get("parameters", {})) if "value" not in entry}
        values = {key: [_number(value) for value in entry.get("values", ())] for key, entry in entries.items()}
        name = folder_name(str(content.get("name") or folder.name))
        description = str(content.get("description") or "")
        is_guided, metric = content.get("method") == "bayes", content.get("metric") or {}
        search = f"the sweep chose its trials by {metric.get('name', 'a metric')} (bayes)" if is_guided else ""
    except (UserError, AttributeError, TypeError) as error:
        raise UserError(f"{path}: is no sweep file: {error}") from error
    varying = {key: listed for key, listed in values.items() if len(listed) != 1}
    by = (str(metric.get("name", "")), str(metric.get("goal", "minimize"))) if search else ("", "")
    return SweepFile(name, description, varying, search, *by, _total(content, values)) if content else SweepFile()


def _total(content: Mapping[str, Any], values: Mapping[str, Sequence[Any]]) -> int:
    """Return the number of trials of a sweep file; 0 if it does not tell."""
    cap = int(content.get("run_cap") or 0)
    points = math.prod(len({*map(str, listed)}) for listed in values.values())
    return min(points, cap or points) if content.get("method") == "grid" else cap


def _entries(parameters: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the parameters of a sweep file, nested ones with dotted keys."""
    for key, entry in parameters.items():
        if "parameters" in entry:
            yield from _entries(entry["parameters"], f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", entry


def _number(value: Any) -> Any:
    """Return the number that a word spells: YAML reads 1e-3 as a word, the command line as a number."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
