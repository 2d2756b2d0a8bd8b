"""The words of a command to a dataclass of its arguments: positional ones, and flags as those of `train`."""

import difflib
import functools
from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import Annotated, TypeVar, get_origin, get_type_hints

import tyro
from tyro import _errors as tyro_errors  # private, but the only way to tyro's parse errors; tyro is pinned

from research.config.flags import HELP, refuse, run_tyro, split
from research.errors import UserError

Positional = tyro.conf.Positional
MARKERS = (tyro.conf.PositionalRequiredArgs,)
OptionsT = TypeVar("OptionsT")


def parse_command(kind: type[OptionsT], args: Sequence[str], command: str) -> OptionsT | None:
    """Return the arguments of a command; None where they ask for its help, which is then printed.

    Args:
        kind: a dataclass of the arguments; its docstring and those of its fields are the help. Those without a default,
            or marked as `Positional`, are told apart by their place.
        args: the words after the command.
        command: the words before them, such as "data fetch".

    Raises:
        UserError: for what the command does not take, or lacks.
    """
    hints = get_type_hints(kind, include_extras=True)
    required = {item.name for item in fields(kind) if item.default is MISSING and item.default_factory is MISSING}  # pyright: ignore[reportArgumentType]
    positionals = required | {name for name, hint in hints.items() if get_origin(hint) is Annotated}
    try:
        if any(word in HELP for word in args):
            return run_tyro(kind, ["--help"], MARKERS, prog=f"python -m research {command}")
        flags, others = split(args)
        for key in flags:
            if key not in hints or key in positionals:
                close = difflib.get_close_matches(key, hints.keys() - positionals, n=1, cutoff=0.5)
                hint = f"; did you mean --{_hyphens(close[0])}?" if close else ""
                raise UserError(f"--{_hyphens(key)}: no such option{hint}")
        with tyro_errors.on_parse_error(functools.partial(refuse, flags)):
            options = run_tyro(kind, [*(f"--{key}={text}" for key, text in flags.items()), "--", *others], MARKERS)
        for name in required:
            if getattr(options, name) == ():
                raise UserError(f"{name.upper()} must be given")
        return options
    except SystemExit:  # tyro, after its help
        return None
    except UserError as error:
        raise UserError(f"{command}: {error}") from error


def _hyphens(key: str) -> str:
    return key.replace("_", "-")
