"""What the options of a cell change, beside what the references say: how a variant relates to the cell without it."""

import dataclasses
import typing
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import catalogue
from research.config import CellConfig
from research.cells.cell import Cell, create
from research.recurrence.unroll import step
from tests.recurrence.problem import BATCH, HIDDEN, INPUTS, weights_of

SHUT, OPEN = -40.0, 40.0  # biases of a gate that is then 0 or 1, in double precision
OPTIONS = [(entry.name, option) for entry in catalogue.entries("cells").values() for option in entry.options]

Arrays = dict[str, np.ndarray]
Parts = tuple[np.ndarray, ...]


def drawn(name: str, *shape: int) -> np.ndarray:
    """Numbers that depend on the name and the shape alone."""
    return np.random.default_rng(zlib.crc32(name.encode())).normal(size=shape)


def weights_for(cell: Cell) -> Arrays:
    """Weights that all variants of a cell share, gate by gate, where they have them."""
    found = {
        "w": np.concatenate([drawn(f"w_{gate}", INPUTS, HIDDEN) for gate in cell.gates], axis=1),
        "b": np.concatenate([drawn(f"b_{gate}", HIDDEN) for gate in cell.gates]),
    }
    for name, (rows, columns, blocks) in cell.matrices(HIDDEN).items():
        suffixes = cell.gates[:blocks] if name == "u" else ("",)
        whole = [drawn(f"{name}_{gate}".rstrip("_"), HIDDEN, columns)[:rows] for gate in suffixes]
        found[name] = np.concatenate(whole, axis=1)
    return found | {name: drawn(name, size) for name, (size, _) in cell.vectors(HIDDEN).items()}


def after_a_step(cell: Cell, arrays: Arrays) -> Parts:
    with jax.enable_x64(True):
        carry = tuple(
            jnp.asarray(drawn(part, BATCH, HIDDEN)[:, :width])
            for part, width in zip(cell.parts, cell.widths(HIDDEN), strict=True)
        )
        weights = weights_of(cell, {name: jnp.asarray(value) for name, value in arrays.items()})
        return jax.device_get(step(cell, weights, jnp.asarray(drawn("x", BATCH, INPUTS)), carry))


def with_gate(cell: Cell, arrays: Arrays, gate: str, **blocks: Any) -> Arrays:
    """The weights with the block of one gate replaced: `u=0.0, b=40.0`."""
    own = slice(cell.gates.index(gate) * HIDDEN, (cell.gates.index(gate) + 1) * HIDDEN)
    changed = {name: arrays[name].copy() for name in blocks}
    for name, value in blocks.items():
        changed[name][..., own] = value
    return arrays | changed


def same(found: Parts, wanted: Parts) -> None:
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-13), found, wanted)


def other_value(option: str) -> Any:
    (item,) = (item for item in dataclasses.fields(CellConfig) if item.name == option)
    if isinstance(item.default, str):
        return next(value for value in typing.get_args(item.type) if value != item.default)
    return not item.default if isinstance(item.default, bool) else 2


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_every_option_that_a_cell_reads_changes_its_output(name, option):
    plain, variant = create(name), create(name, CellConfig(**{option: other_value(option)}))
    assert plain != variant
    before, after = (after_a_step(cell, weights_for(cell))[0] for cell in (plain, variant))
    assert before.shape != after.shape or np.max(np.abs(before - after)) > 1e-2


@pytest.mark.parametrize(
    ("options", "gates", "keep", "write"),
    [
        ({}, "ifgo", "f", "i"),
        ({"input_gate": False}, "fgo", "f", None),
        ({"forget_gate": False}, "igo", None, "i"),
        ({"output_gate": False}, "ifg", "f", "i"),
        ({"coupled": True}, "fgo", "f", None),
        ({"input_gate": False, "forget_gate": False, "output_gate": False}, "g", None, None),
    ],
)
def test_an_lstm_has_weights_for_the_gates_that_are_there_only(options, gates, keep, write):
    cell = create("lstm", CellConfig(**options))
    assert (cell.gates, cell.keep_gate, cell.write_gate) == (tuple(gates), keep, write)


