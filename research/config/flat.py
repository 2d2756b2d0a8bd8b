"""A config as flat dotted keys: its flags, and its keys in a sweep file, in `config.json` and in W&B.

`research.options.flatten` makes them; this module makes a config of them. An unknown key, a value of the wrong type and
a value outside its range are a `UserError` of one line.
"""

import difflib
import functools
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, NamedTuple, get_args, get_origin

from research.config.config import CHOICES, Config, section_of
from research.errors import UserError, nearest, program, shorten
from research.options import FLOAT32, find_class, flatten, require
from research.probes import PROBES

WIDTHS = ("model.hidden_size", "model.parameter_budget")
"""Two ways to set the width of a model; each replaces the other."""
ALIASES = {
    "dropout": "dropout.output",
    "epochs": "training.steps",
    "max_epochs": "training.steps",
    "num_train_epochs": "training.steps",
    "hidden": "model.hidden_size",
    "hidden_dim": "model.hidden_size",
    "d_model": "model.hidden_size",
    "grad_clip": "optimizer.clip_norm",
    "max_grad_norm": "optimizer.clip_norm",
    "logging_steps": "training.log_every",
    "eval_steps": "training.eval_every",
    "metric_for_best_model": "checkpoint.metric",
    "monitor": "checkpoint.metric",
    "greater_is_better": "checkpoint.mode",
    "load_best_model_at_end": "checkpoint.keep",
    "save_best_only": "checkpoint.keep",
    "resume_from_checkpoint": "resume_from",
    "ckpt_path": "resume_from",
}
"""Names of PyTorch, Lightning and Hugging Face that resemble none of ours, or the wrong ones, for suggestions."""
KINDS = {int: "a whole number, such as 1000", float: "a number", bool: "true or false", str: "a word"}


def unflatten(flat: Mapping[str, Any]) -> Config:
    """Return the config with these dotted keys; an absent key takes its default. The inverse of `flatten`."""
    structure = merge(Config(), _names(flat), checked=False)
    _check_keys(flat, structure)
    return merge(structure, flat)


def override(config: Config, *layers: Mapping[str, Any]) -> Config:
    """Return the config with some dotted keys changed, layer by layer.

    Another `name` of a choice replaces its options by the defaults of the new choice. `model.hidden_size` and
    `model.parameter_budget` replace each other; a layer must not have both. Only the final config is checked.
    """
    for changes in layers:
        config = merge(draft(config, changes), changes, checked=False)
    return _checked(config)


def draft(config: Config, changes: Mapping[str, Any]) -> Config:
    """Return an unchecked config with the choices that the changes name, and with all fields that they may set."""
    widths = [key for key in WIDTHS if str(changes.get(key, 0)) != "0"]
    if len(widths) == len(WIDTHS):
        size, budget = (changes[key] for key in WIDTHS)
        raise UserError(f"{WIDTHS[0]}={shorten(size)}: must be absent, as {WIDTHS[1]}={shorten(budget)} decides it")
    replaced = {key: _defaults()[key] for key in WIDTHS if widths and key not in changes}
    structure = merge(config, _names(changes) | replaced, checked=False)
    _check_keys(changes, structure)
    return structure


def merge(base: Any, changes: Mapping[str, Any], prefix: str = "", checked: bool = True) -> Any:
    """Return the options of a section and of its subsections, with some changed.

    `changes` are by dotted key, of this and other sections; the keys of this section start with `prefix`. If `checked`,
    sections that change check themselves.
    """
    if not any(key.startswith(prefix) for key in changes):
        return base
    values: dict[str, Any] = {}
    for item in fields(base):
        key, value = prefix + item.name, getattr(base, item.name)
        if is_dataclass(value):
            values[item.name] = merge(_chosen(key, value, changes), changes, f"{key}.", checked)
        else:
            values[item.name] = _typed(key, changes[key], item.type) if key in changes else value
    if checked:
        return type(base)(**values)
    options = object.__new__(type(base))
    for name, value in values.items():
        object.__setattr__(options, name, value)
    return options


class Option(NamedTuple):
    """What a dotted key stands for."""

    place: tuple[int, ...]
    """Numbers of the fields that lead to it: keys in this order are in the order of the config."""
    kind: Any
    """Type of the value."""
    value: Any


def find_option(options: Any, key: str) -> Option | None:
    """Return the option of nested options with a dotted key; None if there is none."""
    place, kind = (), None
    for name in key.split("."):
        index, kind = _fields(type(options)).get(name, (-1, None))
        if index < 0:
            return None
        place, options = (*place, index), getattr(options, name)
    return None if is_dataclass(options) else Option(place, kind, options)


