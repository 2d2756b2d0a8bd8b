"""The named cells against equations written anew in NumPy, and against flax's own cells."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.cells.cell import Activation, activate
from tests import quick
from tests.recurrence import problem as problems
from tests.cells import reference
from tests.cells.cases import CASES, each_case
from tests.recurrence.problem import HIDDEN, INPUTS, STEPS, Given, Problem, solve

ALIKE = pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])  # the cells that flax has in the same form


def reference_loss(name: str, problem: Problem, reverse: bool, nudges: list[np.ndarray] | None = None) -> float:
    ys, last = reference.unroll(name, *problem.given, problem.lengths, reverse, nudges)
    return problem.loss(ys, last)


def test_every_cell_has_a_reference():
    assert set(reference.CELLS) == {name for name, _ in CASES.values()}


@each_case("masked", "reverse", cells=reference.CELLS)
def test_results_over_time_are_those_of_the_equations(name, masked, reverse):
    problem = problems.make(name)
    lengths = problem.lengths if masked else np.full_like(problem.lengths, STEPS)
    ys, last = reference.unroll(name, *problem.given, lengths, reverse)
    found = solve(name, problem, masked=masked, reverse=reverse)
    np.testing.assert_allclose(found.ys, ys, rtol=0, atol=1e-13)
    for part, wanted in zip(found.last, last, strict=True):
        np.testing.assert_allclose(part, wanted, rtol=0, atol=1e-13)


@each_case("reverse", cells=reference.CELLS)
@pytest.mark.parametrize("argument", Given._fields)
def test_gradients_are_the_finite_differences_of_the_equations(name, argument, reverse):
    problem = problems.make(name)
    rng, small = np.random.default_rng(1), 2e-6
    value = getattr(problem.given, argument)
    direction = jax.tree.map(lambda x: rng.normal(size=x.shape), value)

    def at(distance: float) -> float:
        moved = jax.tree.map(lambda x, d: x + distance * d, value, direction)
        return reference_loss(name, problem.replace(**{argument: moved}), reverse)

    gradient = getattr(solve(name, problem, masked=True, reverse=reverse).gradients, argument)
    slope = sum(jax.tree.leaves(jax.tree.map(lambda g, d: np.sum(g * d), gradient, direction)))
    assert slope == pytest.approx((at(small) - at(-small)) / (2 * small), abs=1e-8)


@each_case("reverse", cells=reference.CELLS)
def test_the_probe_reads_the_gradient_of_every_part_including_the_way_from_c_through_h(name, reverse):
    problem = problems.make(name)
    zeros, small = [np.zeros((STEPS, *part.shape)) for part in problem.given.carry], 3e-6
    gradients = [np.zeros_like(zero) for zero in zeros]
    for index, gradient in enumerate(gradients):
        for place in np.ndindex(gradient.shape):
            nudges = [zero.copy() for zero in zeros]
            nudges[index][place] = small
            above, below = (reference_loss(name, problem, reverse, [s * x for x in nudges]) for s in (1, -1))
            gradient[place] = (above - below) / (2 * small)
    norms = np.stack([np.sqrt(np.sum(np.square(gradient), axis=(1, 2))) for gradient in gradients], axis=1)
    assert np.all(norms > 0.1)
    np.testing.assert_allclose(solve(name, problem, masked=True, reverse=reverse).norms, norms, rtol=1e-7)


def flax_cell(name: str, given: Given) -> nnx.RNNCellBase:
    """Flax's cell with our weights: its gates stand in the same order, its one bias with the input or the state."""
    kind = {"rnn": nnx.SimpleCell, "lstm": nnx.OptimizedLSTMCell, "gru": nnx.GRUCell}[name]
    cell = nnx.eval_shape(lambda: kind(INPUTS, HIDDEN, dtype=jnp.float64, rngs=nnx.Rngs(0)))
    with_bias = cell.dense_h if name == "lstm" else cell.dense_i
    cell.dense_i.kernel = nnx.Param(given.weights["w"])
    cell.dense_h.kernel = nnx.Param(given.weights["u"])
    with_bias.bias = nnx.Param(given.weights["b"])
    return cell


@ALIKE
def test_results_and_gradients_are_those_of_flax_with_the_same_weights(name):
    problem = problems.make(name)

    def loss(given):
        cell, carry, ys = flax_cell(name, given), given.carry, []
        state = carry[0] if len(carry) == 1 else carry[::-1]  # flax puts c before h
        for t in range(STEPS):
            state, y = cell(state, given.xs[:, t])
            ys.append(y)
        last = (state,) if len(carry) == 1 else state[::-1]
        return problem.loss(jnp.stack(ys, axis=1), last), (jnp.stack(ys, axis=1), last)

    with jax.enable_x64(True):
        gradients, (ys, last) = quick.jit(jax.grad(loss, has_aux=True))(problem.given)
    found = solve(name, problem, masked=False, reverse=False)
    pairs = (found.ys, ys), (found.last, last), (found.gradients, gradients)
    for own, wanted in pairs:
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-12), own, wanted)


@pytest.mark.parametrize("gates", [1, 3, 4])
def test_one_tanh_gives_each_gate_its_own_activation(gates):
    kinds: list[Activation] = ["sigmoid", "tanh", "sigmoid", "tanh"]
    kinds = kinds[:gates]
    z = np.random.default_rng(0).normal(size=(2, gates * HIDDEN), scale=4)
    with jax.enable_x64(True):
        blocks = activate(jnp.asarray(z), *kinds)
    wanted = {"sigmoid": reference.sigmoid, "tanh": np.tanh}
    for index, (block, kind) in enumerate(zip(blocks, kinds, strict=True)):
        own = z[:, index * HIDDEN : (index + 1) * HIDDEN]
        np.testing.assert_allclose(block, wanted[kind](own), rtol=0, atol=1e-15)
