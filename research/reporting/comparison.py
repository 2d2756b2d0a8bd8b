"""Runs grouped as reports show them: a comparison per experiment or sweep, in it a section per task, in it rows.

The runs of a row differ in their seed and in nothing else: whatever other config keys differ within a section tell its
rows apart. A config that was run twice counts once.
"""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false
# pyright: reportReturnType=false, reportGeneralTypeIssues=false

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from research.config import experiment as experiments
from research.config.claim import Claim
from research.config.config import CHOICES
from research.config.experiment import Column, Experiment, find_metric
from research.config.flat import unflatten
from research.errors import UserError, first_line
from research.options import LABELS, NEUTRAL_KEYS, flatten
from research.reporting import runs
from research.reporting.columns import ALIKE, check, expand, measured
from research.reporting.labels import key_cells, label, row_labels
from research.reporting.layout import Layout, require_seeds_alone, select
from research.reporting.runs import ADDED, SweepFile
from research.reporting.titles import complete
from research.tracking.directions import direction
from research.tracking.run_directory import RunDirectory

SIZES = ("training.steps", "training.batch_size", "training.max_seconds", "model.hidden_size", "model.parameter_budget")
NEEDED = (*LABELS, "seed", "task.name", "cell.name", *SIZES, "model.num_layers", "model.bidirectional")
"""The keys without which a run cannot be reported."""

AS_DECLARED = Layout()
Outside = Callable[[Path, Sequence[RunDirectory]], Sequence[RunDirectory]]
"""Returns which of the runs in the folder of a sweep are none of its trials."""


@dataclass(frozen=True)
class Comparison:
    """All trials of one experiment, or of a sweep of its base config over other parameters."""

    name: str
    experiment: Experiment
    """Of a sweep over other parameters, the claim is the description of the sweep."""
    keys: tuple[str, ...]
    """The config keys that tell rows apart."""
    section_keys: tuple[str, ...]
    """The config keys that tell sections apart, if the user has chosen them."""
    trials: pd.DataFrame
    """One row per trial, in the order of the report: `run` (RunDirectory), `result` (dict, or None while it is
    unfinished), `task` (Task), `section` and `row` (labels), and the dotted keys of the config."""
    duplicates: int
    """Runs left out because another holds the same config."""
    search: str = ""
    """How a sweep has chosen its trials by their results; empty: it has not."""
    sort: str = ""
    """Metric by which the rows of each section are sorted, the best first; rows without it are not shown."""
    outside: tuple[RunDirectory, ...] = ()
    """Runs left out because the sweep of their folder does not have them."""
    absent: tuple[tuple[str, int, int], ...] = ()
    """Name of a sweep, how many of its trials have no run that can be read, and how many trials it has."""

    @property
    def cells(self) -> pd.DataFrame:
        """Values of the keys of each trial's row, in words."""
        return key_cells(self.trials, self.keys)

    @property
    def sections(self) -> list[pd.DataFrame]:
        """Trials of each section."""
        return [section for _, section in self.trials.groupby("section", sort=False)]


