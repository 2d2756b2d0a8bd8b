"""The cells under test: each of the catalogue as it is by default, and the variants that options make of them."""

import functools
from typing import Any

from research import catalogue
from research.config import CellConfig
from research.recurrent.cell import Cell, create

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn-relu": ("rnn", {"activation": "relu"}),
    "gru-before": ("gru", {"reset": "before"}),
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


@functools.cache
def cell_of(case: str) -> Cell:
    name, options = CASES[case]
    return create(name, CellConfig(**options))
