"""Places in a sweep file: an error names file, line and keys, as in `sweeps/x.yaml:14: parameters.lr.min=0: …`."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from research.config import strict_yaml
from research.errors import UserError, shorten, suggest


@dataclass(frozen=True)
class Place:
    """The keys that lead to a value of a file; `place / key` is one level deeper."""

    file: Path
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict, repr=False)
    """Line of each key and list item by the keys that lead to it."""
    keys: tuple[str, ...] = ()

    def __truediv__(self, key: object) -> "Place":
        return Place(self.file, self.lines, (*self.keys, str(key)))

    def __str__(self) -> str:
        return ".".join(map(shorten, self.keys))

    @property
    def line(self) -> int:
        """Line of the deepest key on the way that the file has; 1 if it has none."""
        prefixes = (self.keys[:end] for end in range(len(self.keys), 0, -1))
        return next((self.lines[keys] for keys in prefixes if keys in self.lines), 1)

    def located(self, text: object) -> UserError:
        """Return an error of this line that the text describes."""
        return UserError(f"{self.file}:{self.line}: {text}")

    def error(self, text: str) -> UserError:
        """Return an error that names the keys and what is allowed, such as "must be set"."""
        return self.located(f"{self}: {text}" if self.keys else text)

    def require(self, condition: bool, value: object, allowed: str) -> None:
        """Raise an error that names the keys, the value and what is allowed, unless the condition holds."""
        if not condition:
            raise self.located(f"{self}={shorten(value)}: must be {allowed}")

    def require_number(self, value: Any) -> None:
        """Reject what is no finite number."""
        self.require(is_number(value), value, f"a finite number{_spelling(value)}")

    def require_whole(self, value: Any, least: float = -math.inf) -> None:
        """Reject what is no whole number (2.0 is one), or less than `least`."""
        bound = f", at least {least:g}" if math.isfinite(least) else ""
        valid = is_number(value) and value == int(value) and value >= least
        self.require(valid, value, f"a whole number{bound}{_spelling(value, True) or ', such as 10'}")

    def require_mapping(self, value: Any, known: Collection[str]) -> None:
        """Reject what is no mapping, and keys that are not known."""
        self.require(isinstance(value, dict), value, f"a mapping with {', '.join(known)}")
        for key in value:
            if key not in known:
                raise (self / key).error(f"no such key; {suggest(str(key), sorted(known))}")


def read(path: Path) -> tuple[dict[str, Any], Place]:
    """Return the content of a file that is a mapping, and its place.

    Raises:
        UserError: naming the file and, where it is known, the line.
    """
    try:
        content, lines = strict_yaml.read_with_lines(path)
    except strict_yaml.LineError as error:
        raise UserError(f"{path}:{error.line}: {error.text}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    place = Place(path, lines)
    if not isinstance(content, dict):
        raise place.error("must be a mapping with method and parameters")
    return content, place


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _spelling(value: Any, whole: bool = False) -> str:
    """Return how to write a number that YAML reads as text, such as 1e3; "" for other values."""
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return ""
    if number.is_integer():
        return f"; write {int(number)}"
    text = str(number)
    fits = math.isfinite(number) and not whole
    return f"; write {text if '.' in text else text.replace('e', '.0e')}" if fits else ""
