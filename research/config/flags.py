"""Parse flags to a `Config`, by tyro: those of `train`, and those that a sweep file makes for each trial.

A flag is `--dotted.key=value` or `--dotted.key value`, for any key of the flat config. A hyphen in a key counts as an
underscore. Every mistake is a `UserError` of one line. `research.cli.parser` parses the other commands in the same way.
"""

import functools
from collections.abc import Container, Mapping, Sequence
from dataclasses import astuple, make_dataclass, replace
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import tyro
from tyro import _errors as tyro_errors  # private, but the only way to tyro's parse errors; tyro is pinned

from research.config import experiment
from research.config.config import Config
from research.config.flat import KINDS, draft, find_option, merge, override
from research.errors import UserError, nearest, shorten
from research.options import LABELS, require
from research.probes import registered

MARKERS = (tyro.conf.AvoidSubcommands, tyro.conf.FlagConversionOff)
POSITIONAL = (*MARKERS, tyro.conf.PositionalRequiredArgs)
REGISTRY = tyro.constructors.ConstructorRegistry()
HELP = ("-h", "--help")

OptionsT = TypeVar("OptionsT")


@REGISTRY.primitive_rule
def _read_bool(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec[bool] | None:
    """Read booleans as YAML and JSON write them (true), and as Python does (True)."""
    if info.type is not bool:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="{true,false}",
        instance_from_str=lambda words: words[0].lower() == "true",
        is_instance=lambda value: isinstance(value, bool),
        str_from_instance=lambda value: [str(value).lower()],
        choices=("true", "false", "True", "False"),
    )


@REGISTRY.primitive_rule
def _read_name(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec[str] | None:
    """Read the name of a choice; the class that it selects has been looked up before."""
    if get_origin(info.type) is not Literal or len(get_args(info.type)) != 1:
        return None
    (name,) = get_args(info.type)
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME",
        instance_from_str=lambda _: name,
        is_instance=lambda value: value == name,
        str_from_instance=lambda value: [value],
        choices=(name,),
    )


def read_flags(args: Sequence[str], switches: Container[str] = ()) -> dict[str, str]:
    """Return the text of each flag by its key, in the order of the words; refuse words that are no flags."""
    flags, others = split(args, switches)
    if others or "--" in args:
        raise UserError(f"{shorten([*others, '--'][0])!r}: not a flag; flags are written --key=value")
    return flags


def split(args: Sequence[str], switches: Container[str] = ()) -> tuple[dict[str, str], list[str]]:
    """Return the text of each flag by its key, and the words that belong to no flag, such as all words after `--`.

    `switches` are keys of flags that need no value: `--strict` alone means `--strict=true`.
    """
    flags: dict[str, str] = {}
    others: list[str] = []
    words = list(args)
    while words:
        word = words.pop(0)
        if word == "--":
            return flags, others + words
        if not word.startswith("--"):
            others.append(word)
            continue
        key, equals, text = word[2:].partition("=")
        key = key.replace("-", "_")
        if not equals and key in switches:
            text = "true"
        elif not equals:
            if not words or words[0].startswith("--"):
                raise UserError(f"{shorten(word)}: needs a value, as in {shorten(word)}=VALUE")
            text = words.pop(0)
        if key in flags:
            raise UserError(f"--{shorten(key)}: given twice, {shorten(flags[key])!r} and {shorten(text)!r}")
        flags[key] = text
    return flags, others


def parse(base: Config, flags: Mapping[str, str]) -> Config:
    """Return the config with the options of the flags; a flag that names another choice selects its defaults."""
    config = draft(base, flags)
    options = {key: find_option(config, key) for key in flags}
    return merge(config, {key: _read_value(key, item.kind, flags[key]) for key, item in options.items() if item})


