"""A parameter of a sweep file: its values, or the distribution that it is sampled from.

The distributions are W&B's: the same names, keys and defaults, and the same value for a random number x from 0 to 1
(https://github.com/wandb/sweeps).
"""

import bisect
import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from research.errors import nearest
from research.sweep.place import Place, is_number

MAX_VALUES = 10_000
"""Most values of a parameter in a grid."""
MAX_EXPONENT = 700
"""exp(-700) and exp(700) are numbers, beyond them are 0 and infinity."""


class Distribution(NamedTuple):
    """A distribution of numbers."""

    options: Mapping[str, float | None]
    """Default of each key; None: the key must be set."""
    quantile: Callable[..., float]
    """The value at x, from 0 to 1, for these options."""


def _uniform(x: float, min: float, max: float) -> float:
    return min + x * (max - min)


def _int_uniform(x: float, min: int, max: int) -> int:
    return min + math.floor(x * (max - min + (x < 1)))


def _log_uniform(x: float, min: float, max: float) -> float:
    return _exp(_uniform(x, min, max))


def _log_uniform_values(x: float, min: float, max: float) -> float:
    return _log_uniform(x, math.log(min), math.log(max))


def _inv_log_uniform(x: float, min: float, max: float) -> float:
    return _log_uniform(x, -max, -min)


def _normal(x: float, mu: float, sigma: float) -> float:
    from scipy.special import ndtri  # takes a fifth of a second, and few sweeps need it

    return mu + sigma * float(ndtri(x)) if sigma else mu


def _log_normal(x: float, mu: float, sigma: float) -> float:
    return _exp(_normal(x, mu, sigma))


def _beta(x: float, a: float, b: float) -> float:
    from scipy.special import betaincinv

    return float(betaincinv(a, b, x))


def _exp(x: float) -> float:
    return math.exp(x) if x < 709 else math.inf


def _round(quantile: Callable[..., float]) -> Callable[..., float]:
    """Return the function that rounds values to multiples of `q`."""

    def value(x: float, q: float, **options: float) -> float:
        exact = quantile(x, **options)
        return _simple(round(exact / q) * q) if math.isfinite(exact / q) else exact

    return value


def _simple(value: float) -> float:
    """Return a whole number as an int, as W&B's server does: an option that is a whole number does not take 3.0."""
    return int(value) if value == int(value) else value


BOUNDS = {"min": None, "max": None}
NORMAL = {"mu": 0.0, "sigma": 1.0}
BETA = {"a": 1.0, "b": 1.0}
QUANTIZED = {
    "uniform": Distribution(BOUNDS, _uniform),
    "log_uniform": Distribution(BOUNDS, _log_uniform),
    "log_uniform_values": Distribution(BOUNDS, _log_uniform_values),
    "normal": Distribution(NORMAL, _normal),
    "log_normal": Distribution(NORMAL, _log_normal),
    "beta": Distribution(BETA, _beta),
}
"""Those that have a form `q_` as well."""
DISTRIBUTIONS = {
    **QUANTIZED,
    "int_uniform": Distribution(BOUNDS, _int_uniform),
    "inv_log_uniform": Distribution(BOUNDS, _inv_log_uniform),
    "inv_log_uniform_values": Distribution(BOUNDS, _log_uniform_values),  # 1/X is log-uniform where X is
    **{
        f"q_{name}": Distribution({**kind.options, "q": 1.0}, _round(kind.quantile)) for name, kind in QUANTIZED.items()
    },
}
LISTED = {
    "constant": ("value",),
    "categorical": ("values",),
    "categorical_w_probabilities": ("values", "probabilities"),
}
"""Distributions of listed values, and their keys; all must be set."""
KEYS = {**LISTED, **{name: tuple(item.options) for name, item in DISTRIBUTIONS.items()}}
"""The keys of each distribution."""
EXPONENTS = ("log_uniform", "inv_log_uniform", "q_log_uniform")
"""Distributions whose `min` and `max` are exponents of e."""
PROBABILITY_TOLERANCE = 1.001e-5
"""How far the sum of probabilities may be from 1."""
HINT = "must hold value, values, min and max, distribution, or parameters"


@dataclass(frozen=True)
class Parameter:
    """A dotted config key and how it varies."""

    key: str
    distribution: str
    place: Place = field(compare=False, repr=False)
    values: tuple[Any, ...] = ()
    """Listed values; () for a distribution of numbers."""
    probabilities: tuple[float, ...] | None = None
    """Of the listed values; None: all the same."""
    options: Mapping[str, float] = field(default_factory=dict)
    """Keys of a distribution of numbers, such as `min`, `max` and `q`, with their defaults."""

    @property
    def varies(self) -> bool:
        """Whether trials may differ in it."""
        return len(self.values) != 1

    def quantile(self, x: float) -> Any:
        """Return the value at x, from 0 to 1: uniform random x give values of the distribution."""
        if not self.values:
            return DISTRIBUTIONS[self.distribution].quantile(x, **self.options)
        if self.probabilities:
            index = bisect.bisect_right(list(itertools.accumulate(self.probabilities)), x)
        else:
            index = int(x * len(self.values))
        return self.values[min(index, len(self.values) - 1)]

    def sample(self, rng: random.Random) -> Any:
        return self.quantile(rng.random())

    def ends(self) -> Sequence[Any]:
        """Return the values, or the least and the greatest number; those that no bounds limit at 1% and 99%."""
        if self.values:
            return self.values
        ends = ((self.quantile(0.0), 0.01), (self.quantile(1.0), 0.99))
        return [end if math.isfinite(end) else self.quantile(x) for end, x in ends]

    def grid(self) -> list[Any]:
        """Return the values of a grid, each once.

        Raises:
            UserError: for a distribution that W&B does not expand, and for too many values.
        """
        values: Sequence[Any] = self.values
        if self.distribution in ("int_uniform", "q_uniform"):
            least, most, step = (self.options.get(name, 1) for name in ("min", "max", "q"))
            most += self.distribution == "int_uniform"  # W&B leaves out the greatest value of q_uniform
            count = math.ceil((most - least) / step)
            if count > MAX_VALUES:
                raise self.place.error(f"makes {count} values in a grid; must be at most {MAX_VALUES}")
            values = [_simple(value) for value in np.arange(least, most, step).tolist()]
        elif self.probabilities or not values:
            raise self.place.error("must hold value, values, whole min and max, or q_uniform, as the method is grid")
        return list({_identity(value): value for value in values}.values())


