"""What the options of a cell change, besides what the references say: how a variant relates to the cell without it."""

import dataclasses
import typing
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.cells import CELLS, GRU, LSTM, RNN
from research.cells.cell import Cell, Weights
from research.cells.initializers import InitOptions, InitScheme
from research.errors import UserError
from research.recurrence.unroll import step
from tests.recurrence.problem import BATCH, HIDDEN, INPUTS, weights_of

SHUT, OPEN = -40.0, 40.0  # biases of a gate that is then 0 or 1, in double precision
OPTIONS = [
    (name, item.name) for name, kind in CELLS.items() for item in dataclasses.fields(kind) if item.name != "name"
]

Arrays = dict[str, np.ndarray]
Parts = tuple[np.ndarray, ...]


def drawn(name: str, *shape: int) -> np.ndarray:
    """Numbers that depend on the name and the shape alone."""
    return np.random.default_rng(zlib.crc32(name.encode())).normal(size=shape)


def weights_for(cell: Cell) -> Arrays:
    """Weights that all variants of a cell share, gate by gate, where they have them."""
    actual = {
        "w": np.concatenate([drawn(f"w_{gate}", INPUTS, HIDDEN) for gate in cell.gates], axis=1),
        "b": np.concatenate([drawn(f"b_{gate}", HIDDEN) for gate in cell.gates]),
    }
    for name, (rows, columns, blocks, _) in cell.matrices(HIDDEN).items():
        suffixes = cell.gates[:blocks] if name == "u" else ("",)
        whole = [drawn(f"{name}_{gate}".rstrip("_"), HIDDEN, columns)[:rows] for gate in suffixes]
        actual[name] = np.concatenate(whole, axis=1)
    return actual | {name: drawn(name, size) for name, (size, *_) in cell.vectors(HIDDEN).items()}


def after_a_step(cell: Cell, arrays: Arrays) -> Parts:
    with jax.enable_x64(True):
        carry = tuple(
            jnp.asarray(drawn(part, BATCH, HIDDEN)[:, :width])
            for part, width in zip(cell.parts, cell.widths(HIDDEN), strict=True)
        )
        weights = weights_of(cell, {name: jnp.asarray(value) for name, value in arrays.items()})
        return jax.device_get(step(cell, weights, jnp.asarray(drawn("x", BATCH, INPUTS)), carry))


def with_gate(cell: Cell, arrays: Arrays, gate: str, **blocks: Any) -> Arrays:
    """Return the weights with the block of one gate replaced: `u=0.0, b=40.0`."""
    block = slice(cell.gates.index(gate) * HIDDEN, (cell.gates.index(gate) + 1) * HIDDEN)
    changed = {name: arrays[name].copy() for name in blocks}
    for name, value in blocks.items():
        changed[name][..., block] = value
    return arrays | changed


def same(actual: Parts, wanted: Parts) -> None:
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-13), actual, wanted)


def other_value(kind: type[Cell], option: str) -> Any:
    default = getattr(kind(), option)
    if isinstance(default, str):
        return next(value for value in typing.get_args(typing.get_type_hints(kind)[option]) if value != default)
    if isinstance(default, bool):
        return not default
    return 2 if isinstance(default, int) else default / 2 or 0.5


def start(cell: Cell) -> Arrays:
    scheme = InitScheme.of(InitOptions())
    return jax.device_get(Weights(cell, INPUTS, HIDDEN, scheme, jax.random.key(0), length=9).arrays())


def differ(x: Arrays, y: Arrays) -> bool:
    return any(x[name].shape == y[name].shape and np.any(x[name] != y[name]) for name in x.keys() & y.keys())


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_every_option_of_a_cell_changes_its_output_or_how_it_starts(name, option):
    kind = CELLS[name]
    plain, variant = kind(), kind(**{option: other_value(kind, option)})
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


