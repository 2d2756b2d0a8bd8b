"""Values of rows that no field can use: each is one line, whatever type JSON or NumPy gave it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.data.fields import INPUTS, TARGETS

HUGE = 10**400
"""A whole number that JSON may have and no float."""


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("number", HUGE, "is 1000.*; must be a number"),
        ("series", [1, HUGE], "at step 2 is 1000.*; must be a number"),
        ("series", [[1], [HUGE]], r"is \[\[1\].*; must be numbers"),
        ("series", np.array([1j]), "has complex numbers; must be real"),
        ("series", np.array([[1.0, 2.0], [3.0, np.inf]]), "at step 2 is not finite; must be"),
        ("audio", [1, HUGE], r"is \[1, 1000.*; must be samples"),
        ("audio", ["a"], r"is \['a'\]; must be samples"),
    ],
)
def test_what_is_no_number_is_refused(name, value, fault):
    options: Any = {**INPUTS, **TARGETS}[name]()
    with pytest.raises(ValueError, match=re.compile(fault, re.DOTALL)):
        options.read({"x": value, "rate": 8000}, ["x"], Path())


def test_classes_that_are_equal_as_numbers_have_one_order():
    names = ["01", "1", "1.0", "1e0", "2", "10"]
    field: Any = TARGETS["label"]().fit(names[::-1])
    assert list(field.vocabulary) == names
