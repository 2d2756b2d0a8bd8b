"""Read a sweep file in W&B's format to a list of trials, without W&B.

The format: https://docs.wandb.ai/guides/sweeps/sweep-config-keys, and its schema in https://github.com/wandb/sweeps.

`wandb sweep` takes the same files. A trial's config is made from the flags that W&B's agent would write for it,
`--key=value` for each parameter, so that the two ways of running a sweep cannot differ.
"""

import contextlib
import itertools
import math
import os
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from research.config import experiment as experiments
from research.config.naming import NamedConfig, folder_name
from research.errors import UserError, shorten, suggest
from research.sweep import command as commands
from research.sweep import parameters as parameter_entries
from research.sweep import place as places
from research.sweep.command import Command
from research.sweep.objective import Hyperband, Metric, read_early_terminate, read_metric
from research.sweep.parameters import Parameter
from research.sweep.place import Place

METHODS = ("grid", "random", "bayes")
TEXTS = ("apiVersion", "description", "entity", "name", "program", "project")
"""Keys whose value is text."""
LAUNCH = ("image_uri", "job", "metrics", "scheduler")
"""Keys for W&B Launch, which starts trials in containers."""
KEYS = (
    *TEXTS,
    *LAUNCH,
    "command",
    "controller",
    "early_terminate",
    "kind",
    "method",
    "metric",
    "parameters",
    "run_cap",
)
COPY = "sweep.yaml"
"""The copy of a sweep file next to its runs."""
MAX_TRIALS = 10_000
SEED = 0  # of the samples of a random sweep
REDRAWS = 1000  # before a random sweep is said to have no more different trials


@dataclass(frozen=True)
class Sweep:
    """What a sweep file describes."""

    name: str
    trials: tuple[NamedConfig, ...]
    """In their order; () for `method: bayes`, which chooses values while trials run."""
    points: tuple[tuple[Any, ...], ...]
    """Values of the parameters of each trial."""
    varied: tuple[str, ...]
    """Keys of the parameters that vary in the file."""
    method: str
    metric: Metric | None
    early_terminate: Hyperband | None
    run_cap: int | None
    """Most trials."""
    parameters: tuple[Parameter, ...]
    command: Command
    place: Place

    def trial(self, values: Sequence[Any], changes: Mapping[str, Any] | None = None) -> NamedConfig:
        """Return the trial with these values of the parameters, in their order.

        `changes` are values of other keys, or in place of those.

        Raises:
            UserError: for a wrong key or value, naming its line.
        """
        pairs = dict(zip((parameter.key for parameter in self.parameters), values, strict=True)) | dict(changes or {})
        try:
            return self.command.trial(pairs)
        except UserError as error:
            raise self._place_of(str(error), pairs).located(error) from error

    def _place_of(self, error: str, values: dict[str, Any]) -> Place:
        """Return the place of the key that an error names first."""
        key = (re.match(r"(?:--)?(.*?)[=: ]", error) or [error, error])[1]
        for parameter in self.parameters:
            if shorten(parameter.key) == key:
                listed = [index for index, value in enumerate(parameter.values) if value is values[parameter.key]]
                of_key = not listed or ": no such option" in error
                return parameter.place if of_key else parameter.place / "values" / listed[0]
        if key == "experiment" and self.command.experiment.endswith(".py"):
            return self.place / "program"
        fixed = key == "experiment" or any(flag.startswith(f"--{key}") for flag in self.command.flags)
        return self.command.place if fixed else self.place / "parameters"


def files() -> dict[str, Path]:
    """Return the sweep files by name: those in `sweeps/` of the project and, before them, of the working directory."""
    folders = (experiments.ROOT / "sweeps", Path("sweeps"))
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}


def find(path: Path) -> Path:
    """Return the path, or that of the sweep file with this name, in the working directory or in `sweeps/`."""
    if path.suffix or path.is_file():
        return path
    if (file := Path(f"{path}.yaml")).is_file():
        return file
    known = files()
    if str(path) not in known:
        hint = suggest(str(path), known).replace("must be", "must be the path of a file, or")
        raise UserError(f"{shorten(path)}: no such sweep; {hint}")
    return known[str(path)]


def describe(path: Path) -> str:
    """Return the description of a sweep file, "" if it has none or cannot be read."""
    with contextlib.suppress(UserError):
        return str(places.read(path)[0].get("description") or "").strip().partition("\n")[0]
    return ""


def outline(path: Path) -> tuple[int, Metric | None]:
    """Return the number of trials of a sweep file and its metric, without a look at the configs of the trials.

    Raises:
        UserError: if the file cannot be read.
    """
    content, place = places.read(path)
    _check_keys(content, place)
    count = int(content.get("run_cap", MAX_TRIALS))
    if content["method"] == "grid":
        parameters = parameter_entries.read_all(content["parameters"], place / "parameters")
        count = min(math.prod(len(parameter.grid()) for parameter in parameters), count)
    return count, read_metric(content, place)