def config_of(name: str, flags: Mapping[str, str]) -> Config:
    """Return the config of a trial: the experiment's base, then the setting, the variant and the other flags."""
    for key, text in {"experiment": name, **flags}.items():
        require(text == text.encode(errors="ignore").decode(), key, text, "UTF-8")
    recorded = experiment.recorded_name(name)
    if "experiment" in flags and experiment.recorded_name(flags["experiment"]) != recorded:
        raise UserError(f"experiment={shorten(flags['experiment'])}: must be {name}, the experiment that is trained")
    base = base_config(recorded, flags.get("setting", ""), flags.get("variant", ""))
    probes = registered(base.probes)
    base = base if probes is base.probes else replace(base, probes=probes)
    return parse(base, {key: text for key, text in flags.items() if key not in LABELS})


@functools.lru_cache(maxsize=1000)
def base_config(name: str, setting: str = "", variant: str = "") -> Config:
    """Return the config that the trials of a setting and a variant share; it is cached, as a sweep has many of them."""
    return override(experiment.load(name).config(setting, variant), {"experiment": experiment.recorded_name(name)})


@functools.lru_cache(maxsize=10_000)
def _read_value(key: str, kind: Any, text: str) -> Any:
    """Return the value of one flag; it is cached, as tyro takes milliseconds and the trials of a sweep share flags."""
    options = make_dataclass("Flag", [("value", Annotated[kind, tyro.conf.arg(name=key)])])
    (value,) = astuple(run_tyro(options, {key: text}, use_underscores=True))
    plain = text.isascii() and "_" not in text
    require(plain or not isinstance(value, int | float), key, text, "a number of the digits 0 to 9, without _")
    return value


def summary(kind: type) -> str:
    """Return the first line of a class's docstring, which `list` and `--help` show; "" if it has none."""
    line = (kind.__doc__ or "").strip().partition("\n")[0]
    return "" if line.startswith(f"{kind.__name__}(") else line  # the signature that `dataclass` puts in its place


def run_tyro(
    kind: type[OptionsT], flags: Mapping[str, str], others: Sequence[str] | None = None, **options: Any
) -> OptionsT:
    """Return the dataclass with the values of flags and, if there are `others`, of positional arguments."""
    words, markers = [f"--{key}={text}" for key, text in flags.items()], MARKERS
    if others is not None:
        words, markers = [*words, "--", *others], POSITIONAL
    with tyro_errors.on_parse_error(functools.partial(_refuse, flags)):
        return tyro.cli(kind, args=words, config=markers, registry=REGISTRY, **options)


def _refuse(flags: Mapping[str, str], event: tyro_errors.ParseErrorEvent) -> None:
    """Raise an error of one line that names the key, the value and what is allowed."""
    if isinstance(event, tyro_errors.MissingArgs):
        arguments = [argument.arg for argument in event.missing_arguments]
        names = [
            str(each.lowered.metavar) if each.lowered.choices else each.field.intern_name.upper() for each in arguments
        ]
        raise UserError(f"{', '.join(names)} must be given")
    if isinstance(event, tyro_errors.UnrecognizedArgs):
        raise UserError(f"{shorten(' '.join(word for word in event.tokens if word != '--'))}: not expected")
    assert isinstance(event, tyro_errors.BadValue | tyro_errors.InvalidChoice | tyro_errors.InstantiationFailure)
    assert event.argument
    key = event.argument.lowered.name_or_flags[-1].removeprefix("--").replace("-", "_")
    kind = event.argument.field.type_stripped
    allowed = next((text for known, text in KINDS.items() if known in (kind, *get_args(kind))), "a word")
    if isinstance(event, tyro_errors.InvalidChoice) and kind is not bool:
        choices = [choice for choice in event.choices if choice not in ("", "None")]  # those that mean: not given
        allowed = f"one of {', '.join(choices)}{nearest(flags.get(key, ''), choices)}"
    raise UserError(f"{key}={shorten(getattr(event, 'value', flags.get(key, '')))}: must be {allowed}")
