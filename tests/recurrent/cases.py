"""The cells under test: each of the catalogue as it is by default, and the variants that options make of them."""

import functools
from typing import Any

from research import catalogue
from research.config import CellConfig
from research.recurrent.cell import Cell, create

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {}
"""Name of a case: cell and options."""

CASES = {name: (name, {}) for name in catalogue.names("cells")} | VARIANTS


@functools.cache
def cell_of(case: str) -> Cell:
    name, options = CASES[case]
    return create(name, CellConfig(**options))