def read(
    directories: Sequence[Path | str],
    columns: Sequence[Column] = (),
    layout: Layout = AS_DECLARED,
    outside: Outside = lambda folder, runs: (),
) -> tuple[list[Comparison], list[str]]:
    """Read and group runs.

    Args:
        directories: of runs, at any depth.
        columns: of all tables; by default those of each experiment.
        layout: which runs, and the keys of rows and sections.
        outside: runs that it returns are left out, unless `directories` names them.

    Returns:
        The comparisons, by name: one per experiment, and one per set of other parameters that sweeps vary; of an
        experiment without columns, one per task. And a line for each cause why runs cannot be read and are left out.
    """
    trials, faults = runs.read(directories)
    trials = select(trials, layout)
    check(columns, trials)
    check([Column(layout.sort, layout.sort)] if layout.sort else (), trials, what="--sort")
    folders = trials["run"].map(lambda run: run.path.resolve().parent)
    sweeps = {}
    for folder in folders.unique():
        try:
            sweeps[folder] = runs.sweep_of(folder)
        except UserError as error:
            faults.append(str(error))
            sweeps[folder] = SweepFile()
    trials = trials.reindex(columns=list(dict.fromkeys([*trials, *NEEDED])))
    trials["task"] = rebuild_tasks(trials, faults)
    named = {Path(directory).resolve() for directory in directories}
    inside = trials["run"][[run.path.resolve() not in named for run in trials["run"]]]
    strangers = {folder: outside(folder, list(group)) for folder, group in inside.groupby(folders[inside.index])}
    left_out = {run.path for group in strangers.values() for run in group}
    trials = trials[[run.path not in left_out for run in trials["run"]]]
    present = Counter(folders[trials.index])
    whole = [] if layout.where else [folder for folder in present if folder in {*folders[inside.index]}]
    absent = {folder: sweeps[folder].total - present[folder] for folder in whole}
    comparisons = []
    for name, part in trials.dropna(subset="task").groupby("experiment", sort=True):
        try:
            experiment = experiments.load(str(name))
        except Exception as error:  # the file of an experiment may raise anything
            faults.append(_fault(part, error))
            continue
        declared = {*LABELS, "seed"}
        varied = [",".join(sorted(sweeps[folder].values.keys() - declared)) for folder in folders[part.index]]
        tasks = part["task"].map(lambda task: task.describe())
        apart = [not experiment.columns and "task." not in keys for keys in varied]  # no common columns, and no sweep
        if layout.regroups:
            varied, apart = [""] * len(part), [False] * len(part)
        for _, group in part.groupby([pd.Series(varied, part.index), tasks.where(apart, "")], sort=True):
            files = [sweeps[folder] for folder in folders[group.index].unique() if sweeps[folder].name]
            if not columns:
                check(experiment.columns, group, ALIKE)
            asked = columns or _deciding(experiment)
            shown = [complete(column, experiment.columns) for column in expand(asked, group)]
            shown = replace(experiment, columns=tuple(shown or expand(experiment.columns, group)))
            comparison = compare(Path(str(name)).stem, shown, group, files, layout)
            others = (run for folder in folders[group.index].unique() for run in strangers.get(folder, ()))
            lacking = [folder for folder in folders[group.index].unique() if absent.get(folder, 0) > 0]
            counts = tuple((sweeps[folder].name, absent[folder], sweeps[folder].total) for folder in lacking)
            comparisons.append(replace(comparison, outside=tuple(others), absent=counts))
    if not comparisons:
        raise UserError("; ".join(faults))
    return comparisons, faults


def _deciding(experiment: Experiment) -> Sequence[Column]:
    """Return the metrics that decide a claim; none for other experiments."""
    conditions = experiment.conditions if isinstance(experiment, Claim) else ()
    keys = dict.fromkeys(item.metric for item in conditions if isinstance(item.metric, str))
    return [Column(key, key) for key in keys]


def compare(
    name: str,
    experiment: Experiment,
    trials: pd.DataFrame,
    sweeps: Sequence[SweepFile] = (),
    layout: Layout = AS_DECLARED,
) -> Comparison:
    """Return the trials in order: as the sweeps list their values, else as the experiment declares its own."""
    trials, count = _distinct(trials), len(trials)
    listed_values: dict[str, list[Any]] = {}
    for sweep in sweeps:
        listed_values |= {key: [*listed_values.get(key, ()), *listed] for key, listed in sweep.values.items()}
    texts = texts_of(trials)
    swept = {key for key, listed in listed_values.items() if len({*map(str, listed)}) != 1}  # none: drawn
    varying = [key for key in texts if len(texts[key].unique()) > 1 or key in swept]
    ranks = {key: _ranks(trials[key], [*listed_values.get(key, ()), *_declared(experiment, key)]) for key in varying}
    ranks = pd.DataFrame(ranks, trials.index)
    told_apart = [*layout.rows, *(key for variant in experiment.variants.values() for key in variant)]
    in_rows = any(key.startswith("task.") for key in told_apart)
    tasks = trials["task"].map(lambda task: task.name if in_rows else task.describe())
    task_keys = [key for key in ranks if key.startswith("task.")]
    ranks["task"] = _ranks(tasks, tasks[ranks.sort_values(task_keys).index] if task_keys else ())
    headings = row_labels(trials, layout.sections, named=True) if layout.sections else trials["setting"]
    sections = headings if layout.sections else trials["setting"] + ": " + tasks
    overridden = _overridden(trials, texts[varying], experiment)
    keys = [*layout.rows] or _row_keys(texts[varying], sections, list(listed_values), overridden, swept)
    trials = trials.assign(section=sections, heading=headings, row=row_labels(trials, keys))
    if layout.regroups:
        require_seeds_alone(texts[varying], [trials["section"], trials["row"]], layout)
    by = [key for key in (*(layout.sections or ("setting", "task")), *keys, "seed") if key in ranks]
    trials = trials.loc[ranks.sort_values(by, kind="stable").index]
    by_goal = {sweep.metric: sweep.goal for sweep in sweeps if sweep.metric}
    sort = layout.sort or next(iter(by_goal), "")
    if sort:
        more = by_goal.get(sort) == "maximize" if sort in by_goal else direction(sort) == "max"
        trials = _sorted(trials, sort, more)
    names = [sweep.name for sweep in sweeps]
    unnamed = bool(experiment.variants) and not trials[keys].to_numpy().any()
    if keys != ["variant"] or unnamed or (names and name not in names):
        columns = measured(experiment.columns, trials)
        claim = " ".join(dict.fromkeys(sweep.description for sweep in sweeps))
        name, experiment = "+".join(dict.fromkeys(names)) or name, replace(experiment, claim=claim, columns=columns)
    elif not experiment.columns:
        experiment = replace(experiment, columns=measured((), trials))
    search = " and ".join(dict.fromkeys(sweep.search for sweep in sweeps if sweep.search))
    sections_by = tuple(layout.sections)
    return Comparison(name, experiment, tuple(keys), sections_by, trials, count - len(trials), search, sort)


