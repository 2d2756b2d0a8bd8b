"""Run directories, grouped as the table and the figures show them: experiment, setting, row.

The trials of a row differ in their seed and in nothing else. Where they differ in another option, the row is split and
its parts are told apart by that option; a config that was run twice counts once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, get_args

from research import catalogue
from research.config import PIXELS, Config
from research.errors import UserError
from research.experiment import Experiment, load
from research.reporting import drawn
from research.tracking.runs import NEUTRAL_KEYS, RunDirectory

NAMED = {"model.cell": "cells", "model.attention": "attentions"}
"""Options whose values are the names of a part of the catalogue."""
LANGUAGES = {"de": "German", "fr": "French", "ja": "Japanese"}


@dataclass(frozen=True)
class Trial:
    """What is read of one run directory."""

    run: RunDirectory
    options: Mapping[str, Any]
    """Flat config."""
    result: Mapping[str, Any] | None
    """None while it is unfinished."""

    @property
    def diverged(self) -> bool:
        return self.result is not None and self.result.get("status") == "diverged"

    def value(self, key: str) -> float | None:
        """A number of the summary; None if there is no result or no such key."""
        found = (self.result or {}).get("summary", {}).get(key)
        return None if found is None else float(found)

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The records of `metrics.jsonl`."""
        return self.run.records("metrics")

    @cached_property
    def gradient_flow(self) -> list[dict[str, Any]]:
        """The records of `gradient_flow.jsonl`, profiles as arrays: large, so read only for a figure, and once."""
        import numpy as np

        records = self.run.records("gradient_flow")
        return [
            {key: np.asarray(value, np.float64) if isinstance(value, list) else value for key, value in record.items()}
            for record in records
        ]


@dataclass(frozen=True)
class Row:
    """Trials that differ in their seed only."""

    label: str
    trials: tuple[Trial, ...]

    @property
    def finished(self) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.trials if trial.result is not None)

    @property
    def options(self) -> Mapping[str, Any]:
        return self.trials[0].options


@dataclass(frozen=True)
class Section:
    """The rows of one setting."""

    setting: str
    rows: tuple[Row, ...]

    @property
    def trials(self) -> tuple[Trial, ...]:
        return tuple(trial for row in self.rows for trial in row.trials)


@dataclass(frozen=True)
class Group:
    """All trials of one experiment."""

    name: str
    experiment: Experiment
    sections: tuple[Section, ...]
    duplicates: int
    """Run directories left out because another holds the same config."""

    @property
    def trials(self) -> tuple[Trial, ...]:
        return tuple(trial for section in self.sections for trial in section.trials)


def read(runs: Iterable[RunDirectory]) -> list[Group]:
    """Read and group the runs: one group an experiment, by name.

    Raises:
        UserError: for a broken file, or an experiment that does not exist.
    """
    trials = [Trial(run, run.options(), run.result()) for run in runs]
    by_experiment: dict[str, list[Trial]] = {}
    for trial in trials:
        by_experiment.setdefault(str(trial.options.get("experiment", "")), []).append(trial)
    return [_group(name, by_experiment[name]) for name in sorted(by_experiment)]


def group(name: str, experiment: Experiment, trials: Sequence[Trial]) -> Group:
    """The trials of one experiment in the order in which the experiment declares its settings and arms."""
    unique: dict[tuple, Trial] = {}
    for trial in sorted(trials, key=lambda trial: trial.result is None):  # of two equal ones the finished one counts
        unique.setdefault(_identity(trial.options), trial)
    settings = sorted({trial.options.get("setting", "") for trial in unique.values()}, key=_order(experiment.settings))
    sections = [
        Section(setting, _rows(experiment, [t for t in unique.values() if t.options.get("setting", "") == setting]))
        for setting in settings
    ]
    return Group(name, experiment, tuple(sections), len(trials) - len(unique))


def describe(section: Section) -> str:
    """What a setting is, from the configs: task, length, training, model. Options that vary stand with slashes."""
    options = [trial.options for trial in section.trials]

    def values(key: str) -> str:
        return "/".join({_label(one[key]): None for one in options if key in one})

    parts = [task(section)]
    steps = f"{values('training.steps')} steps of {values('training.batch_size')} sequences"
    seconds = values("training.seconds")
    parts.append(f"trained for {steps}" if seconds in ("0", "") else f"trained for {seconds} seconds, at most {steps}")
    layers = values("model.layers")
    parts.append(_size(options) + (f" in {layers} layers" if layers not in ("1", "") else ""))
    if values("model.bidirectional") == "True":
        parts.append("bidirectional encoder")
    seeds = sorted({len(row.trials) for row in section.rows})
    counted = "–".join(str(count) for count in dict.fromkeys((seeds[0], seeds[-1])))
    return "; ".join([*parts, f"{counted} seed{'' if counted == '1' else 's'}"])


def task(section: Section) -> str:
    """The task and its length, from the configs."""
    return " or ".join({_task(trial): None for trial in section.trials})


def unfinished(group: Group) -> Counter[str]:
    """Trials without a result, counted by setting and row."""
    return Counter(
        " / ".join(part for part in (section.setting, row.label) if part)
        for section in group.sections
        for row in section.rows
        for trial in row.trials
        if trial.result is None
    )


