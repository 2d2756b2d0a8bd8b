"""Print the help of a command's arguments, or of sections of options, by tyro, in words of the command line."""

import contextlib
import functools
import io
import re
import sys
import textwrap
from collections.abc import Container, Mapping
from dataclasses import MISSING, field, fields, is_dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

import docstring_parser
import tyro

from research.config.flags import POSITIONAL, REGISTRY
from research.errors import program

NAMES = {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}
ONLY_HELP = re.compile(
    r"^(╭─)? options[ ─╮]*\n( -+ ?\n)?[│ ] -h, --help +([│ ]*\n[│ ] +)?show this help message and exit[ │]*\n[╰─╯ ]*\n",
    re.MULTILINE,
)
"""A box that has nothing but the flag that was typed."""
WIDTH = 100
"""Letters of a line of a description."""


def print_command(kind: type, command: str) -> NoReturn:
    """Print the docstring of a dataclass and its fields as arguments of a command, and raise `SystemExit`."""
    required = {item.name for item in fields(kind) if item.default is MISSING and item.default_factory is MISSING}  # pyright: ignore[reportArgumentType]
    inside = {name: Annotated[_legible(section, {}, ()), *marks] for name, (section, *marks) in sections(kind).items()}
    _print(_legible(kind, inside, required), command, use_underscores=False)


def sections(kind: type) -> dict[str, tuple[Any, ...]]:
    """Return the dataclass and tyro's marks of each field of a command that is a section of flags."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: get_args(hint) for name, hint in hints.items() if is_dataclass(_plain(hint))}


def print_options(options: Any, command: str, description: str = "", section: str = "", hidden: Any = ()) -> NoReturn:
    """Print options, which may contradict one another, with their values, and raise `SystemExit`.

    Their keys start with the `section`, such as "task.input"; sections inside that are `hidden` are not shown.
    """
    shown, values = _with_values(options, hidden)
    if section:
        named = Annotated[shown, tyro.conf.arg(name=section)]
        shown, values = make_dataclass("Section", [("section", named, values)]), None
    default = {} if values is None else {"default": values}
    _print(shown, command, description=description, use_underscores=True, **default)


def _print(kind: type, command: str, **options: Any) -> NoReturn:
    encoding = sys.stdout.encoding or "utf-8"  # which decides how boxes are drawn
    captured = io.TextIOWrapper(io.BytesIO(), encoding, errors=sys.stdout.errors)
    with contextlib.redirect_stdout(captured), contextlib.suppress(SystemExit):
        tyro.cli(kind, args=["--help"], prog=f"{program()} {command}", config=POSITIONAL, registry=REGISTRY, **options)
    captured.seek(0)
    for line in ONLY_HELP.sub("", captured.read()).replace("[-h] ", "").splitlines():
        print(textwrap.fill(line, WIDTH) if line[:1].isalpha() else line)
    raise SystemExit(0)


def _with_values(options: Any, hidden: Container[str]) -> tuple[type, Any]:
    """Return a class whose help is legible, and its instance with these options, without its checks."""
    kind, inside, nested = type(options), {}, {}
    for item in fields(options):
        value = getattr(options, item.name)
        if item.name in hidden:
            inside[item.name] = tyro.conf.Suppress[type(value)]
        elif is_dataclass(value):
            inside[item.name], nested[item.name] = _with_values(value, ())
    shown = _legible(kind, inside)
    values = object.__new__(shown)
    for item in fields(options):
        object.__setattr__(values, item.name, nested.get(item.name, getattr(options, item.name)))
    return shown, values


def _legible(kind: type, inside: Mapping[str, Any], required: Container[str] | None = None) -> type:
    """Return a subclass whose fields say what is typed for them.

    `inside` has the types of the fields that are dataclasses, `required` the names of the positional arguments without
    a default, of a command; None: of options of a trial.
    """
    hints = get_type_hints(kind, include_extras=True)
    named = []
    for item in fields(kind):
        hint = hints[item.name]
        positional = required is not None and (item.name in required or get_origin(hint) is Annotated)
        metavar = item.name.upper() if positional else _metavar(hint, required is not None)
        if positional and get_origin(_plain(hint)) is tuple:
            metavar = f"{metavar} ..."
        if positional and item.name not in (required or ()):
            metavar = f"[{metavar}]"
        argument = tyro.conf.arg(
            help=_documented(kind).get(item.name), metavar=metavar, help_behavior_hint="" if metavar == "" else _default
        )
        default = () if item.default_factory is MISSING else (field(default_factory=item.default_factory),)
        if required is not None and item.name in inside:
            default = (field(default_factory=get_args(inside[item.name])[0]),)
        named.append((item.name, inside.get(item.name) or Annotated[hint, argument], *default))
    return make_dataclass(kind.__name__, named, bases=(kind,), frozen=True, namespace={"__doc__": kind.__doc__})


@functools.cache
def _documented(kind: type) -> Mapping[str, str]:
    """Return the docstring of each field, in one line; of a class without a source, such as one of a notebook, none."""
    texts: dict[str, str] = {}
    for part in reversed(kind.__mro__[:-1]):
        with contextlib.suppress(OSError, TypeError):
            params = docstring_parser.parse_from_object(part).params
            texts |= {item.arg_name: " ".join((item.description or "").split()) for item in params}
    return texts


def _plain(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _metavar(hint: Any, switches: bool) -> str | None:
    """Return what stands for a value; None: as tyro writes it."""
    kinds = [kind for kind in get_args(hint) if kind is not type(None)] if _is_optional(hint) else [hint]
    if kinds == [bool] and switches:
        return ""
    if get_origin(kinds[0]) is Literal and len(get_args(kinds[0])) > 1:
        return "{" + ",".join(filter(None, map(str, get_args(kinds[0])))) + "}"
    return NAMES.get(kinds[0])


def _is_optional(hint: Any) -> bool:
    return type(None) in get_args(hint) and get_origin(hint) in (Union, type(int | None))


def _default(text: str) -> str:
    return "" if text in ("", "''", "None") else f"(default: {text})"