@pytest.mark.parametrize("peephole", [False, True], ids=["", "peephole"])
@pytest.mark.parametrize(("option", "gate"), [("input_gate", "i"), ("forget_gate", "f"), ("output_gate", "o")])
def test_an_lstm_without_a_gate_is_one_in_which_it_is_open(option, gate, peephole):
    kept: dict[str, Any] = {"peephole": peephole}
    plain, variant = (create("lstm", CellConfig(**options)) for options in (kept, {**kept, option: False}))
    opened = with_gate(plain, weights_for(plain), gate, w=0, u=0, b=OPEN)
    if peephole:
        opened[f"peephole_{gate}"] = np.zeros(HIDDEN)
    same(after_a_step(variant, weights_for(variant)), after_a_step(plain, opened))


def test_coupled_gates_are_an_input_gate_with_the_weights_of_the_forget_gate_negated():
    plain, variant = create("lstm"), create("lstm", CellConfig(coupled=True))
    shared, place = weights_for(plain), slice(HIDDEN, 2 * HIDDEN)
    negated = with_gate(plain, shared, "i", **{name: -shared[name][..., place] for name in ("w", "u", "b")})
    same(after_a_step(variant, weights_for(variant)), after_a_step(plain, negated))


def test_without_output_activation_the_output_is_the_open_share_of_c():
    variant = create("lstm", CellConfig(output_activation=False))
    h, c = after_a_step(variant, with_gate(variant, weights_for(variant), "o", w=0, u=0, b=OPEN))
    same((h,), (c,))


def test_peepholes_of_weight_zero_are_none():
    variant = create("lstm", CellConfig(peephole=True))
    closed = {f"peephole_{gate}": np.zeros(HIDDEN) for gate in "ifo"}
    same(
        after_a_step(variant, weights_for(variant) | closed), after_a_step(create("lstm"), weights_for(create("lstm")))
    )


def test_the_output_gate_sees_the_cell_state_of_its_own_step():
    variant = create("lstm", CellConfig(peephole=True, output_activation=False))
    alone = with_gate(variant, weights_for(variant), "o", w=0, u=0, b=0)
    h, c = after_a_step(variant, alone)
    same((h,), (c / (1 + np.exp(-alone["peephole_o"][None, :] * c)),))


def test_a_projection_by_the_identity_is_none():
    variant = create("lstm", CellConfig(projection=HIDDEN))
    through = weights_for(variant) | {"projection": np.eye(HIDDEN)}
    same(after_a_step(variant, through), after_a_step(create("lstm"), weights_for(create("lstm"))))


@pytest.mark.parametrize("matrix", ["w", "u"])
def test_layer_normalisation_is_of_each_product_by_itself_so_that_its_scale_is_nothing(matrix):
    variant = create("lstm", CellConfig(layer_norm=True))
    shared = {**weights_for(variant), matrix: 1e5 * weights_for(variant)[matrix]}
    larger = {**shared, matrix: 10 * shared[matrix]}
    for one, other in zip(after_a_step(variant, shared), after_a_step(variant, larger), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)  # but for the 1e-5 beside a variance of 1e10


def test_layer_normalisation_leaves_the_forget_bias_what_it_is():
    variant = create("lstm", CellConfig(layer_norm=True))
    arrays = with_gate(variant, weights_for(variant), "f", b=OPEN)
    _, c = after_a_step(variant, with_gate(variant, arrays, "i", b=SHUT))
    same((c,), (drawn("c", BATCH, HIDDEN),))


def test_an_open_reset_gate_is_the_same_before_and_after_the_product():
    before, after = (create("gru", CellConfig(reset=reset)) for reset in ("before", "after"))
    found = [after_a_step(cell, with_gate(cell, weights_for(cell), "r", w=0, u=0, b=OPEN)) for cell in (before, after)]
    same(*found)


def test_relu_lets_pass_what_is_positive_and_nothing_else():
    tanh, relu = (create("rnn", CellConfig(activation=kind)) for kind in ("tanh", "relu"))
    (squashed,), (passed,) = (after_a_step(cell, weights_for(cell)) for cell in (tanh, relu))
    same((np.tanh(passed),), (np.maximum(squashed, 0),))
