"""Parse the words of a command to a dataclass of its arguments: positional ones, and flags as in `train`."""

import difflib
import itertools
from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import Annotated, TypeVar, get_origin, get_type_hints

import tyro

from research.config.flags import HELP, run_tyro, split
from research.config.help import print_command, sections
from research.errors import UserError, program, shorten

Positional = tyro.conf.Positional
OptionsT = TypeVar("OptionsT")
Section = Annotated[OptionsT, tyro.conf.arg(name="")]
"""A field whose own fields are flags of the command, without a prefix."""


def parse_command(kind: type[OptionsT], args: Sequence[str], command: str) -> OptionsT:
    """Return the arguments of a command, or print its help.

    Args:
        kind: a dataclass of the arguments; its docstring and those of its fields are the help. Fields without a default
            and those marked as `Positional` are positional arguments. The fields of a
            `Section` are flags of the command as well.
        args: the words after the command.
        command: its name.

    Raises:
        SystemExit: with code 0, after the help.
        UserError: naming the command and the word that is wrong.
    """
    hints = get_type_hints(kind, include_extras=True)
    for name in (inside := sections(kind)):
        del hints[name]
    for section, *_ in inside.values():
        hints |= {item.name: get_type_hints(section)[item.name] for item in fields(section)}
    required = {item.name for item in fields(kind) if item.default is MISSING and item.default_factory is MISSING}  # pyright: ignore[reportArgumentType]
    positionals = required | {name for name, hint in hints.items() if get_origin(hint) is Annotated}
    try:
        if any(word in HELP for word in args):
            print_command(kind, command)
        for word in itertools.takewhile(lambda word: word != "--", args):
            key = word.removeprefix("--").partition("=")[0].replace("-", "_")
            if word.startswith("--") and (key not in hints or key in positionals):
                close = difflib.get_close_matches(key, hints.keys() - positionals, n=1, cutoff=0.5)
                hint = f"did you mean --{_hyphens(close[0])}?" if close else f"see {program()} {command} --help"
                if command == "predict" and not close:
                    hint = "words after -- are no options"
                raise UserError(f"--{_hyphens(shorten(key))}: no such option; {hint}")
        flags, others = split(args, switches={name for name, hint in hints.items() if hint is bool})
        return run_tyro(kind, flags, others)
    except UserError as error:
        key, equals, rest = str(error).partition("=")
        flag = f"--{_hyphens(key)}" if equals and key in hints.keys() - positionals else key  # as it was typed
        raise UserError(f"{command}: {flag}{equals}{rest}") from error


def words_of(text: str, separator: str = ",") -> list[str]:
    """Return the words between separators."""
    return [word.strip() for word in text.split(separator) if word.strip()]


def _hyphens(key: str) -> str:
    return key.replace("_", "-")
