"""Parameters have the values that W&B's package `sweeps` gives them; `python -m drills sweep_format` compares more."""

import math
from pathlib import Path
from typing import Any

import pytest

from research.errors import UserError
from research.sweep.parameters import DISTRIBUTIONS, KEYS, Parameter, read_all
from research.sweep.place import Place

PLACE = Place(Path("some.yaml"), {}, ("parameters",))


def read(entry: dict[str, Any]) -> Parameter:
    (parameter,) = read_all({"x": entry}, PLACE)
    return parameter


def distribution(name: str, **options: float) -> dict[str, Any]:
    return {"distribution": name, **options}


QUANTILES = [
    ({"value": "a"}, ["a", "a"]),
    ({"value": None}, [None, None]),
    ({"values": ["a", "b", "c", "d"]}, ["a", "d"]),
    ({"values": ["a", "b", "c"], "probabilities": [0.1, 0.2, 0.7]}, ["b", "c"]),
    ({"min": 1, "max": 9}, [2, 7]),
    ({"min": 0.5, "max": 2}, [0.6845, 1.6655]),
    (distribution("uniform", min=1, max=3), [1.246, 2.554]),
    (distribution("q_uniform", min=0, max=10), [1, 8]),
    (distribution("q_uniform", min=0, max=2, q=0.25), [0.25, 1.5]),
    (distribution("log_uniform", min=-2, max=1), [0.19573374248492273, 1.392359792308194]),
    (distribution("q_log_uniform", min=-2, max=3, q=0.5), [0.5, 6.5]),
    (distribution("inv_log_uniform", min=-2, max=1), [0.5320594754130475, 3.7848263221083744]),
    (distribution("log_uniform_values", min=0.001, max=0.1), [0.00176197604641163, 0.03580964371026362]),
    (distribution("inv_log_uniform_values", min=0.001, max=0.1), [0.00176197604641163, 0.03580964371026361]),
    (distribution("q_log_uniform_values", min=1, max=100, q=8), [0, 32]),
    (distribution("normal"), [-1.1601198829975203, 0.7621005409950667]),
    (distribution("normal", mu=3, sigma=2), [0.6797602340049593, 4.5242010819901335]),
    (distribution("normal", mu=3, sigma=0), [3, 3]),
    (distribution("q_normal", mu=3, sigma=2), [1, 5]),
    (distribution("q_normal", q=0.5), [-1, 1]),
    (distribution("log_normal"), [0.3134486014721711, 2.142772477990117]),
    (distribution("q_log_normal", mu=1, sigma=0.5), [2, 4]),
    (distribution("beta"), [0.123, 0.777]),
    (distribution("beta", a=2, b=5), [0.10438545194598262, 0.4067036947276802]),
    (distribution("q_beta", a=2, b=5, q=0.125), [0.125, 0.375]),
]
"""The values at 0.123 and 0.777 by the package."""


@pytest.mark.parametrize(("entry", "expected"), QUANTILES)
def test_a_distribution_has_the_values_of_wandbs_package(entry, expected):
    values = [read(entry).quantile(x) for x in (0.123, 0.777)]
    assert values == (pytest.approx(expected, rel=1e-12) if isinstance(expected[0], float | int) else expected)


def test_every_distribution_is_compared_with_wandbs_package():
    assert {read(entry).distribution for entry, _ in QUANTILES} == set(KEYS)


@pytest.mark.parametrize("name", [name for name in DISTRIBUTIONS if name.startswith("q_")])
def test_a_multiple_that_is_whole_is_written_as_a_whole_number(name):
    """W&B's server makes 3 of 3.0; an option that is a whole number does not take 3.0."""
    bounds = {"min": 1, "max": 3} if "min" in KEYS[name] else {}
    values = [read(distribution(name, **bounds, q=0.5)).quantile(x / 40) for x in range(1, 40)]
    assert {type(value) for value in values} == {int, float}
    assert all(type(value) is int or not value.is_integer() for value in values)


def test_the_ends_of_a_distribution_are_its_bounds():
    rate = read(distribution("log_uniform_values", min=0.5, max=8.0))
    assert (rate.quantile(0.0), rate.quantile(1.0)) == pytest.approx((0.5, 8.0))
    whole = read({"min": 3, "max": 5})
    assert (whole.quantile(0.0), whole.quantile(1.0), whole.ends()) == (3, 5, [3, 5])
    normal = read(distribution("normal"))
    assert (normal.quantile(0.0), normal.quantile(1.0)) == (-math.inf, math.inf)
    assert normal.ends() == pytest.approx([-2.326, 2.326], abs=1e-3)


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        ({"value": [1, 2]}, [[1, 2]]),
        ({"values": [None, True, "a", 1, [1]]}, [None, True, "a", 1, [1]]),
        ({"values": [2, 1, 2, 2.0, "2", True, 1]}, [2.0, 1, "2", True]),
        ({"min": -1, "max": 2}, [-1, 0, 1, 2]),
        (distribution("q_uniform", min=1, max=3), [1, 2]),
        (distribution("q_uniform", min=0.5, max=1.75, q=0.5), [0.5, 1, 1.5]),
    ],
)
def test_a_grid_has_each_value_once_in_the_order_of_the_file(entry, values):
    grid = read(entry).grid()
    assert grid == values and list(map(type, grid)) == list(map(type, values))


def test_nested_parameters_have_dotted_keys():
    inner = {"parameters": {"c": {"value": 1}, "d": {"values": [1, 2]}}}
    parameters = read_all({"a": {"value": 0}, "b": {"parameters": {"c": inner, "e": {"value": 3}}}}, PLACE)
    assert [parameter.key for parameter in parameters] == ["a", "b.c.c", "b.c.d", "b.e"]
    assert [str(parameter.place) for parameter in parameters][1] == "parameters.b.parameters.c.parameters.c"


def test_probabilities_may_be_rounded():
    assert read({"values": [1, 2, 3], "probabilities": [0.33333] * 2 + [0.33333]}).probabilities
    with pytest.raises(UserError, match="must be 3 numbers that add up to 1"):
        read({"values": [1, 2, 3], "probabilities": [0.333] * 3})