def read(path: Path | str, experiment: str = "", limit: int | None = None) -> Sweep:
    """Return the sweep of a file, after importing the modules that its command imports.

    `experiment` is its name or path, for a file that does not name one; `limit` is the largest number of trials.

    Raises:
        UserError: for a mistake in the file or in any of these trials, naming the file, the line and the key.
    """
    content, place = places.read(Path(path))
    _check_keys(content, place)
    parameters = tuple(parameter_entries.read_all(content["parameters"], place / "parameters"))
    sweep = Sweep(
        name=folder_name(content.get("name") or Path(path).stem),
        trials=(),
        points=(),
        varied=tuple(parameter.key for parameter in parameters if parameter.varies),
        method=content["method"],
        metric=read_metric(content, place),
        early_terminate=read_early_terminate(content, place),
        run_cap=int(content["run_cap"]) if "run_cap" in content else None,
        parameters=parameters,
        command=commands.read(content, place, experiment),
        place=place,
    )
    if sweep.method == "bayes":
        _check_bayes(sweep)
        return sweep
    pairs = tuple(itertools.islice(_trials(sweep), limit))
    return replace(sweep, trials=tuple(trial for trial, _ in pairs), points=tuple(values for _, values in pairs))


def save_copy(path: Path, directory: Path) -> None:
    """Copy the sweep file next to its runs, for reports; a crash leaves the old copy or the new one."""
    content, copy = path.read_bytes(), directory / COPY
    if not copy.exists() or copy.read_bytes() != content:
        temporary = directory / f".{COPY}.{os.getpid()}"
        temporary.write_bytes(content)
        os.replace(temporary, copy)


def _trials(sweep: Sweep) -> Iterator[tuple[NamedConfig, tuple[Any, ...]]]:
    seen: set[str] = set()
    for values in _sample(sweep) if sweep.method == "random" else _combinations(sweep):
        trial = sweep.trial(values)
        if trial.name in seen:
            raise (sweep.place / "parameters").error(f"two trials are the same, {trial.name}")
        seen.add(trial.name)
        yield trial, values


def _combinations(sweep: Sweep) -> Iterator[tuple[Any, ...]]:
    """Return all combinations of values, the last parameter changing fastest."""
    grids = [parameter.grid() for parameter in sweep.parameters]
    count = min(math.prod(map(len, grids)), sweep.run_cap or math.inf)
    if count > MAX_TRIALS:
        text = f"make {count} trials; must be at most {MAX_TRIALS}, or run_cap set"
        raise (sweep.place / "parameters").error(text)
    return itertools.islice(itertools.product(*grids), int(count))


def _sample(sweep: Sweep) -> Iterator[tuple[Any, ...]]:
    """Yield different random values; those of a smaller cap come first, so that a greater one extends the sweep."""
    rng = random.Random(SEED)
    seen: set[str] = set()
    assert sweep.run_cap
    for _ in range(sweep.run_cap):
        draws = (tuple(parameter.sample(rng) for parameter in sweep.parameters) for _ in range(REDRAWS))
        values = next((values for values in draws if str(values) not in seen), None)
        if values is None:
            text = f"run_cap={sweep.run_cap}: must be at most {len(seen)}, the number of different trials"
            raise (sweep.place / "run_cap").located(text)
        seen.add(str(values))
        yield values


def _check_bayes(sweep: Sweep) -> None:
    """Check the trials at the ends of each parameter: the first values, with one of the others at a time."""
    for parameter in sweep.parameters:
        if parameter.probabilities:
            raise (parameter.place / "probabilities").error("must be absent, as the method is bayes")
    if not sweep.varied:
        raise (sweep.place / "parameters").error("must hold one that varies, as the method is bayes")
    ends = [parameter.ends() for parameter in sweep.parameters]
    first = [values[0] for values in ends]
    for index, values in enumerate(ends):
        for value in values:
            sweep.trial([*first[:index], value, *first[index + 1 :]])


def _check_keys(content: dict[str, Any], place: Place) -> None:
    """Check all keys but `parameters`, `command`, `metric` and `early_terminate`."""
    for key in content:
        if key in LAUNCH:
            raise (place / key).error("is for W&B Launch; use `wandb launch-sweep`")
    place.require_mapping(content, KEYS)
    for key in ("method", "parameters"):
        if content.get(key) is None:
            raise (place / key).error("must be set")
    method = content["method"]
    (place / "method").require(method in METHODS, method, f"one of {', '.join(METHODS)}")
    for key in TEXTS:
        value = content.get(key, "")
        (place / key).require(isinstance(value, str), value, "text")
    (place / "kind").require(content.get("kind", "sweep") == "sweep", content.get("kind"), "sweep")
    if "controller" in content:
        (place / "controller").require(isinstance(content["controller"], dict), content["controller"], "a mapping")
        kind = content["controller"].get("type")
        (place / "controller" / "type").require(kind in ("local", "cloud"), kind, "local or cloud")
    if "run_cap" in content:
        (place / "run_cap").require_whole(content["run_cap"], 1)
    if method == "grid":
        return
    if "run_cap" not in content:
        raise (place / "run_cap").error(f"must be set, as the method is {method}: the number of trials")
    (place / "run_cap").require(content["run_cap"] <= MAX_TRIALS, content["run_cap"], f"at most {MAX_TRIALS}")
    if method == "bayes" and "metric" not in content:
        raise (place / "metric").error("must be set, as the method is bayes")
