"""The cells under test: each of the catalogue as it is by default, and the variants that options make of them."""

import functools
import itertools
from collections.abc import Container
from typing import Any

import pytest

from research import catalogue
from research.config import CellConfig
from research.cells.cell import Cell, create

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn-relu": ("rnn", {"activation": "relu"}),
    "gru-before": ("gru", {"reset": "before"}),
    "gru-recurrent-bias": ("gru", {"recurrent_bias": True}),
    "lstm-no-input-gate": ("lstm", {"input_gate": False}),
    "lstm-no-forget-gate": ("lstm", {"forget_gate": False}),
    "lstm-no-output-gate": ("lstm", {"output_gate": False}),
    "lstm-no-output-activation": ("lstm", {"output_activation": False}),
    "lstm-coupled": ("lstm", {"coupled": True}),
    "lstm-peephole": ("lstm", {"peephole": True}),
    "lstm-projection": ("lstm", {"projection": 2}),
    "lstm-layer-norm": ("lstm", {"layer_norm": True}),
    "lstm-peephole-coupled": ("lstm", {"peephole": True, "coupled": True, "output_activation": False}),
    "lstm-peephole-output-gate": ("lstm", {"peephole": True, "input_gate": False, "forget_gate": False}),
    "lstm-peephole-projection-layer-norm": ("lstm", {"peephole": True, "projection": 2, "layer_norm": True}),
}
"""Name of a case: cell and options."""

CASES = {name: (name, {}) for name in catalogue.names("cells")} | VARIANTS

UNREAD = ("lru", "sru")
"""Cells whose next step does not read h: the h that they start from leaves nothing, unless there is no step."""

WAYS = {"masked": ("full", "lengths"), "reverse": ("forward", "reverse")}


def each_case(*ways: str, variants: bool = True, cells: Container[str] | None = None) -> pytest.MarkDecorator:
    """Parametrize by `name`, and by `masked` and `reverse` if asked.

    Variants run with lengths and in reverse only, which takes every path; `variants=False` is for what does not depend
    on the equations of a step; `cells` names those to take.
    """
    found = []
    for name in CASES if variants else catalogue.names("cells"):
        if cells is not None and CASES[name][0] not in cells:
            continue
        for values in itertools.product(*([True] if name in VARIANTS else [False, True] for _ in ways)):
            labels = [WAYS[way][value] for way, value in zip(ways, values, strict=True)]
            found.append(pytest.param(name, *values, id="-".join([name, *labels])))
    return pytest.mark.parametrize(("name", *ways), found)


@functools.cache
def cell_of(case: str) -> Cell:
    name, options = CASES[case]
    return create(name, CellConfig(**options))
