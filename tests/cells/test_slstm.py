"""The stabilizer of the sLSTM changes no result, and prevents the overflow of the paper's definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, log_expit, softmax

from tests.cells.cases import cell_of
from tests.recurrence.problem import BATCH, HIDDEN, INPUTS, unrolled

STEPS = 40
CELL = cell_of("slstm")
RNG = np.random.default_rng(0)
WEIGHTS = {"w": RNG.normal(size=(INPUTS, 4 * HIDDEN)), "b": RNG.normal(size=4 * HIDDEN)}
WEIGHTS["u"] = RNG.normal(size=(HIDDEN, 4 * HIDDEN))
XS = RNG.normal(size=(BATCH, STEPS, INPUTS))


def by_definition(weights: dict[str, np.ndarray], xs: np.ndarray) -> np.ndarray:
    """Return h by the paper's definition, without stabilizer."""
    h = c = n = np.zeros((len(xs), HIDDEN))
    ys = []
    for x in np.swapaxes(xs, 0, 1):
        a_i, a_f, a_z, a_o = np.split(x @ weights["w"] + h @ weights["u"] + weights["b"], 4, axis=-1)
        c = expit(a_f) * c + np.exp(a_i) * np.tanh(a_z)
        n = expit(a_f) * n + np.exp(a_i)
        h = expit(a_o) * c / n
        ys.append(h)
    return np.stack(ys, axis=1)


def by_averages(weights: dict[str, np.ndarray], xs: np.ndarray) -> np.ndarray:
    """Return h from C / N as the average of all z, with weights i * (product of all later f)."""
    h, log_weights, every_z = np.zeros((len(xs), HIDDEN)), np.zeros((0, len(xs), HIDDEN)), []
    ys = []
    for x in np.swapaxes(xs, 0, 1):
        a_i, a_f, a_z, a_o = np.split(x @ weights["w"] + h @ weights["u"] + weights["b"], 4, axis=-1)
        log_weights = np.concatenate([log_weights + log_expit(a_f), a_i[None]])
        every_z.append(np.tanh(a_z))
        h = expit(a_o) * np.sum(softmax(log_weights, axis=0) * np.stack(every_z), axis=0)
        ys.append(h)
    return np.stack(ys, axis=1)


@jax.jit
def ys_and_gradients(weights, xs):
    def loss(weights, xs):
        ys, _ = unrolled(CELL, weights, xs)
        return jnp.sum(jnp.square(ys)), ys

    gradients, ys = jax.grad(loss, argnums=(0, 1), has_aux=True)(weights, xs)
    return ys, gradients


def test_the_stabilized_output_is_that_of_the_definition():
    with jax.enable_x64(True):
        ys, _ = ys_and_gradients(WEIGHTS, XS)
    for wanted in (by_definition(WEIGHTS, XS), by_averages(WEIGHTS, XS)):
        np.testing.assert_allclose(ys, wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("scale", [1e3, 1e4])
def test_results_and_gradients_are_finite_in_single_precision_where_the_gates_overflow(scale):
    weights, xs = jax.tree.map(np.float32, (WEIGHTS, XS * scale))
    assert np.max(xs @ weights["w"]) > np.log(np.finfo(np.float32).max)
    ys, gradients = ys_and_gradients(weights, xs)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves((ys, gradients)))
    assert all(np.any(x != 0) for x in jax.tree.leaves(gradients))
    np.testing.assert_allclose(ys, by_averages(*jax.tree.map(np.float64, (weights, xs))), rtol=0, atol=1e-5)


@pytest.mark.parametrize("gate", [-500.0, 0.0, 500.0])
def test_the_first_input_is_taken_in_however_far_its_gate_is_closed(gate):
    bias = np.concatenate([np.full(HIDDEN, gate), WEIGHTS["b"][HIDDEN:]])
    weights = WEIGHTS | {"w": np.zeros_like(WEIGHTS["w"]), "b": bias}
    ys, gradients = ys_and_gradients(*jax.tree.map(np.float32, (weights, XS[:, :1])))
    z, o = np.split(bias[2 * HIDDEN :], 2)
    np.testing.assert_allclose(ys[:, 0], np.tile(expit(o) * np.tanh(z), (BATCH, 1)), rtol=1e-5)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(gradients))
