"""What the attributes of a cell promise about its equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import catalogue
from research.config import InitConfig
from research.cells.cell import Weights, create
from research.cells.initializers import InitScheme
from research.recurrence.unroll import step
from tests.recurrence.problem import weights_of

INPUTS, HIDDEN = 48, 64
KEEPING = [name for name in catalogue.names("cells") if create(name).keep_gate is not None]


@pytest.mark.parametrize(
    ("name", "keep", "write"),
    [
        ("rnn", None, None),
        ("lstm", "f", "i"),
        ("gru", "z", None),
        ("mgu", "f", None),
        ("ugrnn", "g", None),
        ("ligru", "z", None),
        ("indrnn", None, None),
        ("slstm", "f", "i"),
        ("sru", "f", None),
    ],
)
def test_the_gates_that_keep_and_write_are_those_of_the_equations(name, keep, write):
    assert (create(name).keep_gate, create(name).write_gate) == (keep, write)


@pytest.mark.parametrize("name", KEEPING)
def test_a_cell_whose_keep_gate_is_open_and_write_gate_closed_holds_its_state(name):
    cell = create(name)
    arrays = Weights(cell, INPUTS, HIDDEN, InitScheme.of(InitConfig(), 1), jax.random.key(0)).arrays()
    shifts = {cell.keep_gate: 40.0, cell.write_gate: -40.0}
    arrays["b"] = arrays["b"] + np.repeat([np.float32(shifts.get(gate, 0)) for gate in cell.gates], HIDDEN)
    weights = weights_of(cell, arrays)
    rng = np.random.default_rng(0)
    x, *carry = (
        jnp.asarray(rng.normal(size=(2, size)), jnp.float32) for size in (INPUTS, *[HIDDEN] * len(cell.parts))
    )
    kept = step(cell, weights, x, tuple(carry))
    inner = slice(1, None) if len(carry) > 1 else slice(0, 1)  # what h is read from, or else h
    for part, former in zip(kept[inner], carry[inner], strict=True):
        np.testing.assert_allclose(part, former, rtol=0, atol=1e-6)
