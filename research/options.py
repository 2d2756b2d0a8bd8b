"""Options as frozen dataclasses: how they are checked, flattened to dotted keys, and traced.

A choice among named things (cell, attention, task, optimizer, ...) is a base class whose subclasses each set a `name`
and have options of their own; a plain dict next to them, the registry, maps names to classes. So no option can be given
to a thing that does not read it.

Most options are compiled into the program. A number declared with `traced` is an argument of it instead, so that trials
which differ in such numbers alone share one compiled program: `static_key` tells which do, `numbers` gives one trial's
values, and `bind` puts them (or tracers) back in the place of the fields.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

import numpy as np

from research.errors import UserError

LARGE = 1e6
"""A bound beyond any use, and far from where float32 ends."""
LABELS = ("experiment", "setting", "variant")
"""Keys that only name a trial."""
NEUTRAL_KEYS = ("wandb.", "loader.", "training.checkpoint_seconds")
"""Prefixes of keys that may change between a run and its continuation: they do not touch what is computed."""

OptionsT = TypeVar("OptionsT")


def require(condition: bool, key: str, value: object, allowed: str) -> None:
    """Reject a value that no type can rule out.

    Raises:
        UserError: in one line that names the key, the value and what is allowed.
    """
    if not condition:
        raise UserError(f"{key}={value}: must be {allowed}")


def require_between(options: object, section: str, **ranges: tuple[float, float]) -> None:
    """Reject numbers outside their ranges, both ends included; NaN is outside any.

    Args:
        options: the dataclass that holds the numbers.
        section: what its keys start with, such as "task".
        ranges: the least and the greatest value by field name.
    """
    for name, (least, most) in ranges.items():
        value = getattr(options, name)
        allowed = f"between {least:.10g} and {most:.10g}" if most < math.inf else f"at least {least:g}"
        require(least <= value <= most, f"{section}.{name}", value, allowed)


def require_default(options: Any, section: str, name: str, used: bool, by: str) -> None:
    """Reject a value of an option that nothing uses under the other options.

    Args:
        options: the dataclass that holds the option.
        section: what its keys start with, such as "task".
        name: of the option.
        used: whether something uses it.
        by: what does not, as a key and its value.
    """
    (default,) = (item.default for item in dataclasses.fields(options) if item.name == name)
    value = getattr(options, name)
    require(used or value == default, f"{section}.{name}", value, f"{default}, as {by} does not use it")


def find_class(registry: Mapping[str, type[OptionsT]], name: str, key: str) -> type[OptionsT]:
    """Return the class that a registry has under a name.

    Raises:
        UserError: if there is none, or if the class sets another `name` than the one it is registered under.
    """
    require(name in tuple(registry), key, name, f"one of {', '.join(registry)}")
    kind: Any = registry[name]
    require(kind.name == name, key, name, f"{kind.name!r}, the `name` that its class {kind.__name__} sets")
    return kind


def traced(default: Any, off: Any = None) -> Any:
    """Declare a field that is an argument of the compiled program.

    Args:
        default: of the option.
        off: the value with which nothing of it is in the program; None: it always is. A bound copy then holds None.
    """
    return dataclasses.field(default=default, metadata={"traced": True, "off": off})


def flatten(options: Any, prefix: str = "") -> dict[str, Any]:
    """Return the dotted keys and plain values of nested options, in the order of the fields."""
    flat: dict[str, Any] = {}
    for item in dataclasses.fields(options):
        value, key = getattr(options, item.name), f"{prefix}{item.name}"
        flat |= flatten(value, f"{key}.") if dataclasses.is_dataclass(value) else {key: value}
    return flat


def static_key(options: Any, prefix: str = "") -> tuple[tuple[str, Any], ...]:
    """Return what decides the compiled program: trials that agree in it are trained by one."""
    pairs: list[tuple[str, Any]] = []
    for item in dataclasses.fields(options):
        value, key = getattr(options, item.name), f"{prefix}{item.name}"
        if dataclasses.is_dataclass(value):
            pairs += static_key(value, f"{key}.")
        elif item.metadata.get("traced"):
            pairs.append((f"{key} is on", value != item.metadata["off"]))
        elif key not in LABELS and not key.startswith(NEUTRAL_KEYS):
            pairs.append((key, value))
    return tuple(pairs)


def numbers(options: Any) -> dict[str, np.generic]:
    """Return the traced fields that are on, by name, as NumPy scalars of the types that a program is compiled for.

    A choice of words (a `Literal`) becomes its place in the list of them.
    """
    return {
        item.name: _scalar(getattr(options, item.name), item.type)
        for item in dataclasses.fields(options)
        if item.metadata.get("traced") and getattr(options, item.name) != item.metadata["off"]
    }


def bind(options: OptionsT, values: dict[str, Any]) -> OptionsT:
    """Return a copy that holds these values (arrays or tracers) in the place of its traced fields, None where off."""
    bound = object.__new__(type(options))
    for item in dataclasses.fields(options):  # pyright: ignore[reportArgumentType]
        value = values.get(item.name) if item.metadata.get("traced") else getattr(options, item.name)
        object.__setattr__(bound, item.name, value)
    return bound


def _scalar(value: Any, kind: Any) -> np.generic:
    if get_origin(kind) is not None:
        return np.int32(get_args(kind).index(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return np.int32(value)
    return np.float32(value)