def _sorted(trials: pd.DataFrame, metric: str, more: bool) -> pd.DataFrame:
    """Return the trials with the rows of each section sorted by the mean of a metric, and its trials by their own."""
    ended = [result if result and result.get("status") != "stopped" else {"summary": {}} for result in trials["result"]]
    values = pd.Series([find_metric(result["summary"], metric) for result in ended], trials.index, dtype=float)
    values *= -1 if more else 1
    means = values.groupby([trials["section"], trials["row"]]).transform("mean")
    sections = trials["section"].map(list(dict.fromkeys(trials["section"])).index)
    order = pd.DataFrame({"section": sections, "mean": means, "row": trials["row"], "value": values})
    return trials.loc[order.sort_values([*order], na_position="last").index]


def describe(section: pd.DataFrame) -> str:
    """Return the settings that a section's trials share, in words; an option that varies stands as `1, 2 or 3`."""

    def varying(key: str, trials: pd.DataFrame = section) -> str:
        return _listed(trials[key].map(label))

    ended = section.dropna(subset="result")
    count = _listed(sorted((ended if len(ended) else section)["training.steps"].unique()))
    steps = f"{count} step{'s' * (count != '1')} of {varying('training.batch_size')} sequences"
    seconds, layers = varying("training.max_seconds"), varying("model.num_layers")
    steps = steps if seconds == "0" else f"{seconds} seconds, at most {steps}"
    parts = [task_of(section), f"trained for {steps}"]
    budgets = section["model.parameter_budget"]
    units = varying("model.hidden_size", section[budgets == 0])
    counts = _listed(budgets[budgets != 0].map("{:,}".format))
    size = " or ".join([f"{units} hidden units"] * bool(units) + [f"{counts} parameters"] * bool(counts))
    parts.append(size if layers == "1" else f"{size} in {layers} layers")
    if varying("model.bidirectional") == "True":
        parts.append("bidirectional encoder")
    seeds = section["row"].value_counts()
    seeds = "–".join(str(count) for count in dict.fromkeys((seeds.min(), seeds.max())))
    return "; ".join([*parts, f"{seeds} seed{'' if seeds == '1' else 's'}"])


def _listed(values: Iterable[Any]) -> str:
    """Return different values in their order: `1, 2 or 3`."""
    *most, last = dict.fromkeys(map(str, values)) or ("",)
    return f"{', '.join(most)} or {last}" if most else last


def task_of(section: pd.DataFrame) -> str:
    """Return the task of a section and its size, in words; all tasks where variants change it."""
    return " or ".join(dict.fromkeys(task.describe() for task in section["task"]))


