"""A parameter of a sweep file: its values, or the distribution that it is sampled from."""

import math
import random
from dataclasses import dataclass
from typing import Any

from research.errors import UserError, shorten
from research.options import require

KEYS = {
    "constant": ("value",),
    "categorical": ("values", "probabilities"),
    "uniform": ("min", "max"),
    "int_uniform": ("min", "max"),
    "log_uniform_values": ("min", "max"),
}
"""The keys of each distribution; all but `probabilities` are required."""


@dataclass(frozen=True)
class Parameter:
    """A dotted config key and how it varies."""

    key: str
    distribution: str
    values: tuple[Any, ...] = ()
    probabilities: tuple[float, ...] | None = None
    low: float = 0.0
    high: float = 0.0

    @property
    def varies(self) -> bool:
        """Whether trials may differ in it."""
        return len(self.values) != 1

    def sample(self, rng: random.Random) -> Any:
        """Return a random value."""
        if self.values:
            return rng.choices(self.values, self.probabilities)[0]
        if self.distribution == "int_uniform":
            return rng.randint(int(self.low), int(self.high))
        if self.distribution == "uniform":
            return rng.uniform(self.low, self.high)
        return math.exp(rng.uniform(math.log(self.low), math.log(self.high)))


def read(key: str, entry: Any) -> Parameter:
    """Return the parameter that an entry of `parameters:` describes.

    Raises:
        UserError: naming the key, the value and what is allowed.
    """
    place = f"parameters.{shorten(key)}"
    if isinstance(entry, dict) and "parameters" in entry:
        raise UserError(
            f"{place}.parameters: nested parameters are written as dotted keys, such as {shorten(key)}.name"
        )
    if not isinstance(entry, dict) or not entry.keys() & {"distribution", "value", "values", "min", "max"}:
        raise UserError(f"{place}: must hold value, values, or a distribution with min and max")
    distribution = entry.get("distribution", _default_distribution(entry))
    allowed = f"one of {', '.join(KEYS)} (`wandb sweep` has more)"
    require(distribution in tuple(KEYS), f"{place}.distribution", distribution, allowed)
    for name in entry:
        if name not in ("distribution", *KEYS[distribution]):
            raise UserError(
                f"{place}.{shorten(name)}: must be absent; {distribution} takes {', '.join(KEYS[distribution])}"
            )
    for name in KEYS[distribution]:
        if entry.get(name) is None and name != "probabilities":
            raise UserError(f"{place}.{name}: must be set for the distribution {distribution}")
    if "min" in entry:
        _check_range(place, entry, distribution)
        return Parameter(key, distribution, low=entry["min"], high=entry["max"])
    values = [entry["value"]] if distribution == "constant" else entry["values"]
    if not isinstance(values, list) or not all(isinstance(value, str | int | float) for value in values) or not values:
        raise UserError(
            f"{place}.values={shorten(values)}: must be a list of numbers, words, true or false, at least one"
        )
    if len({str(value) for value in values}) < len(values):
        raise UserError(f"{place}.values={shorten(values)}: must differ from one another")
    weights = entry.get("probabilities", [1 / len(values)] * len(values))
    numbers = isinstance(weights, list) and all(_is_number(weight) and weight >= 0 for weight in weights)
    valid = numbers and len(weights) == len(values) and math.isclose(sum(weights), 1)
    require(valid, f"{place}.probabilities", weights, f"{len(values)} numbers that add up to 1")
    return Parameter(key, distribution, tuple(values), tuple(weights) if "probabilities" in entry else None)


def _default_distribution(entry: dict[str, Any]) -> str:
    """Return W&B's default distribution for the keys of an entry."""
    if "value" in entry or "values" in entry:
        return "constant" if "value" in entry else "categorical"
    return "int_uniform" if all(type(entry.get(name)) is int for name in ("min", "max")) else "uniform"


def _check_range(place: str, entry: dict[str, Any], distribution: str) -> None:
    low, high = entry["min"], entry["max"]
    for name, value in (("min", low), ("max", high)):
        whole, hint = distribution == "int_uniform", _spelling(value, distribution)
        require(not whole or type(value) is int, f"{place}.{name}", value, f"a whole number{hint or ', such as 1000'}")
        require(_is_number(value), f"{place}.{name}", value, f"a finite number{hint}")
    require(low <= high, f"{place}.max", high, f"at least min={low}")
    require(low > 0 or distribution != "log_uniform_values", f"{place}.min", low, "greater than 0")


def _spelling(value: Any, distribution: str) -> str:
    """Return how to write a number that YAML reads as text or as no whole number, such as 1e3; "" for other values."""
    try:
        number = float(value)
    except (ValueError, TypeError):
        return ""
    if number.is_integer():
        return f"; write {int(number)}"
    text = str(number)
    fits = math.isfinite(number) and distribution != "int_uniform"
    return f"; write {text if '.' in text else text.replace('e', '.0e')}" if fits else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
