"""The associative form of a linear recurrence equals its sequential form, and is O(log T) deep."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.cells import CELLS as ALL_CELLS
from research.cells import LRU, MinGRU, MinLSTM
from research.cells.cell import Weights
from research.cells.initializers import InitOptions, InitScheme
from research.cells.linear import LinearCell
from research.cells.lru import RADII
from research.recurrence.kernels import associative
from research.recurrence.unroll import step
from tests.recurrence import problem as problems
from tests.recurrence.problem import BATCH, HIDDEN, INPUTS, Arguments, solve, unrolled

SCHEME = InitScheme.of(InitOptions())
LONG = 23  # a tree of several levels, each with an incomplete group
CELLS = [name for name, kind in ALL_CELLS.items() if issubclass(kind, LinearCell)]

cells = pytest.mark.parametrize("name", CELLS)
directions = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])


def close(x, y, tolerance: float = 1e-12) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=tolerance), x, y)


def long_problem(name: str) -> problems.Problem:
    problem, rng = problems.make(name, lengths=(LONG, 17, 0, 1)), np.random.default_rng(3)
    widths = (INPUTS, ALL_CELLS[name]().widths(HIDDEN)[0])
    xs, ys_share = (rng.normal(size=(BATCH, LONG, width)) for width in widths)
    return problem.replace(xs=xs, ys_share=ys_share)


@cells
@directions
def test_the_associative_form_is_the_sequential_form_with_all_gradients_and_the_probe(name, reverse):
    problem, masked = long_problem(name), reverse or name == "lru"
    actual = solve(name, problem, masked=masked, reverse=reverse)
    close(actual, solve(name, problem, masked=masked, reverse=reverse, plain=True))
    assert all(np.linalg.norm(part) > 0.1 for part in jax.tree.leaves(actual.gradients.weights))


def states_one_by_one(a, b, first, reverse):
    state, states = first, np.zeros(b.shape, b.dtype)
    for t in range(len(b))[:: -1 if reverse else 1]:
        state = states[t] = a[t] * state + b[t]
    return states


@directions
@pytest.mark.parametrize("kind", [np.float64, np.complex128])
@pytest.mark.parametrize("steps", [1, 4, 23])
def test_the_tree_gives_the_states_for_any_number_of_steps(steps, kind, reverse):
    rng = np.random.default_rng(steps)
    shapes = (steps, 1, 2), (steps, 3, 2), (3, 2)
    a, b, first = (
        rng.normal(size=shape) + (1j * rng.normal(size=shape) if kind == np.complex128 else 0) for shape in shapes
    )
    with jax.enable_x64(True):
        actual = jax.jit(lambda a, b, first: associative.scan(a, b, first, None, None, reverse))(a, b, first)
    np.testing.assert_allclose(actual, states_one_by_one(a, b, first, reverse), rtol=1e-11)


def primitives(jaxpr) -> list[str]:
    """Return the names of all operations, inner programs included."""
    actual = []
    for equation in jaxpr.eqns:
        inner = jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")
        )
        inner = [getattr(x, "jaxpr", x) for x in inner if hasattr(x, "eqns") or hasattr(x, "jaxpr")]
        actual += [equation.primitive.name, *(name for program in inner for name in primitives(program))]
    return actual


def depth(jaxpr) -> int:
    """Return the number of operations on the longest path from an input to an output."""
    levels: dict = {}
    deepest = 0
    for equation in jaxpr.eqns:
        before = max((levels.get(x, 0) for x in equation.invars if not hasattr(x, "val")), default=0)
        inner_depths = [
            depth(getattr(x, "jaxpr", x)) for x in equation.params.values() if hasattr(x, "eqns") or hasattr(x, "jaxpr")
        ]
        for x in equation.outvars:
            levels[x] = before + max(inner_depths, default=1)
        deepest = max(deepest, before + max(inner_depths, default=1))
    return deepest


@functools.cache
def gradient(name: str, steps: int, **options: Any):
    """Return the jaxpr of the forward and backward pass."""
    cell = ALL_CELLS[name]()
    weights = problems.make(name).arguments.weights

    def loss(arguments: Arguments):
        ys, _ = unrolled(cell, arguments.weights, arguments.xs, lengths=jnp.full(BATCH, steps), **options)
        return jnp.sum(ys)

    xs = jax.ShapeDtypeStruct((BATCH, steps, INPUTS), jnp.float32)
    return jax.make_jaxpr(jax.grad(loss))(Arguments(weights, xs, ())).jaxpr


@cells
def test_forward_and_backward_pass_are_logarithmic_in_depth_and_have_no_loop(name):
    powers = range(3, 7)
    actual = [gradient(name, 4**power) for power in powers]
    assert not {"scan", "while"} & set(primitives(actual[-1]))
    for option in ("remat_every", "tbptt_steps"):  # which need the sequential form
        assert "scan" in primitives(gradient(name, 64, **{option: 5}))
    for measure in (depth, lambda jaxpr: len(primitives(jaxpr))):
        growth = np.diff([measure(jaxpr) for jaxpr in actual])
        assert growth[0] > 0 and np.all(growth == growth[0])  # linear in log T
    assert depth(actual[-1]) < 4**6 / 10


@pytest.mark.parametrize("value", [-1e4, -200.0, 0.0, 1e4])
def test_the_normalized_gates_of_the_minlstm_stay_numbers_where_both_are_shut_or_open(value):
    cell, weights = MinLSTM(), problems.make("minlstm").arguments.weights
    arguments = {key: jnp.asarray(x, jnp.float32) for key, x in weights.items()}
    b = np.concatenate([np.full(2 * HIDDEN, value), np.ones(HIDDEN)])
    arguments |= {"w": 0 * arguments["w"], "b": jnp.asarray(b, jnp.float32)}
    carry = jnp.full((1, HIDDEN), 3.0)

    def h(arguments):
        return step(cell, arguments, jnp.ones((1, INPUTS)), (carry,))[0]

    np.testing.assert_allclose(h(arguments), 2, rtol=1e-6)  # f = i: the mean of the old and the new state
    gradient = jax.jit(jax.grad(lambda arguments: jnp.sum(h(arguments))))(arguments)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(gradient))


def test_a_state_that_is_forgotten_at_every_step_leaves_numbers_over_a_long_time():
    steps, cell = 4096, MinGRU()
    arguments = {"w": jnp.ones((INPUTS, 2 * HIDDEN)), "b": jnp.repeat(jnp.asarray([-30.0, 0.0]), HIDDEN)}
    xs = jnp.ones((1, steps, INPUTS))

    def loss(arguments):
        ys, _ = unrolled(cell, arguments, xs)
        return jnp.sum(ys), ys

    gradient, ys = jax.jit(jax.grad(loss, has_aux=True))(arguments)
    np.testing.assert_allclose(ys, INPUTS, rtol=1e-6)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(gradient))


def test_the_eigenvalues_of_the_lru_start_on_the_ring_and_its_states_have_the_size_of_its_inputs():
    features, steps = 32, 2000
    initial = Weights(LRU(), 1, features, SCHEME, jax.random.key(0), length=1).arrays()
    radius, phase = (np.exp(np.asarray(initial[name], np.float64)) for name in ("nu_log", "theta_log"))
    radius = np.exp(-radius)
    low, high = RADII
    assert np.all((low < radius) & (radius < high))
    np.testing.assert_allclose(np.mean(radius**2), (low**2 + high**2) / 2, rtol=1e-4)  # uniform over the ring's area
    assert np.min(phase) > 0 and np.max(phase) < math.pi / 10 and np.std(phase) > math.pi / 10 / 4
    phases = np.exp(np.asarray(Weights(LRU(), 1, 400, SCHEME, jax.random.key(0), length=1).arrays()["theta_log"]))
    assert math.pi / 10 * 0.98 < np.max(phases) < math.pi / 10 and np.mean(phases) == pytest.approx(math.pi / 20, 0.05)
    np.testing.assert_allclose(np.exp(initial["gamma_log"]), np.sqrt(1 - radius**2), rtol=1e-4)
    weights = initial | {"w": jnp.ones_like(initial["w"])}
    noise = jax.random.normal(jax.random.key(1), (16, steps, 1))
    _, (_, re, im) = jax.jit(lambda noise: unrolled(LRU(), weights, noise))(noise)
    power = np.mean(np.square(re) + np.square(im))
    assert power == pytest.approx(2, rel=0.1)  # of re and im, each driven by white noise of variance 1
