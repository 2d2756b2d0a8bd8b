"""The attributes of a cell agree with its equations, and a subclass of a cell is a cell."""

from dataclasses import dataclass, fields
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.cells import CELLS, LSTM
from research.cells.cell import Activation, Carry, Tape, Weights, activate
from research.cells.initializers import InitOptions, InitScheme
from research.errors import UserError
from research.options import flatten
from research.recurrence.unroll import step
from tests.cells import reference

INPUTS, HIDDEN = 48, 64
GATES = {
    "rnn": (None, None),
    "lstm": ("f", "i"),
    "gru": ("z", None),
    "mgu": ("f", None),
    "ugrnn": ("g", None),
    "ligru": ("z", None),
    "indrnn": (None, None),
    "slstm": ("f", "i"),
    "sru": ("f", None),
    "mingru": ("z", None),
    "minlstm": ("f", "i"),
    "lru": (None, None),
}


@pytest.mark.parametrize(("name", "keep", "write"), [(name, *gates) for name, gates in GATES.items()])
def test_the_gates_that_keep_and_write_are_those_of_the_equations(name, keep, write):
    assert (CELLS[name]().keep_gate, CELLS[name]().write_gate) == (keep, write)


@pytest.mark.parametrize("name", [name for name, (keep, _) in GATES.items() if keep])
def test_a_cell_that_interpolates_holds_its_state_where_the_keep_gate_is_open_and_the_write_gate_closed(name):
    cell = CELLS[name]()
    scheme = InitScheme.of(InitOptions())
    arrays = Weights(cell, INPUTS, HIDDEN, scheme, jax.random.key(0), length=1).arrays()
    shifts = {cell.keep_gate: 40.0, cell.write_gate: -40.0}
    arrays["b"] = arrays["b"] + np.repeat([np.float32(shifts.get(gate, 0)) for gate in cell.gates], HIDDEN)
    rng = np.random.default_rng(0)
    x, *carry = (jnp.asarray(rng.normal(size=(2, size)), jnp.float32) for size in (INPUTS, *[HIDDEN] * len(cell.parts)))
    kept = step(cell, arrays, x, tuple(carry))
    inner = slice(1, None) if len(carry) > 1 else slice(0, 1)  # the cell state, or h if there is none
    for part, former in zip(kept[inner], carry[inner], strict=True):
        np.testing.assert_allclose(part, former, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_the_name_of_a_cell_is_that_of_the_registry_and_its_summary_a_line(name):
    cell = CELLS[name]()
    assert cell.name == name and flatten(cell)["name"] == name
    assert (CELLS[name].__doc__ or "").partition("\n")[0].endswith(".")
    assert cell == CELLS[name]() and hash(cell) == hash(CELLS[name]())


@dataclass(frozen=True)
class Scaled(LSTM):
    """An LSTM whose output is scaled."""

    name: Literal["scaled"] = "scaled"  # pyright: ignore[reportIncompatibleVariableOverride]
    factor: float = 2.0
    """Factor on h."""

    def step(self, carry: Carry, x_gates: Any, tape: Tape) -> Carry:
        h, *others = super().step(carry, x_gates, tape)
        return self.factor * h, *others


def test_a_subclass_of_a_cell_is_a_cell_with_the_options_of_both():
    cell, plain = Scaled(peephole=True), LSTM(peephole=True)
    assert [item.name for item in fields(cell)] == [*(item.name for item in fields(plain)), "factor"]
    assert cell != plain and LSTM() != Scaled() and cell.name == "scaled" and cell.gates == plain.gates
    scheme = InitScheme.of(InitOptions())
    weights, same = (Weights(kind, 3, 4, scheme, jax.random.key(0), length=9) for kind in (cell, plain))
    jax.tree.map(np.testing.assert_array_equal, weights.arrays(), same.arrays())
    carry, x = (jnp.zeros((2, 4)), jnp.zeros((2, 4))), jnp.ones((2, 3))
    (h, c), (plain_h, plain_c) = step(cell, weights.arrays(), x, carry), step(plain, same.arrays(), x, carry)
    np.testing.assert_array_equal(h, 2 * plain_h)
    np.testing.assert_array_equal(c, plain_c)


@pytest.mark.parametrize("role", ["keep_gate", "write_gate"])
def test_a_role_of_what_is_no_gate_is_refused_in_a_line(role):
    cell = dataclass(frozen=True)(type("Wrong", (LSTM,), {role: "z"}))()
    with pytest.raises(UserError, match=f"^{role}=z: must be None or one of the gates of the cell lstm: i, f, g, o$"):
        Weights(cell, 2, 3, InitScheme.of(InitOptions()), jax.random.key(0), length=1)


@pytest.mark.parametrize("gates", [1, 4])
def test_one_tanh_gives_each_gate_its_activation(gates):
    kinds: list[Activation] = ["sigmoid", "tanh", "sigmoid", "tanh"]
    kinds = kinds[:gates]
    z = np.random.default_rng(0).normal(size=(2, gates * 3), scale=4)
    with jax.enable_x64(True):
        blocks = activate(jnp.asarray(z), *kinds)
    wanted = {"sigmoid": reference.sigmoid, "tanh": np.tanh}
    for block, kind, gate in zip(blocks, kinds, np.split(z, gates, axis=1), strict=True):
        np.testing.assert_allclose(block, wanted[kind](gate), rtol=0, atol=1e-15)