def signatures(group: Group) -> dict[tuple[str, str], list[str]]:
    """The settings in which a metric has a signature, by both."""
    found: dict[tuple[str, str], list[str]] = {}
    for section in group.sections:
        for trial in section.trials:
            for pair in ((trial.result or {}).get("signatures") or {}).items():
                settings = found.setdefault(pair, [])
                if section.setting not in settings:
                    settings.append(section.setting)
    return found


def _group(name: str, trials: list[Trial]) -> Group:
    try:
        experiment = load(name)
    except UserError as error:
        raise UserError(f"{trials[0].run.config_file}: {error}") from error
    return group(name, experiment, trials)


def _rows(experiment: Experiment, trials: list[Trial]) -> tuple[Row, ...]:
    arms = experiment.arms.items()
    declared = [arm if experiment.rows == "arm" else options.get(experiment.rows) for arm, options in arms]
    declared += _choices(experiment.rows)
    by_value: dict[Any, list[Trial]] = {}
    for trial in trials:
        by_value.setdefault(trial.options.get(experiment.rows, ""), []).append(trial)
    rows: list[Row] = []
    for value in sorted(by_value, key=_order(declared)):
        rows += _split(_label(value), by_value[value])
    return tuple(rows)


def _choices(key: str) -> tuple[Any, ...]:
    """The values of an option that has a closed list of them, in its order."""
    if key in NAMED:
        return catalogue.names(NAMED[key])
    section, _, name = key.rpartition(".")
    owner = getattr(Config(), section) if section else Config()
    return next((get_args(item.type) for item in fields(owner) if item.name == name), ())


def _split(label: str, trials: list[Trial]) -> list[Row]:
    """One row for each combination of the options in which the trials differ beside the seed."""
    keys = sorted({key for trial in trials for key in trial.options if not _passed_over(key)})
    varying = [key for key in keys if len({str(trial.options.get(key)) for trial in trials}) > 1]
    parts: dict[str, list[Trial]] = {}
    by_seed = _order(())
    for trial in sorted(trials, key=lambda trial: by_seed(trial.options.get("seed", 0))):
        chosen = ", ".join(f"{key}={trial.options.get(key)}" for key in varying)
        parts.setdefault(f"{label} ({chosen})" if varying else label, []).append(trial)
    return [Row(name, tuple(parts[name])) for name in sorted(parts)]


def _passed_over(key: str) -> bool:
    return key == "seed" or key.startswith(NEUTRAL_KEYS)


def _identity(options: Mapping[str, Any]) -> tuple:
    return tuple(sorted((key, str(value)) for key, value in options.items() if not key.startswith(NEUTRAL_KEYS)))


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value) or "base"


def _order(declared: Iterable[Any]):
    """Sort key: the declared values first and in their order, then numbers, then words."""
    places = {value: place for place, value in reversed(list(enumerate(declared)))}

    def key(value: Any) -> tuple:
        numeric = isinstance(value, int | float)
        return (places.get(value, len(places)), not numeric, value if numeric else 0, str(value))

    return key


def _size(options: Sequence[Mapping[str, Any]]) -> str:
    """The features of a layer; the weights of the model where they decide."""
    budgets = {one.get("model.parameter_budget", 0): None for one in options}
    widths = {str(one.get("model.features", "")): None for one in options if not one.get("model.parameter_budget")}
    counts = [f"{budget:,}" if isinstance(budget, int) else str(budget) for budget in budgets if budget]
    sizes = {"features": list(widths), "parameters": counts}
    return " or ".join(f"{'/'.join(found)} {unit}" for unit, found in sizes.items() if found)


def _task(trial: Trial) -> str:
    options = trial.options
    match options.get("task.name"):
        case "pixels":
            pixels = options.get("task.pixels_per_step", 1)
            if not isinstance(pixels, int) or isinstance(pixels, bool) or pixels < 1:
                place = f"{trial.run.config_file}: task.pixels_per_step={pixels}"
                raise UserError(f"{place}: must be a whole number, at least 1")
            order = " in a fixed random order" if options.get("task.permuted") else ""
            return f"MNIST, {PIXELS // pixels} steps of {pixels} pixel{'s' if pixels > 1 else ''}{order}"
        case "pronunciation":
            return "CMUdict, letters to phonemes" + (" with stress" if options.get("task.stress") else "")
        case "translation":
            language = LANGUAGES.get(str(options.get("task.target")), options.get("task.target"))
            return f"English to {language}, 3 to {options.get('task.max_words')} words, {_units(options)}"
        case "speech_digits":
            return "connected digits, synthesised"
        case "speech_syllables":
            return f"Mandarin syllables, held out by {options.get('task.split')}"
        case "speech_prompts":
            return f"recorded prompts, {options.get('task.language')}"
        case "image_digits":
            return f"strips of 1 to {options.get('task.digits')} digits"
        case "image_stamps":
            return "pictures to captions"
        case other:
            return drawn.words(options) or str(other)


def _units(options: Mapping[str, Any]) -> str:
    """What a step of source and of target is."""
    if options.get("task.units") == "characters":
        return "characters"
    counts = {str(options.get(f"task.{side}_pieces")): None for side in ("source", "target")}
    return f"{'/'.join(counts)} pieces"
