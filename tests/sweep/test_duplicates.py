"""Trials that compute the same are told before they are trained."""

import pytest

from research.cells import CELLS
from research.config import Config
from research.config.flat import override
from research.config.naming import NamedConfig
from research.sweep.duplicates import describe_duplicates


def lines(*changes: dict) -> list[str]:
    trials = [NamedConfig(str(i), override(Config(), {"seed": 0, **change})) for i, change in enumerate(changes)]
    return list(describe_duplicates(trials))


def test_an_option_that_does_nothing_for_a_cell_is_told():
    """The gain of recurrent weights that minGRU does not have: bit-identical rows without a word before."""
    cells = [{"cell.name": cell, "init.gain": gain} for cell in ("mingru", "gru") for gain in (0.9, 1.1)]
    assert lines(*cells) == ["1 computes the same as 0: init.gain does nothing for mingru"]
    seeds = [{**cell, "seed": seed} for seed in (1, 2, 3) for cell in cells]
    assert lines(*seeds) == ["1 computes the same as 0 (and 2 more): init.gain does nothing for mingru"]


@pytest.mark.parametrize("cell", CELLS)
def test_what_the_cell_says_is_unused_is_what_is_told(cell):
    other = {"gain": 0.5, "forget_bias": 2.0, "bias": "chrono", "recurrent": "normal"}
    unused = CELLS[cell]().unused_init_options()
    for name, value in other.items():
        told = lines({"cell.name": cell}, {"cell.name": cell, f"init.{name}": value})
        assert told == ([f"1 computes the same as 0: init.{name} does nothing for {cell}"] if name in unused else [])


def test_a_bias_that_chrono_replaces_is_told():
    biases = [{"cell.name": "lstm", "init.bias": "chrono", "init.forget_bias": bias} for bias in (0.0, 1.0)]
    assert lines(*biases) == ["1 computes the same as 0: init.forget_bias does nothing for lstm"]


def test_trials_that_differ_in_names_or_places_alone_are_told():
    assert lines({}, {"variant": "b", "wandb.mode": "offline"}) == ["1 computes the same as 0: only names differ"]
    assert lines({}, {"seed": 1}, {"cell.peephole": True}, {"init.gain": 2.0}) == []
