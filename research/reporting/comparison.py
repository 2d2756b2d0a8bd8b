"""Run directories as pandas tables: all of them, and grouped as reports show them by experiment, setting and row.

The trials of a row differ in their seed and in nothing else. Where they differ in another option, the row is split and
its parts are told apart by that option; a config that was run twice counts once.
"""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from research.config import experiment as experiments
from research.config.config import CHOICES
from research.config.experiment import Experiment
from research.config.flat import unflatten
from research.errors import UserError
from research.options import NEUTRAL_KEYS
from research.tasks.task import Task
from research.tracking import strict_json
from research.tracking.run_directory import RunDirectory, find


def load(runs: Path | str) -> pd.DataFrame:
    """Return a table of the runs at or under a directory, one row a run.

    Its columns are `path`, `status` ("finished", "diverged" or "unfinished"), the config's dotted keys and the keys of
    the summary, which have slashes. What a run does not have is NaN, so a column of whole numbers may hold floats.

        runs = research.reporting.load("runs/attention")
        runs.groupby("attention.name")["test/free_running/phoneme_error_rate"].agg(["mean", "std", "count"])
    """
    trials = table_of(find(runs))
    results = [result or {"status": "unfinished", "summary": {}} for result in trials["result"]]
    first = pd.DataFrame(
        {"path": trials["run"].map(lambda run: str(run.path)), "status": [r["status"] for r in results]}
    )
    summaries = pd.DataFrame([result["summary"] for result in results])
    return pd.concat([first, trials.drop(columns=["run", "result"]).infer_objects(), summaries], axis=1)


@dataclass(frozen=True)
class Comparison:
    """All trials of one experiment."""

    name: str
    experiment: Experiment
    trials: pd.DataFrame
    """One row a trial, in the order of the report: `run` (RunDirectory), `result` (dict, or None while it is
    unfinished), `row` (label) and the dotted keys of the config."""
    duplicates: int
    """Run directories left out because another holds the same config."""


def values(trials: pd.DataFrame, key: str) -> list[float | None]:
    """Return a number of the summary of each finished trial; None where it has no such key."""
    return [experiments.find_metric(result["summary"], key) for result in trials["result"].dropna()]


def read(runs: Sequence[RunDirectory]) -> list[Comparison]:
    """Read and group the runs: a comparison for each experiment, by name."""
    comparisons = []
    for name, trials in table_of(runs).groupby("experiment"):
        try:
            experiment = experiments.load(str(name))
        except UserError as error:
            raise UserError(f"{trials['run'].iloc[0].config_file}: {error}") from error
        comparisons.append(compare(Path(str(name)).stem, experiment, trials))
    return comparisons


def compare(name: str, experiment: Experiment, trials: pd.DataFrame) -> Comparison:
    """Return the trials in the order in which the experiment declares its settings and variants."""
    trials = trials.loc[trials["result"].isna().sort_values(kind="stable").index]  # of two equal ones the finished one
    options = trials.drop(columns=["run", "result"]).astype(str)
    options = options[[key for key in options if not str(key).startswith(NEUTRAL_KEYS)]]
    unique = trials[~options.duplicated()]
    chosen = unique[experiment.rows] if experiment.rows in unique else pd.Series("", unique.index)
    chosen = chosen.where(chosen.notna(), "")
    labels = chosen.map(label)
    for _, part in unique.groupby([unique["setting"], labels], sort=False):
        shared = options.columns[part[options.columns].notna().all()].drop("seed")  # an option of one choice is not
        counts = options.loc[part.index, shared].nunique()
        varying = sorted(counts.index[counts > 1])
        for index in part.index if varying else []:
            labels[index] += f" ({', '.join(f'{key}={part.loc[index, key]}' for key in varying)})"
    ranks = [_ranks(unique["setting"], experiment.settings), _ranks(chosen, _declared(experiment))]
    ranks = pd.concat([*ranks, _ranks(labels), _ranks(unique["seed"])], axis=1)
    order = np.lexsort(ranks.to_numpy(int).T[::-1])
    return Comparison(name, experiment, unique.assign(row=labels).iloc[order], len(trials) - len(unique))


def describe(section: pd.DataFrame) -> str:
    """Return what a setting is, from the configs: task, training, model. Options that vary stand with slashes."""

    def varying(key: str, trials: pd.DataFrame = section) -> str:
        return "/".join(trials[key].map(label).unique())

    steps = f"{varying('training.steps')} steps of {varying('training.batch_size')} sequences"
    seconds, layers = varying("training.max_seconds"), varying("model.num_layers")
    steps = steps if seconds == "0" else f"{seconds} seconds, at most {steps}"
    parts = [task_of(section), f"trained for {steps}"]
    budgets = section["model.parameter_budget"]
    units = varying("model.hidden_size", section[budgets == 0])
    counts = "/".join(budgets[budgets != 0].map("{:,}".format).unique())
    size = " or ".join([f"{units} hidden units"] * bool(units) + [f"{counts} parameters"] * bool(counts))
    parts.append(size if layers == "1" else f"{size} in {layers} layers")
    if varying("model.bidirectional") == "True":
        parts.append("bidirectional encoder")
    seeds = section["row"].value_counts()
    seeds = "–".join(str(count) for count in dict.fromkeys((seeds.min(), seeds.max())))
    return "; ".join([*parts, f"{seeds} seed{'' if seeds == '1' else 's'}"])


def task_of(section: pd.DataFrame) -> str:
    """Return the tasks of a setting and their sizes, in words."""
    return " or ".join({task.describe(): None for task in tasks(section)})


def tasks(section: pd.DataFrame) -> list[Task]:
    """Return the distinct tasks of a setting, rebuilt from the configs."""
    options = section[[key for key in section if str(key).startswith("task.")]]
    rebuilt = []
    for index, task in options[~options.astype(str).duplicated()].iterrows():
        try:
            rebuilt.append(unflatten(dict(task.dropna())).task)
        except UserError as error:
            raise UserError(f"{section.loc[index, 'run'].config_file}: {error}") from error
    return rebuilt


def label(value: Any) -> str:
    """Return the value of an option in words; "base" for none."""
    return f"{value:g}" if isinstance(value, float) else str(value) or "base"


def table_of(runs: Sequence[RunDirectory]) -> pd.DataFrame:
    """Return a row a run: `run`, `result` and the dotted keys of the config, NaN where it has none."""
    rows = [{"run": run, "result": run.result(), **strict_json.decode(run.options())} for run in runs]
    return pd.DataFrame(rows, columns=None if rows else ["run", "result"], dtype=object)


def _declared(experiment: Experiment) -> list[Any]:
    """Return the values of the rows in the order of the variants, then of the choices that there are."""
    key, variants = experiment.rows, experiment.variants
    values = list(variants) if key == "variant" else [changes.get(key) for changes in variants.values()]
    *sections, name = key.split(".")
    options: Any = experiment.base
    for section in sections:
        options = getattr(options, section, None)
    if name == "name" and sections and sections[0] in CHOICES:
        return [*values, *CHOICES[sections[0]]]
    types = {item.name: item.type for item in fields(options)} if options else {}
    return [*values, *get_args(types.get(name))]


def _ranks(column: pd.Series, declared: Iterable[Any] = ()) -> pd.Series:
    """Return the place of each value: the declared ones first and in their order, then numbers, then words."""
    others = sorted(column.unique(), key=lambda value: (isinstance(value, str), value))
    return column.map(list(dict.fromkeys([*declared, *others])).index)
