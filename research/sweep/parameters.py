"""One parameter of a sweep file: the values that it takes, or the distribution that it is sampled from."""

import math
import random
import re
from dataclasses import dataclass
from typing import Any

from research.errors import UserError

KEYS = {
    "constant": ("value",),
    "categorical": ("values",),
    "uniform": ("min", "max"),
    "int_uniform": ("min", "max"),
    "log_uniform_values": ("min", "max"),
}
OPTIONAL = {"categorical": ("probabilities",)}
EXPONENT = re.compile(r"[+-]?\d+\.?\d*[eE][+-]?\d+")


@dataclass(frozen=True)
class Parameter:
    """A dotted config key and how it varies."""

    key: str
    distribution: str
    values: tuple[Any, ...] = ()
    probabilities: tuple[float, ...] | None = None
    low: float = 0.0
    high: float = 0.0

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
        UserError: naming the key, what stands there and what is allowed.
    """
    place = f"parameters.{key}"
    if not isinstance(entry, dict) or not entry:
        raise UserError(f"{place}: must hold value, values, or a distribution with min and max")
    if "parameters" in entry:
        raise UserError(f"{place}.parameters: nested parameters are written as dotted keys, such as {key}.name")
    distribution = _distribution(place, entry)
    required, optional = KEYS[distribution], OPTIONAL.get(distribution, ())
    for name in entry:
        if name not in ("distribution", *required, *optional):
            raise UserError(f"{place}.{name}: must be absent; {distribution} takes {', '.join(required + optional)}")
    for name in required:
        if entry.get(name) is None:
            raise UserError(f"{place}.{name}: must be set for the distribution {distribution}")
    if required == ("min", "max"):
        low, high = _range(place, entry, distribution)
        return Parameter(key, distribution, low=low, high=high)
    values = _values(place, entry)
    return Parameter(key, distribution, values, _probabilities(place, entry, len(values)))


def _distribution(place: str, entry: dict[str, Any]) -> str:
    if "distribution" in entry:
        if entry["distribution"] not in tuple(KEYS):
            allowed = f"one of {', '.join(KEYS)} (`wandb sweep` has more)"
            raise UserError(f"{place}.distribution={entry['distribution']}: must be {allowed}")
        return entry["distribution"]
    for distribution, name in (("constant", "value"), ("categorical", "values")):
        if name in entry:
            return distribution
    if "min" in entry or "max" in entry:  # as W&B has it
        return "int_uniform" if all(_is_whole(entry.get(name)) for name in ("min", "max")) else "uniform"
    raise UserError(f"{place}.{next(iter(entry))}: no such key; a parameter holds value, values, or min and max")


def _values(place: str, entry: dict[str, Any]) -> tuple[Any, ...]:
    name = "value" if "value" in entry else "values"
    values = [entry["value"]] if name == "value" else entry["values"]
    if not isinstance(values, list) or not values:
        raise UserError(f"{place}.values={values}: must be a list of at least one value")
    seen: set[str] = set()
    for value in values:
        if not isinstance(value, str | int | float):
            raise UserError(f"{place}.{name}: {value!r} must be a number, a word, true or false")
        _reject_exponent(f"{place}.{name}", value)
        if str(value) in seen:
            raise UserError(f"{place}.{name}: {value} stands twice")
        seen.add(str(value))
    return tuple(values)


def _probabilities(place: str, entry: dict[str, Any], count: int) -> tuple[float, ...] | None:
    weights = entry.get("probabilities")
    if weights is None:
        return None
    numbers = isinstance(weights, list) and all(_is_number(weight) and weight >= 0 for weight in weights)
    if not numbers or len(weights) != count or not math.isclose(sum(weights), 1):
        raise UserError(f"{place}.probabilities={weights}: must be {count} numbers that add up to 1")
    return tuple(weights)


def _range(place: str, entry: dict[str, Any], distribution: str) -> tuple[float, float]:
    for name in ("min", "max"):
        _reject_exponent(f"{place}.{name}", entry[name])
        valid = _is_whole if distribution == "int_uniform" else _is_number
        if not valid(entry[name]):
            kind = "a whole number" if distribution == "int_uniform" else "a finite number"
            raise UserError(f"{place}.{name}={entry[name]}: must be {kind}")
    low, high = entry["min"], entry["max"]
    if low > high:
        raise UserError(f"{place}.max={high}: must be at least min={low}")
    if distribution == "log_uniform_values" and low <= 0:
        raise UserError(f"{place}.min={low}: must be greater than 0 for log_uniform_values")
    return low, high


def _reject_exponent(place: str, value: Any) -> None:
    if isinstance(value, str) and EXPONENT.fullmatch(value):
        raise UserError(f"{place}: YAML reads {value} as text; write {_as_yaml_number(value)}")


def _as_yaml_number(text: str) -> str:
    """Return the number with the point and the sign that YAML 1.1 asks for: 1e-3 becomes 1.0e-3, 1.5e3 1.5e+3."""
    digits, exponent = re.split("[eE]", text)
    digits = digits if "." in digits else f"{digits}.0"
    return f"{digits}e{exponent if exponent[0] in '+-' else '+' + exponent}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
