"""Options as frozen dataclasses: checks, dotted keys, and numbers that are arguments of a compiled program.

A choice by name (cell, attention, task, optimizer, ...) is a base class. Each subclass sets a `name` and has its own
options, and a dict, the registry, maps names to subclasses.

Most options are compiled into the program. A field declared with `traced` is an argument of the program instead, so
trials that differ only in such fields share a compiled program. Trials with equal `static_key` share one; `numbers`
returns the values of a trial, and `bind` replaces the fields by such values or by tracers.
"""

import dataclasses
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import numpy as np

from research.errors import UserError, nearest, shorten

IMAGES = (".png", ".svg", ".pdf")
LARGE = 1e6
"""Upper bound of numbers that need none: far beyond useful values, far below the largest float32."""
FLOAT32 = np.finfo(np.float32)
"""Bounds of the numbers that a program computes with: smaller ones become 0, larger ones infinite."""
LABELS = ("experiment", "setting", "variant")
"""Keys that only label a trial."""
NEUTRAL_KEYS = ("wandb.", "tracking.", "loader.", "training.checkpoint_seconds")
"""Prefixes of keys that do not affect what is computed, so they may change when a run is resumed."""

OptionsT = TypeVar("OptionsT")


def require(condition: bool, key: str, value: object, allowed: str) -> None:
    """Raise a `UserError` that names the key, the value and what is allowed, unless the condition holds."""
    if not condition:
        raise UserError(f"{shorten(key)}={shorten(value)}: must be {allowed}")


def require_image(key: str, path: Path) -> None:
    """Reject a path to which no image can be written."""
    valid = path.parent.is_dir() and os.access(path.parent, os.W_OK) and not path.is_dir()
    require(valid, key, path, "a file that can be written to")
    require(path.suffix.lower() in IMAGES, key, path, f"a file that ends in one of {', '.join(IMAGES)}")


def require_between(options: object, section: str, **ranges: tuple[float, float]) -> None:
    """Reject numbers outside their ranges; NaN is outside every range.

    Args:
        options: the dataclass that holds the numbers.
        section: prefix of its keys, such as "task".
        ranges: the least and the greatest allowed value by field name.
    """
    for name, (least, most) in ranges.items():
        value = getattr(options, name)
        allowed = f"between {least:.10g} and {most:.10g}" if most < math.inf else f"at least {least:g}"
        require(least <= value <= most, f"{section}.{name}", value, allowed)


def require_default(options: Any, section: str, name: str, used: bool, by: str) -> None:
    """Reject a value other than the default if the other options leave this one unused.

    Args:
        options: the dataclass that holds the option.
        section: prefix of its keys, such as "task".
        name: field name of the option.
        used: whether the option is used.
        by: the key and value that leave it unused.
    """
    (default,) = (item.default for item in dataclasses.fields(options) if item.name == name)
    value = getattr(options, name)
    shown = default if str(default).strip() else repr(default)
    require(used or value == default, f"{section}.{name}", value, f"{shown}, as {by} does not use it")


def find_class(registry: Mapping[str, type[OptionsT]], name: str, key: str) -> type[OptionsT]:
    """Return the class that a registry has under a name.

    Raises:
        UserError: if there is none, or if the class sets another `name` than the one it is registered under.
    """
    more = nearest(name, registry) or "; --import MODULE adds yours"
    require(name in tuple(registry), key, name, f"one of {', '.join(registry)}{more}")
    kind: Any = registry[name]
    require(kind.name == name, key, name, f"{kind.name!r}, the `name` that its class {kind.__name__} sets")
    return kind


def traced(default: Any, off: Any = None) -> Any:
    """Declare a field that is an argument of the compiled program.

    Args:
        default: default value of the field.
        off: value that leaves the feature out of the program; a bound copy then holds None. None: it is never left out.
    """
    return dataclasses.field(default=default, metadata={"traced": True, "off": off})


def flatten(options: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of nested options by dotted key, in the order of the fields."""
    flat: dict[str, Any] = {}
    for item in dataclasses.fields(options):
        value, key = getattr(options, item.name), f"{prefix}{item.name}"
        flat |= flatten(value, f"{key}.") if dataclasses.is_dataclass(value) else {key: value}
    return flat


def static_key(options: Any, prefix: str = "") -> tuple[tuple[str, Any], ...]:
    """Return what is compiled into the program: trials with equal keys share one program."""
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
    """Return the traced fields that are on, by name, as NumPy scalars; a `Literal` as its index."""
    return {
        item.name: _scalar(getattr(options, item.name), item.type)
        for item in dataclasses.fields(options)
        if item.metadata.get("traced") and getattr(options, item.name) != item.metadata["off"]
    }


def bind(options: OptionsT, values: dict[str, Any]) -> OptionsT:
    """Return a copy whose traced fields hold these values, arrays or tracers; None where a field is off."""
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
