"""W&B's package `sweeps` and `research sweep` read the same files alike: those of sweeps/, and made by hypothesis.

Both refuse the same files, but for the differences that docs/sweeps.md lists. A grid has the same trials, with the
flags that W&B's agent would write; a distribution has the same values; metric and early termination are the same. The
package gets an environment of its own, which pip makes; SWEEPS_PYTHON=PATH names the Python of one that has it.
"""

import json
import math
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from wandb.sdk.launch.sweeps import utils as agent

from drills import sweep_files, wandb_sweeps
from drills.count import Count
from research.config.experiment import ROOT
from research.config.naming import NamedConfig
from research.errors import UserError
from research.sweep import command, spec
from research.sweep.spec import Sweep

FILES = (60, 400)
"""Files of each of four kinds."""
PACKAGE = ("sweeps==0.3.0", "numpy<2")
DIFFERENCES = {
    "method=custom|is for W&B Launch": "W&B Launch",
    "run_cap: must be set|run_cap=.* number of different trials": "run_cap of random and bayes",
    r"command(\.\d+)?: |command=|experiment: must be named|experiment '": "command",
    "two trials are the same|is set twice|given twice": "the same trial twice",
    "at most 10000": "10,000 trials",
    "exponent of e": "exponents beyond 700",
    r"\.[ab]=0(\.0)?: must be greater": "beta with 0",
    "metric.impute": "impute",
    "metric.name=: ": "empty name",
    "must hold one that varies": "bayes without a choice",
    r"(parameters\.\w+(\.\w+)?){2,}\.probabilities": "nested probabilities",
}
"""What is refused here alone, as docs/sweeps.md says, by a pattern of the message."""

ACCEPTED = {"'float' object cannot be interpreted as an integer": "s as 2.0"}
"""What W&B alone refuses."""


def drill(full: bool, rng: random.Random, place: Path) -> Iterator[Count]:
    """Make files, have the package judge them, and compare."""
    python = os.environ.get("SWEEPS_PYTHON") or _environment(place / "venv")
    if not python:
        yield Count(f"sweep format: not compared, as pip finds no {' and '.join(PACKAGE)}")
        return
    os.environ["USER_OF_DRILL"] = "1"
    schemas = sweep_files.schemas(json.loads(_package(python, "schema")))
    kinds = {name: sweep_files.make(schema, FILES[full], rng.randrange(2**32)) for name, schema in schemas.items()}
    intact = [*kinds["runnable"], *kinds["grids"]]
    kinds["damaged"] = [sweep_files.damage(rng.choice(intact), rng) for _ in range(FILES[full])]
    paths = {"sweeps/": sorted((ROOT / "sweeps").glob("*.yaml"))}
    for name, contents in kinds.items():
        paths[name] = [place / f"{name.split()[0]}_{index}.yaml" for index in range(len(contents))]
        for path, content in zip(paths[name], contents, strict=True):
            path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    every = [str(path) for group in paths.values() for path in group]
    answers = json.loads(_package(python, "judge", "\n".join(every)))
    command.name_trial = _without_config
    for name, group in paths.items():
        count = Count(f"sweep format: {name}")
        for path in group:
            end, fault = _compare(path, answers[str(path)])
            count.add(end, fault and f"{fault}\n{path.read_text(encoding='utf-8')}")
        yield count


