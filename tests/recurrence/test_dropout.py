"""Dropout and zoneout have the right distributions, and evaluation uses their expectation."""

import functools
from contextlib import nullcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.errors import UserError
from research.options import numbers
from research.recurrence import dropout
from research.recurrence.dropout import NO_DROPOUT, DropoutOptions, Rates, Widths, ZoneoutOptions
from research.recurrence.unroll import step
from tests.cells.cases import CASES
from tests.recurrence import problem

BATCH, STEPS = 50, 40
WIDTHS = Widths(inputs=7, num_layers=2, parts=(6, 10, 10))


def rates(**values: float) -> Rates:
    return Rates(**{name: jnp.float32(value) for name, value in values.items()})


ALL = rates(input=0.2, output=0.2, recurrent=0.3, zoneout_hidden=0.1, zoneout_cell=0.5)


def sampled(rates: Rates = ALL, seed: int = 0, steps: int = STEPS, inputs: bool = True):
    return jax.device_get(draw(rates, jax.random.key(seed), steps, inputs))


@functools.partial(jax.jit, static_argnums=(2, 3))
def draw(rates, key, steps, inputs):
    return dropout.sample(WIDTHS, rates, key, BATCH, steps, inputs)


def test_the_rates_are_the_options_that_are_on():
    dropout_options, zoneout = DropoutOptions(input=0.25, attention=0.5), ZoneoutOptions(cell=0.125)
    on = {name: rate for name, rate in vars(Rates.of(numbers(dropout_options), numbers(zoneout))).items() if rate}
    assert on == {"input": 0.25, "attention": 0.5, "zoneout_cell": 0.125}
    assert Rates.of(numbers(DropoutOptions()), numbers(ZoneoutOptions())) == NO_DROPOUT


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_that_is_no_probability_is_refused(rate):
    with pytest.raises(UserError, match=f"^dropout.input={rate}: must be at least 0 and less than 1"):
        DropoutOptions(input=rate)
    with pytest.raises(UserError, match=f"^zoneout.hidden={rate}: must be at least 0 and less than 1"):
        ZoneoutOptions(hidden=rate)


def test_masks_drop_their_share_and_keep_the_mean():
    noise = sampled()
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


def test_zoneout_is_drawn_anew_at_every_step_and_the_parts_besides_h_hold_the_same_units():
    for layer in sampled().layers:
        h, c, other = layer.hold
        assert h.shape == (BATCH, STEPS, 6) and c.shape == (BATCH, STEPS, 10)
        assert set(np.unique(h)) == {0, 1}
        assert (np.mean(h), np.mean(c)) == (pytest.approx(0.1, abs=0.01), pytest.approx(0.5, abs=0.02))
        assert np.mean(c[:, 1:] == c[:, :-1]) == pytest.approx(0.5, abs=0.02)
        np.testing.assert_array_equal(c, other)


def test_layers_sequences_and_keys_draw_separately():
    noise, other = sampled(), sampled(seed=1)
    for name in ("output", "state"):
        below, above = (getattr(layer, name) for layer in noise.layers)
        assert np.any(below != above) and np.any(below[0] != below[1])
        assert np.any(below != getattr(other.layers[0], name))
    np.testing.assert_array_equal(noise.layers[0].state, sampled().layers[0].state)


def test_dropout_of_outputs_and_of_states_and_zoneout_of_h_and_of_c_draw_separately():
    widths = Widths(inputs=7, num_layers=1, parts=(6, 6))
    noise = dropout.sample(
        widths, rates(output=0.5, recurrent=0.5, zoneout_hidden=0.5, zoneout_cell=0.5), jax.random.key(0), 500, 9
    )
    assert noise is not None
    (layer,) = jax.device_get(noise.layers)
    for first, other in ((layer.output > 0, layer.state > 0), layer.hold):
        assert np.mean(first == other) == pytest.approx(0.5, abs=0.05)


def test_more_steps_leave_the_noise_of_those_before_unchanged():
    whole = jax.tree.map(jnp.asarray, sampled())
    jax.tree.map(np.testing.assert_array_equal, whole.steps(0, 15), sampled(steps=15))


def test_what_is_off_is_none():
    assert sampled(NO_DROPOUT) is None and dropout.expected(WIDTHS, NO_DROPOUT) is None
    assert dropout.expected(WIDTHS, rates(input=0.2, output=0.2, recurrent=0.3)) is None
    only = sampled(rates(zoneout_hidden=0.5), inputs=False)
    assert only.inputs is None and only.layers[0].output is None and only.layers[0].state is None
    assert np.any(only.layers[0].hold[0]) and not np.any(only.layers[0].hold[1])
    assert sampled(rates(output=0.5)).layers[0].hold is None
    assert sampled(rates(input=0.5), inputs=False).inputs is None


def test_evaluation_holds_the_expected_share():
    noise = dropout.expected(WIDTHS, ALL)
    assert noise is not None and noise.inputs is None
    for layer in noise.layers:
        assert layer.output is None and layer.state is None and layer.hold is not None
        assert [share.shape for share in layer.hold] == [(1, 1, 6), (1, 1, 10), (1, 1, 10)]
        assert [np.unique(share).tolist() for share in layer.hold] == [[np.float32(rate)] for rate in (0.1, 0.5, 0.5)]


@pytest.mark.parametrize("name", CASES)
def test_recurrent_dropout_is_refused_for_a_cell_without_recurrent_weights_and_acts_on_all_others(name):
    cell = CASES[name]
    with jax.enable_x64(True):
        arrays, xs, carry = jax.tree.map(jnp.asarray, problem.make(name).arguments)
        mask = jnp.zeros((len(xs), cell.widths(problem.HIDDEN)[0]))
        run = jax.jit(lambda mask: [step(cell, arrays, xs[:, 0], carry, mask=m) for m in (None, mask)])
        after, dropped = run(mask)
    acts = any(np.any(x != y) for x, y in zip(after, dropped, strict=True))
    assert acts == cell.has_recurrent_weights
    with nullcontext() if acts else pytest.raises(UserError, match=f"^dropout.recurrent=0.5: must be 0, as {name}"):
        dropout.check_cell(cell, DropoutOptions(recurrent=0.5), ZoneoutOptions())


@pytest.mark.parametrize(("name", "allowed"), [("lstm", True), ("sru", True), ("gru", False), ("slstm", False)])
def test_zoneout_of_the_cell_state_needs_one_that_can_be_averaged(name, allowed):
    with nullcontext() if allowed else pytest.raises(UserError, match=f"^zoneout.cell=0.5: must be 0, .*{name}"):
        dropout.check_cell(CASES[name], DropoutOptions(), ZoneoutOptions(cell=0.5))