@functools.cache
def _fields(kind: type) -> Mapping[str, tuple[int, Any]]:
    """Return the number and the type of each field by name; none if the class is no dataclass."""
    items = fields(kind) if is_dataclass(kind) else ()
    return {item.name: (index, item.type) for index, item in enumerate(items)}


def _checked(options: Any) -> Any:
    """Return a copy of nested options in which each section has checked itself."""
    values = {item.name: getattr(options, item.name) for item in fields(options)}
    return type(options)(**{k: _checked(value) if is_dataclass(value) else value for k, value in values.items()})


@functools.cache
def _defaults() -> Mapping[str, Any]:
    return flatten(Config())


def _names(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in changes.items() if key.endswith(".name") and key[: -len(".name")] in CHOICES}


def _chosen(section: str, options: Any, changes: Mapping[str, Any]) -> Any:
    """Return the options, or the defaults of another choice that the changes name."""
    name = changes.get(f"{section}.name")
    if name is None or section not in CHOICES or name == options.name:
        return options
    return find_class(CHOICES[section], name, f"{section}.name")()


def _check_keys(changes: Mapping[str, Any], config: Config) -> None:
    for key, value in changes.items():
        if not find_option(config, key):
            raise _unknown(key, value, config)


def _unknown(key: str, value: Any, config: Config) -> UserError:
    """Return the error of an unknown key: which choices have the option, or which option is probably meant."""
    options = {f"{section}.name": section for section in CHOICES}
    options |= {other: other.rpartition(".")[2] for other in flatten(config) if other not in options}
    known = set(options)
    for section, registry in CHOICES.items():
        names = (item.name for kind in registry.values() for item in fields(kind))
        options |= {f"{section}.{name}": name for name in names if f"{section}.{name}" not in options}
    meant, problem = _nearest(key, options), f"{shorten(key)}={shorten(value)}: no such option"
    section, *inside = key.split(".")
    if section == "probes" and inside[1:] and inside[0] not in PROBES:
        allowed = f"; must be one of {', '.join(PROBES)}; --import MODULE adds yours"
        return UserError(f"{shorten(key)}={shorten(value)}: no such probe{nearest(inside[0], PROBES) or allowed}")
    if meant is None:
        return UserError(f"{problem}; `{program()} train EXPERIMENT --help all` names them")
    if meant in known:
        return UserError(f"{problem}; did you mean {meant}?")
    section, _, name = meant.rpartition(".")
    if section_of(config, section) is None:  # an option of a field, and the task has no fields
        section, _, name = section.rpartition(".")
    names = [choice for choice, kind in CHOICES[section].items() if name in {item.name for item in fields(kind)}]
    has = f"{', '.join(names)} {'have' if len(names) > 1 else 'has'} it (--{section}.name={names[0]})"
    return UserError(f"{meant}: {section_of(config, section).name} has no such option; {has}")


def _nearest(key: str, options: Mapping[str, str]) -> str | None:
    """Return the option that is probably meant; `options` has the last part of the key of each option, by key."""
    section, _, name = key.rpartition(".")
    words = set(name.split("_"))
    if name in ALIASES:
        return ALIASES[name]
    if name == "name" and (close := difflib.get_close_matches(section, CHOICES, n=1)):
        return f"{close[0]}.name"
    if key not in CHOICES and (inside := [other for other in options if other.startswith(f"{key}.")]):
        return inside[0]
    siblings = [other for other in options if other.rpartition(".")[0] == section]
    if close := difflib.get_close_matches(key, siblings, n=1, cutoff=0.9):
        return close[0]
    same_section = sorted(options, key=lambda other: other.rpartition(".")[0] != section)
    for matches in (
        lambda last: last == name,
        lambda last: "".join(word[:1] for word in last.split("_")) == name,  # lr of learning_rate
        lambda last: words <= set(last.split("_")) or set(last.split("_")) <= words,
        lambda last: bool(difflib.get_close_matches(name, [last], cutoff=0.75)),
    ):
        if meant := next((other for other in same_section if matches(options[other])), None):
            return meant
    return next(iter(difflib.get_close_matches(key, options, n=1, cutoff=0.7)), None)


def _typed(key: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        require(
            value in get_args(kind),
            key,
            value,
            f"one of {', '.join(map(str, get_args(kind)))}{nearest(value, get_args(kind))}",
        )
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and value in ("inf", "-inf", "nan"):  # as strict JSON spells them
        return float(value)
    if kind is float and number:
        least, most = float(FLOAT32.tiny), float(FLOAT32.max)
        allowed = f"a number that float32 holds, of a size from {least:.2g} to {most:.2g}"
        require(value == 0 or not math.isfinite(value) or least <= abs(value) <= most, key, value, allowed)
        return float(value)
    require(type(value) is kind, key, repr(value), KINDS[kind])
    return value
