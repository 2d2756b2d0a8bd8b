"""Profiles of all layers are norms of the derivative of the loss with respect to the states, in every direction."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.batch import Batch
from research.errors import UserError
from research.probes.every_layer import Side, _aligned, _to_the_loss
from research.recurrence.kernels.backward import Noise, Plan, plain_recurrence
from research.training.step import data_keys
from tests.probes.inspected import inspect
from tests.training.trials import WORDS, hparams_of, of, program

FLOW = {"probes__gradient_flow__every": 2, "probes__gradient_flow__scope": "all"}
NO_EXAMPLES = Batch(np.zeros((1, 4), np.int32), None, np.zeros((1, 5), np.int32))
DEEP = of(cell__name="lstm", model__num_layers=2, model__bidirectional=True, **FLOW)


def batch_of(config, trained, step=0):
    key, _ = data_keys(np.int32(config.seed))
    return trained.task.batch(None, key, jnp.int32(step), config.training.batch_size, step % trained.task.buckets)


def test_every_layer_and_direction_is_the_derivative_of_the_plain_scan():
    """Perturb the parts of the carry of a layer at each step, and differentiate the whole model."""
    trained, state, found = inspect(DEEP)
    batch = batch_of(DEEP, trained)
    model = nnx.merge(trained.graphdef, state.params)
    layers = model.encoder.layer_inputs(batch.inputs, None)
    steps, size, width = batch.inputs.shape[1], len(batch.inputs), 4
    zeros = {layer.name: tuple(jnp.zeros((steps, size, width)) for _ in "hc") for layer in layers}

    def loss(eps):
        read = batch.inputs
        lasts = []
        for depth in (1, 2):
            outputs = []
            for way in ("forward", "reverse"):
                layer = next(layer for layer in layers if layer.name == f"layer_{depth}/{way}")
                plan = Plan(layer.cell, steps, way == "reverse")
                hidden, last = plain_recurrence(plan, layer.weights, read, layer.carry, Noise(), eps[layer.name])
                outputs.append(jnp.swapaxes(hidden, 0, 1))
                lasts.append(last[0])
            read = jnp.concatenate(outputs, axis=-1)
        value = model.head.linear(jnp.concatenate(lasts[-2:], axis=-1))
        return jnp.mean((value - batch.targets) ** 2)

    gradients = jax.jit(jax.grad(loss))(zeros)
    assert {*found} == {f"encoder/{name}/{part}" for name in zeros for part in "hc"}
    for name, parts in gradients.items():
        for part, gradient in zip("hc", parts, strict=True):
            norms = np.linalg.norm(np.asarray(gradient), axis=(1, 2))
            wanted = norms[::-1] if name.endswith("/reverse") else norms
            np.testing.assert_allclose(found[f"encoder/{name}/{part}"], wanted, rtol=1e-4, err_msg=name)


def test_the_top_layer_has_the_profile_that_training_measures():
    config = of(cell__name="gru", dropout__output=0.3, model__num_layers=2, probes__gradient_flow__every=2)
    trained, numbers = program(config), hparams_of(config)
    state = jax.jit(trained.init)(numbers)
    _, record = jax.jit(trained.run)(numbers, state, None, 1, 0)
    (profile,) = record.probes["gradient_flow"].values()
    _, _, found = inspect(of(config, **FLOW))
    np.testing.assert_allclose(found["encoder/layer_2/forward/h"], profile, rtol=1e-4)


def test_lengths_are_aligned_to_the_step_that_is_read_last_and_to_the_first():
    norms = np.array([[1.0, 5.0, 0], [2.0, 6.0, 0], [3.0, 0, 0]])
    forward = _aligned(jnp.asarray(norms), Side(None, 3, 4, jnp.array([3, 2, 0])), reverse=False)
    scale = np.sqrt(3 / np.array([1, 2, 2]))
    wanted = [np.nan, *scale * [1, np.hypot(2, 5), np.hypot(3, 6)]]
    np.testing.assert_allclose(forward[""], wanted, rtol=1e-6)
    wanted = [*scale[::-1] * [np.hypot(1, 5), np.hypot(2, 6), 3], np.nan]
    np.testing.assert_allclose(forward["/from_start"], wanted, rtol=1e-6)
    flipped = jnp.asarray(np.array([[1.0, 0, 0], [2.0, 5.0, 0], [3.0, 6.0, 0]]))
    reverse = _aligned(flipped, Side(None, 3, 4, jnp.array([3, 2, 0])), reverse=True)
    np.testing.assert_allclose(reverse[""], forward[""])
    np.testing.assert_allclose(reverse["/from_start"], forward["/from_start"])


def test_the_ways_through_recurrence_and_attention_and_the_decoder_have_profiles():
    """The last state of the source gets its gradient from both; earlier ones through the recurrence and attention."""
    config = of(WORDS, attention__name="dot", **FLOW)
    _, _, found = inspect(config, NO_EXAMPLES)
    encoder = "encoder/layer_1/forward/h"
    suffixes = ("", "/by_recurrence", "/by_attention")
    assert {*found} == {
        f"{name}{ending}"
        for name in (*(encoder + suffix for suffix in suffixes), "decoder/layer_1/forward/h")
        for ending in ("", "/from_start")
    }
    whole, recurrence, attention = (found[encoder + suffix] for suffix in suffixes)
    there = np.isfinite(whole)
    assert np.all(whole[there] <= (recurrence + attention)[there] * (1 + 1e-5))
    assert np.all(whole[there] >= np.abs(recurrence - attention)[there] * (1 - 1e-5))
    assert np.all(recurrence[there] > 0) and np.all(attention[there] > 0)
    assert np.isnan(whole).tolist() == [True, True, False, False]  # the first bucket has two steps


def test_the_loss_of_one_step_alone_has_a_profile_up_to_that_step():
    config = of(
        task__name="copying_memory", task__num_memorized=2, task__delay=4, **FLOW, probes__gradient_flow__loss_step=-2
    )
    _, _, found = inspect(config)
    profile = found["encoder/layer_1/forward/h"]
    assert np.all(profile[:-1] > 0) and np.isnan(profile[-1])
    summary = config.probes.enabled()["gradient_flow"].summarize(found, "")
    assert summary["encoder/layer_1/forward/h/underflow_fraction"] == 0
    assert summary["encoder/layer_1/forward/h/first_last_ratio"] == pytest.approx(profile[0] / profile[-2])
    zeros = jnp.zeros(4)
    np.testing.assert_array_equal(_to_the_loss(zeros), zeros)  # a step without a label


def test_a_step_beyond_the_longest_target_is_one_line():
    config = of(task__name="dyck", task__length=8, **FLOW, probes__gradient_flow__loss_step=9)
    with pytest.raises(UserError, match=r"^probes\.gradient_flow\.loss_step=9: must be at most 8, the longest"):
        inspect(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task__name": "dyck", **FLOW}, r"every=2: must be 0 with .*\.loss_step=0, as the loss of dyck"),
        ({"probes__gradient_flow__loss_step": -1}, r"loss_step=-1: must be 0 with probes\.gradient_flow\.scope=top"),
        ({**FLOW, "probes__gradient_flow__loss_step": 1}, r"loss_step=1: must be 0, as adding has one target"),
        ({**FLOW, "zoneout__hidden": 0.1}, r"every=2: must be 0 with zoneout"),
    ],
)  # fmt: skip
def test_what_does_not_tell_the_decay_is_one_line(changes, message):
    with pytest.raises(UserError, match=rf"^probes\.gradient_flow\.{message}"):
        of(**changes)
