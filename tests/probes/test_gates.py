"""Profiles and summaries of gates are what NumPy computes of the gates over time."""

import jax
import numpy as np
import pytest

from research.batch import Batch
from research.errors import UserError
from research.probes.gates import Gates, gate_profiles
from research.recurrence.trajectory import Trajectory
from tests.probes.inspected import inspect
from tests.recurrence import problem as problems
from tests.recurrence.problem import BATCH, HIDDEN, STEPS
from tests.recurrence.test_trajectory import layer_of
from tests.training.trials import WORDS, of


@pytest.mark.parametrize("case", ["lstm", "gru"])
def test_profiles_are_means_over_valid_steps(case):
    with jax.enable_x64(True):
        layer = layer_of(case, problems.make(case))
        gates, profiles = jax.device_get(jax.jit(lambda: (Trajectory(layer).gates(), gate_profiles(layer)))())
        valid = np.asarray(layer.valid)
    keep = {"lstm": "f", "gru": "z"}[case]
    assert {*profiles} == {*gates}
    for gate, values in gates.items():
        kinds = {"mean": values, "closed": values < 0.1, "open": values > 0.9}
        for kind, x in kinds.items():
            over_time = [x[t, valid[t]].mean() for t in range(STEPS)]
            np.testing.assert_allclose(profiles[gate][kind], over_time, rtol=1e-12)
            over_units = np.mean([x[t, row] for t in range(STEPS) for row in range(BATCH) if valid[t, row]], axis=0)
            np.testing.assert_allclose(profiles[gate][f"unit_{kind}"], over_units, rtol=1e-12)
        assert ("unit_horizon" in profiles[gate]) == (gate == keep)
    kept = [gates[keep][t, row] for t in range(STEPS) for row in range(BATCH) if valid[t, row]]
    np.testing.assert_allclose(profiles[keep]["unit_horizon"], -1 / np.log(kept).mean(axis=0), rtol=1e-12)


def test_a_constant_forget_gate_has_the_horizon_of_its_value():
    problem = problems.make("lstm")
    weights = {name: np.zeros_like(x) for name, x in problem.arguments.weights.items()}
    weights["b"] = np.concatenate([np.zeros(HIDDEN), [-30.0, np.log(9.0), 40.0], np.zeros(2 * HIDDEN)])
    with jax.enable_x64(True):
        layer = layer_of("lstm", problem.replace(weights=weights))
        profiles = jax.device_get(jax.jit(lambda: gate_profiles(layer))())
    np.testing.assert_allclose(profiles["f"]["unit_horizon"], [1 / 30, -1 / np.log(0.9), np.inf], rtol=1e-3)
    record = {f"layer/f/{name}": profile for name, profile in profiles["f"].items()}
    summary = Gates(every=1).summarize({"step": 0, **record}, "")
    assert summary["layer/f/horizon"] == pytest.approx(-1 / np.log(0.9))
    assert summary["layer/f/mean"] == pytest.approx((0 + 0.9 + 1) / 3)
    assert summary["layer/f/dead_units"] == pytest.approx(1 / 3)
    assert summary["layer/f/saturated_units"] >= 2 / 3
    assert {*summary} == {
        f"layer/f/{name}"
        for name in ("mean", "closed_fraction", "open_fraction", "horizon", "dead_units", "saturated_units")
    }


def test_the_record_has_every_layer_and_gate_where_lengths_and_batches_differ():
    config = of(WORDS, cell__name="lstm", model__bidirectional=True, probes__gates__every=1, probes__gates__examples=5)
    inputs = np.array([[3, 4, 5, 0], [6, 0, 0, 0], [0, 0, 0, 0]], np.int32)
    _, _, measured = inspect(config, Batch(inputs, np.array([3, 1, 0]), inputs, np.array([2, 3, 1])))
    assert {*measured} == {
        f"{way}/{gate}/{kind}"
        for way in ("encoder/layer_1/forward", "encoder/layer_1/reverse", "decoder/layer_1/forward")
        for gate in "ifo"
        for kind in ("mean", "closed", "open", "unit_mean", "unit_closed", "unit_open", "unit_horizon")
        if gate == "f" or kind != "unit_horizon"
    }
    for name, profile in measured.items():
        steps = 4 if name.startswith("decoder") else 3  # as many as the batch has, and as the longest input has
        assert profile.shape == ((4,) if "/unit_" in name else (steps,)), name
        assert np.all(np.isfinite(profile[:3])), name
    assert Gates().axis("encoder/layer_1/forward/f/unit_mean") == "unit"
    assert Gates().axis("encoder/layer_1/forward/f/mean") == "t"


@pytest.mark.parametrize("cell", ["rnn", "indrnn", "lru"])
def test_a_cell_without_gates_is_one_line(cell):
    with pytest.raises(UserError, match=rf"^probes\.gates\.every=3: must be 0 as cell\.name={cell} has no gates$"):
        of(cell__name=cell, probes__gates__every=3)