@pytest.mark.parametrize("peephole", [False, True], ids=["", "peephole"])
@pytest.mark.parametrize(("option", "gate"), [("input_gate", "i"), ("forget_gate", "f"), ("output_gate", "o")])
def test_an_lstm_without_a_gate_is_one_in_which_it_is_open(option, gate, peephole):
    kept: dict[str, Any] = {"peephole": peephole}
    plain, variant = (LSTM(**options) for options in (kept, {**kept, option: False}))
    opened = with_gate(plain, weights_for(plain), gate, w=0, u=0, b=OPEN)
    if peephole:
        opened[f"peephole_{gate}"] = np.zeros(HIDDEN)
    same(after_a_step(variant, weights_for(variant)), after_a_step(plain, opened))


def test_coupled_gates_are_an_input_gate_with_the_weights_of_the_forget_gate_negated():
    plain, variant = LSTM(), LSTM(coupled_gates=True)
    shared, place = weights_for(plain), slice(HIDDEN, 2 * HIDDEN)
    negated = with_gate(plain, shared, "i", **{name: -shared[name][..., place] for name in ("w", "u", "b")})
    same(after_a_step(variant, weights_for(variant)), after_a_step(plain, negated))


def test_without_output_activation_the_output_is_the_open_share_of_c():
    variant = LSTM(output_activation=False)
    h, c = after_a_step(variant, with_gate(variant, weights_for(variant), "o", w=0, u=0, b=OPEN))
    same((h,), (c,))


def test_peepholes_of_weight_zero_are_none():
    variant = LSTM(peephole=True)
    closed = {f"peephole_{gate}": np.zeros(HIDDEN) for gate in "ifo"}
    same(after_a_step(variant, weights_for(variant) | closed), after_a_step(LSTM(), weights_for(LSTM())))


def test_the_output_gate_sees_the_cell_state_of_its_own_step():
    variant = LSTM(peephole=True, output_activation=False)
    alone = with_gate(variant, weights_for(variant), "o", w=0, u=0, b=0)
    h, c = after_a_step(variant, alone)
    same((h,), (c / (1 + np.exp(-alone["peephole_o"][None, :] * c)),))


def test_a_projection_by_the_identity_is_none():
    variant = LSTM(projection_size=HIDDEN)
    through = weights_for(variant) | {"projection": np.eye(HIDDEN)}
    same(after_a_step(variant, through), after_a_step(LSTM(), weights_for(LSTM())))


@pytest.mark.parametrize("matrix", ["w", "u"])
def test_layer_normalization_is_of_each_product_by_itself_so_that_its_scale_is_nothing(matrix):
    variant = LSTM(layer_norm=True)
    shared = {**weights_for(variant), matrix: 1e5 * weights_for(variant)[matrix]}
    larger = {**shared, matrix: 10 * shared[matrix]}
    for one, other in zip(after_a_step(variant, shared), after_a_step(variant, larger), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)  # but for the 1e-5 added to a variance of 1e10


def test_layer_normalization_leaves_the_forget_bias_what_it_is():
    variant = LSTM(layer_norm=True)
    arrays = with_gate(variant, weights_for(variant), "f", b=OPEN)
    _, c = after_a_step(variant, with_gate(variant, arrays, "i", b=SHUT))
    same((c,), (drawn("c", BATCH, HIDDEN),))


def test_an_open_reset_gate_is_the_same_before_and_after_the_product():
    before, after = (GRU(reset=reset) for reset in ("before", "after"))
    actual = [after_a_step(cell, with_gate(cell, weights_for(cell), "r", w=0, u=0, b=OPEN)) for cell in (before, after)]
    same(*actual)


def test_relu_lets_pass_what_is_positive_and_nothing_else():
    tanh, relu = (RNN(activation=kind) for kind in ("tanh", "relu"))
    (squashed,), (passed,) = (after_a_step(cell, weights_for(cell)) for cell in (tanh, relu))
    same((np.tanh(passed),), (np.maximum(squashed, 0),))