def _environment(folder: Path) -> str:
    """Return the Python of a new environment with the package; "" where pip does not find it."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    if subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGE], check=False).returncode:
        return ""
    return python


def _package(python: str, word: str, text: str = "") -> str:
    """Return what the package's side prints."""
    words = [python, wandb_sweeps.__file__, word]
    return subprocess.run(words, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout


def _without_config(experiment: str, flags: Mapping[str, str]) -> NamedConfig:
    """Return a trial that is its flags: which of them are options is not the format's."""
    options = {key: text for key, text in flags.items() if key != "experiment" and not key.startswith("wandb.")}
    return NamedConfig(str(sorted(options.items())), options)  # pyright: ignore[reportArgumentType]


def _compare(path: Path, answer: Mapping[str, Any]) -> tuple[str, str]:
    """Return how a file was read, and what is wrong with that."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        sweep = spec.read(path)
    except UserError as error:
        if answer["refused"]:
            return "refused by both", ""
        known = next((name for text, name in DIFFERENCES.items() if re.search(text, str(error))), "")
        return f"refused here: {known}", "" if known else f"refused here alone: {error}"
    if answer["refused"]:
        known = next((name for text, name in ACCEPTED.items() if text in answer["refused"]), "")
        return f"refused by W&B: {known}", "" if known else f"refused by W&B alone: {answer['refused']}"
    faults = [*_metric_faults(sweep, answer), *_value_faults(sweep, answer)]
    if content["method"] == "grid":
        faults += _grid_faults(sweep, answer, content)
    alike = "alike, deprecated by W&B" if answer["deprecated"] else f"alike ({sweep.method})"
    return alike, "; ".join(faults)


def _metric_faults(sweep: Sweep, answer: Mapping[str, Any]) -> Iterator[str]:
    for name, part in {"metric": sweep.metric, "early_terminate": sweep.early_terminate}.items():
        expected = answer.get(name, {})
        for key, value in vars(part).items() if part else ():
            unused = key == "s" and "max_iter" not in expected
            if value != expected.get(key) and not unused:
                yield f"{name}.{key}: {value} here, {expected.get(key)} by W&B"
        if bool(part) != bool(expected):
            yield f"{name}: {part} here, {expected} by W&B"


def _value_faults(sweep: Sweep, answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values of parameters that differ, but where W&B's are no numbers, as for sigma=0."""
    for parameter in sweep.parameters:
        for x, expected in zip(wandb_sweeps.POINTS, answer["quantiles"][parameter.key], strict=True):
            value = parameter.quantile(x) if parameter.distribution != "constant" else parameter.values[0]
            numbers = isinstance(value, int | float) and isinstance(expected, int | float)
            same = math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-12) if numbers else value == expected
            undefined = isinstance(expected, float) and math.isnan(expected)
            if not same and not undefined:
                yield f"{parameter.key} at {x}: {value} here, {expected} by W&B"


def _grid_faults(sweep: Sweep, answer: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[str]:
    """Yield trials that differ; their order does, and with it the trials that a run_cap takes."""
    words = content.get("command") or agent.DEFAULT_SWEEP_COMMAND
    macro = next(word for word in words if word.startswith("${args"))
    here = Counter(tuple(sorted(trial.config.items())) for trial in sweep.trials)  # pyright: ignore
    there = Counter(tuple(sorted(_flags(values, macro).items())) for values in answer["trials"])
    here, there = (Counter({_plain(flags): count for flags, count in flags.items()}) for flags in (here, there))
    count = min(there.total(), content.get("run_cap", math.inf))
    if answer["complete"] and (here.total() != count or here - there):
        yield f"{here.total()} trials here, {count} by W&B, {(here - there).total()} unknown to it"


def _flags(values: Mapping[str, Any], macro: str) -> dict[str, str]:
    """Return the flags that W&B's agent writes for the values of a trial, by key."""
    flags = agent.create_sweep_command_args({"args": {key: {"value": value} for key, value in values.items()}})
    words: Sequence[str] = flags[macro[2:-1]]
    if macro == "${args_no_equals}":
        words = [f"{key}={value}" for key, value in zip(words[::2], words[1::2], strict=True)]
    pairs = (word.removeprefix("--").partition("=") for word in words)
    return {key: text if equals else "True" for key, equals, text in pairs}


def _plain(flags: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return flags without the fixed one, with numbers in one spelling: W&B's server makes 3 of a value 3.0."""
    return tuple((key, _number(text)) for key, text in flags if key != "fixed")


def _number(text: str) -> str:
    try:
        return str(float(text) + 0.0)  # 0.0 for -0.0
    except ValueError:
        return text
