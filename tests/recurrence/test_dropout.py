"""The noise of regularisation is drawn as it is meant, and evaluation takes its expectation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import catalogue
from research.config import NOISE
from research.errors import UserError
from research.recurrence import dropout
from research.cells.cell import create
from research.recurrence.dropout import OFF, Rates, Widths
from tests import quick

BATCH, STEPS = 50, 40
WIDTHS = Widths(inputs=7, layers=2, parts=(6, 10, 10))


def rates(**values: float) -> Rates:
    return Rates(**{name: jnp.float32(value) for name, value in values.items()})


ALL = rates(input_dropout=0.2, output_dropout=0.2, recurrent_dropout=0.3, zoneout_h=0.1, zoneout_c=0.5)


def drawn(rates: Rates = ALL, seed: int = 0, steps: int = STEPS, inputs: bool = True):
    return jax.device_get(draw(rates, jax.random.key(seed), steps, inputs))


@functools.partial(quick.jit, static_argnums=(2, 3))
def draw(rates, key, steps, inputs):
    return dropout.drawn(WIDTHS, rates, key, BATCH, steps, inputs)


def test_the_rates_are_those_of_the_config():
    assert set(NOISE) == set(vars(OFF))


def test_masks_drop_their_share_and_keep_the_mean():
    noise = drawn()
    for rate, masks in (
        (0.2, [noise.inputs, *(x.output for x in noise.layers)]),
        (0.3, [x.state for x in noise.layers]),
    ):
        assert {float(value) for mask in masks for value in np.unique(mask)} == {0, float(1 / (1 - np.float32(rate)))}
        assert np.mean(np.concatenate([mask.ravel() for mask in masks]) == 0) == pytest.approx(rate, abs=0.06)
    assert noise.inputs.shape == (BATCH, 7) and noise.layers[0].output.shape == noise.layers[1].state.shape == (
        BATCH,
        6,
    )


def test_zoneout_is_drawn_anew_at_every_step_and_the_parts_beside_h_hold_the_same_units():
    for layer in drawn().layers:
        h, c, other = layer.hold
        assert h.shape == (BATCH, STEPS, 6) and c.shape == (BATCH, STEPS, 10)
        assert set(np.unique(h)) == {0, 1}
        assert (np.mean(h), np.mean(c)) == (pytest.approx(0.1, abs=0.01), pytest.approx(0.5, abs=0.02))
        assert np.mean(c[:, 1:] == c[:, :-1]) == pytest.approx(0.5, abs=0.02)
        np.testing.assert_array_equal(c, other)


def test_layers_sequences_and_keys_draw_their_own():
    noise, other = drawn(), drawn(seed=1)
    for name in ("output", "state"):
        below, above = (getattr(layer, name) for layer in noise.layers)
        assert np.any(below != above) and np.any(below[0] != below[1])
        assert np.any(below != getattr(other.layers[0], name))
    np.testing.assert_array_equal(noise.layers[0].state, drawn().layers[0].state)


def test_dropout_of_outputs_and_of_states_and_zoneout_of_h_and_of_c_draw_their_own():
    widths = Widths(inputs=7, layers=1, parts=(6, 6))
    noise = dropout.drawn(
        widths,
        rates(output_dropout=0.5, recurrent_dropout=0.5, zoneout_h=0.5, zoneout_c=0.5),
        jax.random.key(0),
        500,
        9,
    )
    assert noise is not None
    (layer,) = jax.device_get(noise.layers)
    for one, other in ((layer.output > 0, layer.state > 0), layer.hold):
        assert np.mean(one == other) == pytest.approx(0.5, abs=0.05)


def test_more_steps_leave_the_noise_of_those_before_alone():
    whole = jax.tree.map(jnp.asarray, drawn())
    jax.tree.map(np.testing.assert_array_equal, whole.steps(0, 15), drawn(steps=15))


def test_what_is_off_is_not_there():
    assert drawn(OFF) is None and dropout.expected(WIDTHS, OFF) is None
    assert dropout.expected(WIDTHS, rates(input_dropout=0.2, output_dropout=0.2, recurrent_dropout=0.3)) is None
    only = drawn(rates(zoneout_h=0.5), inputs=False)
    assert only.inputs is None and only.layers[0].output is None and only.layers[0].state is None
    assert np.any(only.layers[0].hold[0]) and not np.any(only.layers[0].hold[1])
    assert drawn(rates(output_dropout=0.5)).layers[0].hold is None
    assert drawn(rates(input_dropout=0.5), inputs=False).inputs is None


def test_evaluation_holds_the_expected_share():
    noise = dropout.expected(WIDTHS, ALL)
    assert noise is not None and noise.inputs is None
    for layer in noise.layers:
        assert layer.output is None and layer.state is None and layer.hold is not None
        assert [share.shape for share in layer.hold] == [(1, 1, 6), (1, 1, 10), (1, 1, 10)]
        assert [np.unique(share).tolist() for share in layer.hold] == [[np.float32(rate)] for rate in (0.1, 0.5, 0.5)]


@pytest.mark.parametrize("name", catalogue.names("cells"))
def test_recurrent_dropout_is_refused_for_a_cell_without_recurrent_weights(name):
    cell = create(name)
    reached = dropout.reaches(cell)
    assert reached == (name not in ("mingru", "minlstm", "lru"))
    if not reached:
        with pytest.raises(UserError, match=f"training.recurrent_dropout: must be 0, as {name}"):
            dropout.require(cell)