def rebuild_tasks(trials: pd.DataFrame, faults: list[str]) -> pd.Series:
    """Return the task of each trial, rebuilt from its config; None, with a new line in `faults`, where that fails."""
    options = trials[[key for key in trials if str(key).startswith("task.") or key in NEEDED]]
    options = options.assign(seed=options["seed"].where(options["seed"].isna(), 0))  # any seed has the same task
    tasks = pd.Series(None, trials.index, dtype=object)
    for _, alike in trials.groupby(options.astype(str).agg("\n".join, axis=1), sort=False):
        try:
            known = options.loc[alike.index[0]].dropna().to_dict()
            if missing := [key for key in NEEDED if key not in known]:
                raise UserError(f"{missing[0]}: is missing")
            del known["cell.name"]  # which may have been removed
            tasks[alike.index] = unflatten(known).task
        except UserError as error:
            faults.append(_fault(alike, error))
    return tasks


def _row_keys(
    options: pd.DataFrame,
    sections: pd.Series,
    listed: Sequence[str],
    overridden: Collection[str] = (),
    swept: Collection[str] = (),
) -> list[str]:
    """Return the config keys that tell the rows of a section apart.

    Args:
        options: config values that differ, as texts; NaN where a trial does not have them.
        sections: of the trials.
        listed: parameters of the sweeps, which come first; the variant comes next.
        overridden: keys that the variants of the experiment do not decide.
        swept: parameters with several values in the sweeps, whether or not the trials that there are differ in them.

    Returns:
        Swept keys but those of the task, and keys that differ within a section, without those that another key decides:
        what the variants of the experiment stand for, and the options of a choice that its `name` brings.
    """
    first = [*listed, "variant", *options]
    keys: list[str] = []
    for key in sorted(options, key=first.index):
        deciding = {f"{key.rpartition('.')[0]}.name", *([] if key in overridden else ["variant"])} - {key}
        groups = options[key].groupby([sections, *(options[other] for other in deciding & {*keys})], dropna=False)
        differs = (groups.nunique() > 1).any() or (key in swept and not key.startswith("task."))
        if key not in ("experiment", "setting", "seed") and differs:
            keys.append(key)
    return keys or ["variant"]


def _overridden(trials: pd.DataFrame, options: pd.DataFrame, experiment: Experiment) -> set[str]:
    """Return which options some trials have otherwise than their setting and variant, by flags of their own."""
    keys: set[str] = set()
    for (setting, variant), alike in options.groupby([trials["setting"], trials["variant"]]):
        with contextlib.suppress(UserError):  # the experiment has no such variant any more
            declared = flatten(experiment.config(str(setting), str(variant)))
            differs = (alike != [str(declared.get(key)) for key in options]) & alike.notna()
            keys |= {*options.columns[differs.any()]}
    return keys


def texts_of(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the options that decide what is learned, as texts; NaN where a trial does not have them."""
    keys = trials.columns.drop(ADDED, errors="ignore")
    options = trials[[key for key in keys if not key.startswith((*NEUTRAL_KEYS, "probes."))]]  # probes only measure
    return options.astype(str).where(options.notna())


def _distinct(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials without those that repeat a config; of two equal ones that with more metrics stays."""
    measured = trials["result"].map(lambda result: len(result["summary"]) + 1 if result else 0)
    trials = trials.loc[measured.sort_values(kind="stable", ascending=False).index]
    return trials[~texts_of(trials).duplicated()]


def _fault(trials: pd.DataFrame, error: Exception) -> str:
    more = f" (and of {len(trials) - 1} more runs)" if len(trials) > 1 else ""
    kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    return f"{trials['run'].iloc[0].config_file}: {kind}{first_line(error)}{more}"


def _declared(experiment: Experiment, key: str) -> list[Any]:
    """Return the values of a key in the order of the settings or variants, then of the choices that there are."""
    named = {"setting": experiment.settings, "variant": experiment.variants}.get(key, {})
    values = [name if key in LABELS else changes.get(key) for name, changes in named.items()]
    section, _, name = key.rpartition(".")
    if name == "name" and section in CHOICES:
        return [*values, *CHOICES[section]]
    options = getattr(experiment.base, section, experiment.base)
    types = {item.name: item.type for item in fields(options)}
    return [*values, *get_args(types.get(name))]


def _ranks(column: pd.Series, declared: Iterable[Any] = ()) -> pd.Series:
    """Return the place of each value: the declared ones first and in their order, then numbers, then words."""
    column = column.where(column.notna(), "")
    others = sorted(column.unique(), key=lambda value: (isinstance(value, str), value))
    return column.map(list(dict.fromkeys([*declared, *others])).index)