def read_all(entries: Any, place: Place, prefix: str = "") -> list[Parameter]:
    """Return the parameters that the mapping `parameters:` describes, nested ones with dotted keys.

    Raises:
        UserError: naming the line, the key, the value and what is allowed.
    """
    if not isinstance(entries, dict) or not entries:
        raise place.error("must map config keys to value, values, or a distribution")
    found: list[Parameter] = []
    for name, entry in entries.items():
        key, inside = f"{prefix}{name}", place / name
        if not isinstance(entry, dict):
            raise inside.error(HINT)
        if "parameters" in entry:
            inside.require_mapping(entry, ("parameters",))
            found += read_all(entry["parameters"], inside / "parameters", f"{key}.")
        else:
            found.append(_read(key, entry, inside))
    for index, parameter in enumerate(found):
        if parameter.key in {earlier.key for earlier in found[:index]}:
            raise parameter.place.error(f"{parameter.key} is set twice")
    return found


def _read(key: str, entry: dict[str, Any], place: Place) -> Parameter:
    distribution = entry.get("distribution", _default_distribution(entry))
    if not distribution:
        known = ("value", "values", "min", "max", "distribution", "parameters")
        raise place.error(HINT + next(filter(None, (nearest(name, known) for name in entry)), ""))
    (place / "distribution").require(distribution in tuple(KEYS), distribution, f"one of {', '.join(KEYS)}")
    for name in entry:
        if name not in ("distribution", *KEYS[distribution]):
            keys = ", ".join(KEYS[distribution])
            raise (place / name).error(f"must be absent; {distribution} takes {keys}")
    for name in LISTED.get(distribution, ()):
        if name not in entry:
            raise (place / name).error(f"must be set for the distribution {distribution}")
    if distribution in DISTRIBUTIONS:
        return Parameter(key, distribution, place, options=_options(distribution, entry, place))
    values = [entry["value"]] if distribution == "constant" else entry["values"]
    (place / "values").require(isinstance(values, list) and bool(values), values, "a list of values, at least one")
    if "probabilities" not in entry:
        return Parameter(key, distribution, place, tuple(values))
    return Parameter(key, distribution, place, tuple(values), _probabilities(entry, len(values), place))


def _probabilities(entry: dict[str, Any], count: int, place: Place) -> tuple[float, ...]:
    weights = entry["probabilities"]
    numbers = isinstance(weights, list) and all(is_number(weight) and weight >= 0 for weight in weights)
    valid = numbers and len(weights) == count and abs(sum(weights) - 1) <= PROBABILITY_TOLERANCE
    (place / "probabilities").require(valid, weights, f"{count} numbers that add up to 1")
    return tuple(weights)


def _default_distribution(entry: dict[str, Any]) -> str:
    """Return W&B's default distribution for the keys of an entry, "" if it has none."""
    if "value" in entry or "values" in entry:
        weighted = "_w_probabilities" if "probabilities" in entry else ""
        return "constant" if "value" in entry else f"categorical{weighted}"
    bounds = [entry[name] for name in BOUNDS if name in entry]
    return ("int_uniform" if all(type(bound) is int for bound in bounds) else "uniform") if bounds else ""


def _options(distribution: str, entry: dict[str, Any], place: Place) -> dict[str, float]:
    """Return the options of a distribution of numbers, with their defaults, after checking them."""
    options: dict[str, Any] = {**DISTRIBUTIONS[distribution].options, **entry}
    options.pop("distribution", None)
    for name, value in options.items():
        inside = place / name
        if name not in entry and value is None:
            raise inside.error(f"must be set for the distribution {distribution}")
        if distribution == "int_uniform":
            inside.require_whole(value)
            inside.require(type(value) is int, value, f"written {int(value)}")
        inside.require_number(value)
        positive = name in ("a", "b", "q") or (name == "min" and distribution.endswith("_values"))
        inside.require(value > 0 or not positive, value, "greater than 0")
        inside.require(value >= 0 or name != "sigma", value, "at least 0")
        allowed = f"an exponent of e, from -{MAX_EXPONENT} to {MAX_EXPONENT}; {distribution}_values takes values"
        inside.require(abs(value) <= MAX_EXPONENT or distribution not in EXPONENTS, value, allowed)
    if "max" in options:
        least, most = options["min"], options["max"]
        (place / "max").require(most > least, most, f"greater than min={least}")
    return options


def _identity(value: Any) -> str:
    """Return what W&B tells values of a grid apart by: 1.0 is 1, but "1" and true are not."""
    return repr(int(value)) if isinstance(value, float) and value.is_integer() else repr(value)
