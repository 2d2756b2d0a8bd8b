"""Run directories as pandas tables: all of them, and grouped as reports show them by experiment, setting and row.

The trials of a row differ in their seed and in nothing else. Where they differ in another option, the row is split and
its parts are told apart by that option; a config that was run twice counts once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

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

    Args:
        runs: path of a run directory, or of one that holds some at any depth.

    Raises:
        UserError: for a broken file.
    """
    rows = []
    for run in find(runs):
        result = run.result() or {"status": "unfinished", "summary": {}}
        config = strict_json.decode(run.options())
        rows.append({"path": str(run.path), "status": result["status"], **config, **result["summary"]})
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Comparison:
    """All trials of one experiment."""

    name: str
    experiment: Experiment
    trials: pd.DataFrame
    """One row a trial, in the order of the report: `setting` and `row` (labels), `run` (RunDirectory), `config` (flat
    dict) and `result` (dict, or None while it is unfinished)."""
    duplicates: int
    """Run directories left out because another holds the same config."""

    def sections(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield the label and the trials of each setting."""
        yield from self.trials.groupby("setting", sort=False)  # pyright: ignore[reportReturnType]


def rows(section: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the label and the trials of each row of a section."""
    yield from section.groupby("row", sort=False)  # pyright: ignore[reportReturnType]


def finished(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that have a result."""
    return trials[trials["result"].notna()]


def values(trials: pd.DataFrame, key: str) -> list[float | None]:
    """Return a number of the summary of each finished trial; None where it has no such key."""
    return [result["summary"].get(key) for result in finished(trials)["result"]]


def read(runs: Iterable[RunDirectory]) -> list[Comparison]:
    """Read and group the runs: a comparison for each experiment, by name.

    Raises:
        UserError: for a broken file, or an experiment that does not exist.
    """
    trials = pd.DataFrame([{"run": run, "config": run.options(), "result": run.result()} for run in runs])
    comparisons = []
    for name, part in trials.groupby(trials["config"].map(lambda config: str(config.get("experiment", "")))):
        try:
            experiment = experiments.load(str(name))
        except UserError as error:
            raise UserError(f"{part['run'].iloc[0].config_file}: {error}") from error
        comparisons.append(compare(Path(str(name)).stem, experiment, part))
    return comparisons


def compare(name: str, experiment: Experiment, trials: pd.DataFrame) -> Comparison:
    """Return the trials in the order in which the experiment declares its settings and variants.

    Args:
        name: of the experiment.
        experiment: what it declares.
        trials: with the columns `run`, `config` and `result`.
    """
    trials = trials.loc[trials["result"].isna().sort_values(kind="stable").index]  # of two equal ones the finished one
    texts = pd.DataFrame([_texts(config) for config in trials["config"]], index=trials.index)
    unique = trials[~texts.duplicated()]
    unique = unique.assign(
        setting=[config.get("setting", "") for config in unique["config"]],
        value=[config.get(experiment.rows, "") for config in unique["config"]],
        seed=[config.get("seed", 0) for config in unique["config"]],
        row="",
    )
    for (_, value), part in unique.groupby(["setting", "value"], sort=False):
        options = texts.loc[part.index].drop(columns="seed", errors="ignore")
        varying = sorted(key for key in options if options[key].nunique(dropna=False) > 1)
        for index, config in part["config"].items():
            chosen = ", ".join(f"{key}={config.get(key)}" for key in varying)
            unique.loc[index, "row"] = f"{label(value)} ({chosen})" if varying else label(value)
    orders = [_order(experiment.settings), _order(_declared(experiment)), _order(()), _order(())]
    keys = unique[["setting", "value", "row", "seed"]].apply(
        lambda trial: tuple(order(value) for order, value in zip(orders, trial, strict=True)), axis=1
    )
    ordered = unique.loc[sorted(unique.index, key=dict(keys).__getitem__)]
    return Comparison(name, experiment, ordered.drop(columns=["value", "seed"]), len(trials) - len(unique))


def describe(section: pd.DataFrame) -> str:
    """Return what a setting is, from the configs: task, training, model. Options that vary stand with slashes."""
    configs = list(section["config"])

    def varying(key: str, configs: Sequence[Mapping[str, Any]] = configs) -> str:
        return "/".join({label(config[key]): None for config in configs if key in config})

    steps = f"{varying('training.steps')} steps of {varying('training.batch_size')} sequences"
    seconds, layers = varying("training.max_seconds"), varying("model.num_layers")
    limited = seconds not in ("0", "")
    parts = [task_of(section), f"trained for {seconds} seconds, at most {steps}" if limited else f"trained for {steps}"]
    budgets = [config["model.parameter_budget"] for config in configs if config.get("model.parameter_budget")]
    units = varying("model.hidden_size", [config for config in configs if not config.get("model.parameter_budget")])
    counts = "/".join({f"{budget:,}" if isinstance(budget, int) else str(budget): None for budget in budgets})
    sizes = {"hidden units": units, "parameters": counts}
    size = " or ".join(f"{number} {unit}" for unit, number in sizes.items() if number)
    parts.append(size + (f" in {layers} layers" if layers not in ("1", "") else ""))
    if varying("model.bidirectional") == "True":
        parts.append("bidirectional encoder")
    trials = section["row"].value_counts()
    seeds = "–".join(str(count) for count in dict.fromkeys((trials.min(), trials.max())))
    return "; ".join([*parts, f"{seeds} seed{'' if seeds == '1' else 's'}"])


def task_of(section: pd.DataFrame) -> str:
    """Return the tasks of a setting and their sizes, in words."""
    return " or ".join({task.describe(): None for task in tasks(section)})


def tasks(section: pd.DataFrame) -> list[Task]:
    """Return the distinct tasks of a setting, rebuilt from the configs.

    Raises:
        UserError: for a config that holds no task of today.
    """
    rebuilt: dict[Task, None] = {}
    for run, config in zip(section["run"], section["config"], strict=True):
        try:
            rebuilt[unflatten({key: value for key, value in config.items() if key.startswith("task.")}).task] = None
        except UserError as error:
            raise UserError(f"{run.config_file}: {error}") from error
    return list(rebuilt)


def label(value: Any) -> str:
    """Return the value of an option in words; "base" for none."""
    return f"{value:g}" if isinstance(value, float) else str(value) or "base"


def _texts(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the options that make trials differ, as text."""
    return {key: str(value) for key, value in config.items() if not key.startswith(NEUTRAL_KEYS)}


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


def _order(declared: Iterable[Any]) -> Callable[[Any], tuple]:
    """Return a sort key: the declared values first and in their order, then numbers, then words."""
    places = {value: place for place, value in reversed(list(enumerate(declared)))}

    def key(value: Any) -> tuple:
        numeric = isinstance(value, int | float)
        return (places.get(value, len(places)), not numeric, value if numeric else 0, str(value))

    return key
