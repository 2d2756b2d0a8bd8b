"""Read a sweep file in W&B's format to a list of trials, without W&B.

The format: https://docs.wandb.ai/guides/sweeps/sweep-config-keys.

`wandb sweep` takes the same files. A trial's config is made from the flags that W&B's agent would write for it,
`--key=value` for each parameter, so that the two ways of running a sweep cannot differ.
"""

import contextlib
import itertools
import math
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from research.config import experiment as experiments
from research.config import strict_yaml
from research.config.extensions import import_modules
from research.config.flags import read_flags
from research.config.naming import NamedConfig, folder_name, name_trial
from research.errors import UserError, shorten, suggest
from research.options import require
from research.sweep import parameters
from research.sweep.parameters import Parameter

METHODS = ("grid", "random")
USED = ("command", "method", "name", "parameters", "program", "project", "run_cap")
UNUSED = ("description", "entity", "metric")  # W&B's; they do not change the trials
COMMAND = '["${env}", "${interpreter}", "-m", "research", "train", EXPERIMENT, "${args}"]'
DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")  # W&B's
COPY = "sweep.yaml"
"""The copy of a sweep file next to its runs."""
MAX_TRIALS = 10_000
SEED = 0  # of the samples of a random sweep
REDRAWS = 1000  # before a random sweep is said to have no more different trials


class Sweep(NamedTuple):
    """A sweep file's trials, in their order."""

    name: str
    trials: tuple[NamedConfig, ...]
    varied: tuple[str, ...] = ()
    """Keys of the parameters that vary in the file."""


def files() -> dict[str, Path]:
    """Return the sweep files by name: those in `sweeps/` of the project and, before them, of the working directory."""
    folders = (experiments.ROOT / "sweeps", Path("sweeps"))
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def find(path: Path) -> Path:
    """Return the path, or that of the sweep file in `sweeps/` with this name."""
    if path.suffix or path.is_file():
        return path
    known = files()
    if str(path) not in known:
        hint = suggest(str(path), known).replace("must be", "must be the path of a file, or")
        raise UserError(f"{shorten(path)}: no such sweep; {hint}")
    return known[str(path)]


def describe(path: Path) -> str:
    """Return the description of a sweep file, "" if it has none or cannot be read."""
    with contextlib.suppress(UserError):
        return str(_load(path).get("description") or "").strip().partition("\n")[0]
    return ""


def read(path: Path | str, experiment: str = "", limit: int | None = None) -> Sweep:
    """Return the sweep of a file, after importing the modules that its command imports.

    Args:
        path: of the file.
        experiment: name or path of the experiment, for a file that does not name one.
        limit: most trials; None: all.

    Raises:
        UserError: for a mistake in the file or in any of these trials, naming the file and the key.
    """
    path = Path(path)
    try:
        content = _load(path)
        _check_keys(content)
        named, fixed = _command(content, path)
        if experiment:
            fixed = [f"--experiment={experiment}", *fixed]
        if "project" in content and not any(word.startswith("--wandb.project") for word in fixed):
            fixed = [f"--wandb.project={content['project']}", *fixed]
        listed = [parameters.read(str(key), entry) for key, entry in content["parameters"].items()]
        trials = tuple(itertools.islice(_trials(content, listed, named, fixed), limit))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    varied = tuple(parameter.key for parameter in listed if parameter.varies)
    return Sweep(folder_name(str(content.get("name", path.stem))), trials, varied)


def save_copy(path: Path, directory: Path) -> None:
    """Copy the sweep file next to its runs, for reports; a crash leaves the old copy or the new one."""
    content, copy = path.read_bytes(), directory / COPY
    if not copy.exists() or copy.read_bytes() != content:
        temporary = directory / f".{COPY}.{os.getpid()}"
        temporary.write_bytes(content)
        os.replace(temporary, copy)


def _trials(
    content: dict[str, Any], listed: Sequence[Parameter], experiment: str, fixed: Sequence[str]
) -> Iterator[NamedConfig]:
    seen: set[str] = set()
    for values in _combinations(content, listed):
        args = [f"--{parameter.key}={value}" for parameter, value in zip(listed, values, strict=True)]
        flags = read_flags([*fixed, *args])
        name = experiment or flags.get("experiment")
        if not name:
            raise UserError("experiment: must be named by --experiment, by a parameter, or by `program: PATH.py`")
        trial = name_trial(name, flags)
        if trial.name in seen:
            raise UserError(f"parameters: two trials are the same, {trial.name}")
        seen.add(trial.name)
        yield trial


