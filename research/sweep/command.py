"""What a sweep file starts: the experiment, the flags that all trials share, and how it writes the parameters.

W&B's agent replaces the macros of `command:`, such as `${args}`; this module reads what the result would mean.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.config.extensions import import_modules
from research.config.flags import read_flags
from research.config.naming import NamedConfig, name_trial
from research.errors import UserError, shorten
from research.sweep.place import Place

EXAMPLE = '["${env}", "${interpreter}", "-m", "research", "train", EXPERIMENT, "${args}"]'
DEFAULT = ("${env}", "${interpreter}", "${program}", "${args}")  # W&B's
NO_FALSE = "${args_no_boolean_flags}"
"""The macro that writes nothing for a parameter that is false."""
ARGS = ("${args}", "${args_no_equals}", "${args_no_hyphens}", NO_FALSE)
"""W&B's macros for the parameters: --a=1, --a 1, a=1, and --a for a true `a`."""
ENVIRONMENT = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")


@dataclass(frozen=True)
class Command:
    """The command of a sweep's trials."""

    experiment: str
    """Name or path; "": a parameter or a flag names it."""
    flags: tuple[str, ...]
    """Flags of all trials."""
    args: str
    """The macro that stands for the parameters."""
    place: Place

    def trial(self, values: Mapping[str, Any]) -> NamedConfig:
        """Return the trial with these values by key.

        Raises:
            UserError: for a wrong key or value; without the place in the file.
        """
        written = [f"--{key}={value}" for key, value in values.items() if self.args != NO_FALSE or value is not False]
        flags = read_flags([*self.flags, *written])
        name = self.experiment or flags.get("experiment")
        if not name:
            raise UserError("experiment: must be named by --experiment, by a parameter, or by `program: PATH.py`")
        return name_trial(name, flags)


def read(content: Mapping[str, Any], place: Place, experiment: str) -> Command:
    """Return the command of a sweep file, after importing the modules that it imports.

    `experiment` is its name or path, for a file that does not name one.

    Raises:
        UserError: naming the line, the key and what is allowed.
    """
    command, place = content.get("command", DEFAULT), place / "command"
    place.require(isinstance(command, list | tuple), command, EXAMPLE)
    words = [_with_environment(str(word), place / index) for index, word in enumerate(command or DEFAULT)]
    starts = [
        at for at, word in enumerate(words) if word == "${program}" or words[at : at + 2] == ["research", "train"]
    ]
    rest = words[starts[0] + 1 :] if starts else []
    args = [word for word in rest if word in ARGS]
    if len(args) != 1:
        raise place.error(f"must be {EXAMPLE}, with any fixed flags before or after the last")
    program = str(content.get("program", "")) if words[starts[0]] == "${program}" else ""
    name = "" if program.endswith("__main__.py") else _locate(program, place.file)
    if rest[0] == "train" and not name:
        rest = rest[1:]
        name = rest.pop(0) if not rest[0].startswith(("-", "$")) else ""
    try:
        fixed = import_modules([word for word in rest if word not in ARGS])
    except UserError as error:
        raise place.located(error) from error
    for word in fixed:
        if "${" in word:
            raise place.error(f"{shorten(word)} is not known; {EXAMPLE} is")
        if word.startswith(("--runs-dir", "--runs_dir")):
            raise place.error("--runs-dir must be absent; it is an option of `sweep`")
    flags = [f"--experiment={experiment}"] if experiment else []
    for key in ("project", "entity"):  # agents get them from W&B
        written = any(word.replace("-", "_").startswith(f"__wandb.{key}") for word in fixed)
        if content.get(key) and not written and f"wandb.{key}" not in content["parameters"]:
            flags.append(f"--wandb.{key}={content[key]}")
    return Command(name, (*flags, *fixed), args[0], place)


def _with_environment(word: str, place: Place) -> str:
    """Replace `${envvar:NAME}` by the value of the environment variable."""
    for name in ENVIRONMENT.findall(word):
        if name not in os.environ:
            raise place.error(f"{word}: the environment variable {name} must be set")
    return ENVIRONMENT.sub(lambda match: os.environ[match[1]], word)


def _locate(program: str, file: Path) -> str:
    """Return the path of an experiment file that is given relative to the working directory or to the sweep file."""
    beside = file.parent / program
    return str(beside) if program and not Path(program).exists() and beside.exists() else program
