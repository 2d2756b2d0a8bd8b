"""What rejects a value that no type can rule out, with one line that names the key, the value and what is allowed."""

import math
from dataclasses import fields
from typing import Any

from research.errors import UserError

LARGE = 1e6  # beyond all use, and far from where float32 ends


def require(condition: bool, key: str, value: object, allowed: str) -> None:
    """Reject a value that no type can rule out."""
    if not condition:
        raise UserError(f"{key}={value}: must be {allowed}")


def require_positive(config: object, prefix: str, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        require(not value <= 0, f"{prefix}.{name}", value, "greater than 0")
        require(math.isfinite(value), f"{prefix}.{name}", value, "a finite number")


def require_default(config: Any, section: str, name: str, read: bool, by: str) -> None:
    """Reject a value of an option that nothing reads: it would do nothing.

    Args:
        read: whether something reads it.
        by: what does not, as a key and its value.
    """
    (default,) = (item.default for item in fields(config) if item.name == name)
    value = getattr(config, name)
    require(read or value == default, f"{section}.{name}", value, f"{default}, as {by} does not read it")