def _combinations(content: dict[str, Any], varied: Sequence[Parameter]) -> Iterator[tuple[Any, ...]]:
    """Return the values of each trial: all combinations, the last parameter changing fastest, or random ones."""
    cap = content.get("run_cap")
    if content["method"] == "random":
        if cap is None:
            raise UserError("run_cap: must be set, as the method is random: the number of trials")
        return _sample(varied, cap)
    for parameter in varied:
        if not parameter.values:
            raise UserError(f"parameters.{shorten(parameter.key)}: must hold value or values, as the method is grid")
    count = min(math.prod(len(parameter.values) for parameter in varied), cap or math.inf)
    if count > MAX_TRIALS:
        raise UserError(f"parameters: make {count} trials; must be at most {MAX_TRIALS}, or run_cap set")
    return itertools.islice(itertools.product(*(parameter.values for parameter in varied)), cap)


def _sample(varied: Sequence[Parameter], count: int) -> Iterator[tuple[Any, ...]]:
    """Yield different random values; those of a smaller count come first, so that a greater one extends the sweep."""
    rng = random.Random(SEED)
    seen: set[tuple[Any, ...]] = set()
    for _ in range(count):
        draws = (tuple(parameter.sample(rng) for parameter in varied) for _ in range(REDRAWS))
        values = next((values for values in draws if values not in seen), None)
        if values is None:
            raise UserError(f"run_cap={count}: must be at most {len(seen)}, the number of different trials")
        seen.add(values)
        yield values


def _check_keys(content: dict[str, Any]) -> None:
    if "early_terminate" in content or content.get("method") == "bayes":
        raise UserError("early_terminate and method=bayes: need W&B's server; use `wandb sweep`")
    for key in content:
        if key not in USED + UNUSED:
            raise UserError(f"{shorten(key)}: no such key; {suggest(str(key), sorted(USED + UNUSED))}")
    for key in ("method", "parameters"):
        if content.get(key) is None:
            raise UserError(f"{key}: must be set")
    require(content["method"] in METHODS, "method", content["method"], f"one of {', '.join(METHODS)}")
    if not isinstance(content["parameters"], dict) or not content["parameters"]:
        raise UserError("parameters: must map config keys to value, values, or a distribution")
    for key in ("name", "program", "project"):
        value = content.get(key, "x")
        require(isinstance(value, str) and bool(value.strip(" .")), key, value, "a word")
    cap = content.get("run_cap", 1)
    require(type(cap) is int and cap >= 1, "run_cap", cap, "a whole number, at least 1, such as 10")


def _command(content: dict[str, Any], path: Path) -> tuple[str, list[str]]:
    """Return the experiment that the command names, "" if it names none, and the flags that it fixes."""
    command = content.get("command", DEFAULT_COMMAND)
    words = [str(word) for word in command] if isinstance(command, list | tuple) else []
    starts = [
        at for at, word in enumerate(words) if word == "${program}" or words[at : at + 2] == ["research", "train"]
    ]
    rest = words[starts[0] + 1 :] if starts else []
    if "${args}" not in rest:
        raise UserError(f"command: must be {COMMAND}, with any fixed flags before or after the last")
    program = str(content.get("program", "")) if words[starts[0]] == "${program}" else ""
    name = "" if program.endswith("__main__.py") else _locate(program, path)
    if rest[0] == "train" and not name:
        rest = rest[1:]
        name = rest.pop(0) if not rest[0].startswith(("-", "$")) else ""
    fixed = import_modules([word for word in rest if word != "${args}"])
    for word in fixed:
        if "${" in word:
            raise UserError(f"command: {shorten(word)} is not known; {COMMAND} is")
        if word.startswith(("--runs-dir", "--runs_dir")):
            raise UserError("command: --runs-dir must be absent; it is an option of `sweep`")
    return name, fixed


def _locate(program: str, path: Path) -> str:
    """Return the path of an experiment file that is given relative to the working directory or to the sweep file."""
    beside = path.parent / program
    return str(beside) if program and not Path(program).exists() and beside.exists() else program


def _load(path: Path) -> dict[str, Any]:
    content = strict_yaml.read(path)
    if not isinstance(content, dict):
        raise UserError("must be a mapping with method and parameters")
    return content
