"""Options of cells: each changes something, and contradictions are refused (`reference` has their equations)."""

import dataclasses
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.cells import CELLS, GRU, LSTM
from research.cells.cell import Cell, Weights
from research.cells.initializers import InitOptions, InitScheme
from research.errors import UserError
from research.recurrence.unroll import step
from tests.options import other_values
from tests.recurrence.problem import BATCH, HIDDEN, INPUTS

OPTIONS = [
    (name, item.name) for name, kind in CELLS.items() for item in dataclasses.fields(kind) if item.name != "name"
]

Arrays = dict[str, np.ndarray]
Parts = tuple[np.ndarray, ...]


def fixed_normal(name: str, *shape: int) -> np.ndarray:
    """Return numbers that depend only on the name and the shape."""
    return np.random.default_rng(zlib.crc32(name.encode())).normal(size=shape)


def weights_for(cell: Cell) -> Arrays:
    """Return weights that are equal, gate by gate, for all variants of a cell."""
    actual = {
        "w": np.concatenate([fixed_normal(f"w_{gate}", INPUTS, HIDDEN) for gate in cell.gates], axis=1),
        "b": np.concatenate([fixed_normal(f"b_{gate}", HIDDEN) for gate in cell.gates]),
    }
    for name, (rows, columns, blocks, _) in cell.matrices(HIDDEN).items():
        suffixes = cell.gates[:blocks] if name == "u" else ("",)
        whole = [fixed_normal(f"{name}_{gate}".rstrip("_"), HIDDEN, columns)[:rows] for gate in suffixes]
        actual[name] = np.concatenate(whole, axis=1)
    return actual | {name: fixed_normal(name, size) for name, (size, *_) in cell.vectors(HIDDEN).items()}


def after_a_step(cell: Cell, arrays: Arrays) -> Parts:
    with jax.enable_x64(True):
        carry = tuple(
            jnp.asarray(fixed_normal(part, BATCH, HIDDEN)[:, :width])
            for part, width in zip(cell.parts, cell.widths(HIDDEN), strict=True)
        )
        weights = {name: jnp.asarray(value) for name, value in arrays.items()}
        return jax.device_get(step(cell, weights, jnp.asarray(fixed_normal("x", BATCH, INPUTS)), carry))


def start(cell: Cell) -> Arrays:
    scheme = InitScheme.of(InitOptions())
    return jax.device_get(Weights(cell, INPUTS, HIDDEN, scheme, jax.random.key(0), length=9).arrays())


def differ(x: Arrays, y: Arrays) -> bool:
    return any(x[name].shape == y[name].shape and np.any(x[name] != y[name]) for name in x.keys() & y.keys())


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_every_option_of_a_cell_changes_its_output_or_how_it_starts(name, option):
    kind = CELLS[name]
    plain, variant = kind(), kind(**{option: other_values(kind, option)[0]})
    assert plain != variant
    before, after = (after_a_step(cell, weights_for(cell))[0] for cell in (plain, variant))
    changed = before.shape != after.shape or np.max(np.abs(before - after)) > 1e-2
    assert changed or differ(start(plain), start(variant))


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (LSTM, {"coupled_gates": True, "input_gate": False}, "cell.coupled_gates=True: must be False with cell.input"),
        (
            LSTM,
            {"coupled_gates": True, "forget_gate": False},
            "cell.coupled_gates=True: must be False with cell.forget",
        ),
        (
            LSTM,
            dict.fromkeys(("input_gate", "forget_gate", "output_gate"), False) | {"peephole": True},
            "cell.peephole",
        ),
        (LSTM, {"projection_size": -1}, "cell.projection_size=-1: must be between 0 and"),
        (GRU, {"recurrent_bias": True, "reset": "before"}, "cell.recurrent_bias=True: must be False with cell.reset"),
    ],
)
def test_options_that_exclude_each_other_are_refused_in_a_line(kind, options, message):
    with pytest.raises(UserError, match=f"^{message}"):
        kind(**options)


@pytest.mark.parametrize(
    ("options", "gates", "keep", "write"),
    [
        ({}, "ifgo", "f", "i"),
        ({"input_gate": False}, "fgo", "f", None),
        ({"forget_gate": False}, "igo", None, "i"),
        ({"output_gate": False}, "ifg", "f", "i"),
        ({"coupled_gates": True}, "fgo", "f", None),
        ({"input_gate": False, "forget_gate": False, "output_gate": False}, "g", None, None),
    ],
)
def test_an_lstm_has_weights_for_the_gates_that_are_there_only(options, gates, keep, write):
    cell = LSTM(**options)
    assert (cell.gates, cell.keep_gate, cell.write_gate) == (tuple(gates), keep, write)
