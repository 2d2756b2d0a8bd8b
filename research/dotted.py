"""A config as flat dotted keys, which are its flags, its keys in a sweep file, in `config.json` and in W&B."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from research.config import Config, require, task_types
from research.errors import UserError

WIDTHS = ("model.features", "model.parameter_budget")
"""Two ways to set the width of a model."""


def flatten(config: Config) -> dict[str, Any]:
    """Dotted keys to plain values, in the order of the fields."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if dataclasses.is_dataclass(value):
            for item in dataclasses.fields(value):
                walk(f"{prefix}.{item.name}" if prefix else item.name, getattr(value, item.name))
        else:
            flat[prefix] = value

    walk("", config)
    return flat


def unflatten(flat: Mapping[str, Any]) -> Config:
    """The inverse of `flatten`; an absent key takes its default.

    Raises:
        UserError: for an unknown key, or a value of the wrong type or outside its range.
    """
    return Config(**_fields(flat))


def draft(flat: Mapping[str, Any]) -> Config:
    """As `unflatten`, but for the checks that concern several sections: what is still to be changed may fail them."""
    config, default, given = object.__new__(Config), Config(), _fields(flat)
    for item in dataclasses.fields(Config):
        object.__setattr__(config, item.name, given.get(item.name, getattr(default, item.name)))
    return config


def _fields(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `Config`: sections, and the options that are in none; without those that nothing is said of."""
    tasks, default = task_types(), Config()
    task = flat.get("task.name", default.task.name)
    require(task in tasks, "task.name", task, f"one of {', '.join(tasks)}")
    sections = {item.name: type(getattr(default, item.name)) for item in dataclasses.fields(Config)}
    sections["task"] = tasks[task]
    owners = {"": Config, **{name: kind for name, kind in sections.items() if _is_section(kind)}}
    values: dict[str, dict[str, Any]] = {"": {}}
    for key, value in flat.items():
        section, _, name = key.rpartition(".")
        known = _types(owners[section]) if section in owners else {}
        if name not in known or (not section and _is_section(sections[name])):
            raise UserError(f"{key}: no such option{suggestion(key, Config(task=tasks[task]()))}")
        values.setdefault(section, {})[name] = _typed(key, value, known[name])
    top = values.pop("")
    return top | {section: sections[section](**options) for section, options in values.items()}


def override(config: Config, changes: Mapping[str, Any]) -> Config:
    """The config with some dotted keys changed, and without what they replace (see `kept`)."""
    return unflatten({**kept(config, changes), **changes})


def kept(config: Config, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The flat config without what these changes replace.

    A change of `task.name` replaces the options of the former task. Of `model.features` and `model.parameter_budget`,
    each replaces the other.

    Raises:
        UserError: if both of these are given.
    """
    flat = flatten(config)
    if changes.get("task.name", config.task.name) != config.task.name:
        flat = {key: value for key, value in flat.items() if not key.startswith("task.")}
    given = [key for key in WIDTHS if key in changes and str(changes[key]) != "0"]
    if len(given) == len(WIDTHS):
        features, budget = (changes[key] for key in WIDTHS)
        raise UserError(f"model.features={features}: must be absent, as model.parameter_budget={budget} decides it")
    return {key: value for key, value in flat.items() if not given or key not in WIDTHS or key in changes}


@functools.cache
def _types(owner: type) -> Mapping[str, Any]:
    """Of each option of a section."""
    return {item.name: item.type for item in dataclasses.fields(owner)}


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def suggestion(key: str, config: Config) -> str:
    """The end of the line about an unknown key: the nearest key of this config, or where to find them all."""
    import difflib

    known = list(flatten(config))
    same_name = [other for other in known if other.rpartition(".")[2] == key.rpartition(".")[2]]
    close = same_name or difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else "; `python -m research train EXPERIMENT --help` names them"


def _typed(key: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        require(value in get_args(kind), key, value, f"one of {', '.join(map(str, get_args(kind)))}")
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is float and value in ("inf", "-inf", "nan"):  # as strict JSON spells them
        return float(value)
    right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    article = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
    require(right, key, repr(value), article[kind])
    return value
