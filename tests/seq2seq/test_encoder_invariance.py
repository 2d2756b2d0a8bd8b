"""A memory and its gradients do not depend on padding or neighbors, and no state depends on later steps."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.seq2seq.encoders import INPUTS, LENGTHS, STEPS, close, inputs, variant

CASES = [
    ("none", "forward"),
    ("none", "reverse"),
    ("pyramid", "both"),
    ("mean", "reverse"),
    ("max", "both"),
    ("convolution", "both"),
    ("convolution", "reverse"),
]
cases = pytest.mark.parametrize(("kind", "way"), CASES)


class Solution(NamedTuple):
    """Results, and gradients of a sum over all of them, with padded states."""

    memory: Any
    d_xs: Any
    d_weights: Any


@functools.cache
def solver(kind: str, way: str):
    graphdef, weights = nnx.split(variant(kind, way))

    def solution(xs, lengths) -> Solution:
        def total(weights, xs):
            memory = nnx.merge(graphdef, weights)(xs, lengths)
            parts = [jnp.swapaxes(memory.states, 0, 1), memory.last, *jax.tree.leaves(memory.carries)]
            shares = [jnp.cos(jnp.arange(1.0, 1 + part.size)).reshape(part.shape) for part in parts]
            return sum(jnp.sum(part * share) for part, share in zip(parts, shares, strict=True)), memory

        (d_weights, d_xs), memory = jax.grad(total, argnums=(0, 1), has_aux=True)(weights, xs)
        return Solution(memory, d_xs, d_weights)

    return jax.jit(solution)


@cases
def test_a_memory_and_its_gradients_do_not_depend_on_what_the_padding_holds(kind, way):
    xs, lengths = inputs()
    valid = jnp.arange(STEPS)[None, :] < lengths[:, None]
    solve = solver(kind, way)
    wanted = solve(xs, lengths)
    for garbage in (1e3, np.nan, np.inf):
        close(solve(jnp.where(valid[:, :, None], xs, garbage), lengths), wanted)
    shorter = np.arange(wanted.memory.states.shape[1])[None, :] < np.asarray(wanted.memory.lengths)[:, None]
    assert np.all(np.asarray(wanted.memory.states)[~shorter] == 0) and np.all(np.asarray(wanted.d_xs)[~valid] == 0)
    assert all(np.any(np.asarray(gradient) != 0) for gradient in jax.tree.leaves(wanted.d_weights))


@cases
def test_a_memory_and_its_gradients_do_not_depend_on_how_much_padding_there_is(kind, way):
    (xs, lengths), solve = inputs(), solver(kind, way)
    actual, wanted = solve(jnp.concatenate([xs, xs[:, :4]], axis=1), lengths), solve(xs, lengths)
    states, steps = actual.memory.states, wanted.memory.states.shape[1]
    assert np.all(np.asarray(states[:, steps:]) == 0) and np.all(np.asarray(actual.d_xs[:, STEPS:]) == 0)
    close(actual.d_weights, wanted.d_weights)
    close((states[:, :steps], actual.d_xs[:, :STEPS]), (wanted.memory.states, wanted.d_xs))
    for name in ("lengths", "carries", "last"):
        close(getattr(actual.memory, name), getattr(wanted.memory, name))


@cases
def test_a_memory_and_its_gradients_do_not_depend_on_neighbors(kind, way):
    (xs, lengths), (other, _), solve = inputs(), inputs(seed=1), solver(kind, way)
    mixed = solve(jnp.concatenate([xs[:2], other[2:]]), jnp.array([*LENGTHS[:2], 5, 5], jnp.int32))
    wanted = solve(xs, lengths)
    close(*(jax.tree.map(lambda x: x[:2], (solved.memory, solved.d_xs)) for solved in (mixed, wanted)))


@pytest.mark.parametrize(
    ("kind", "way"),
    [*((kind, "forward") for kind in ("none", "pyramid", "mean", "max", "convolution")), ("convolution", "reverse")],
)
def test_a_state_depends_on_what_has_been_read_alone_and_on_all_of_it(kind, way):
    """Check the gradient of each state, and the values of the states before a change."""
    encoder, steps, factor = variant(kind, way), 7, 1 if kind == "none" else 2
    xs = jnp.asarray(np.random.default_rng(3).normal(size=(1, steps, INPUTS)))

    @jax.jit
    def states_and_slopes(xs):
        def states(xs):
            return encoder(xs, None).states[0]

        share = jnp.cos(jnp.arange(encoder.stack.output_size))[None, :]
        return states(xs), jax.jacrev(lambda xs: jnp.sum(states(xs) * share, axis=1))(xs)[:, 0]

    s, t = np.arange(-(-steps // factor))[:, None], np.arange(steps)[None, :]
    back = 1 if kind == "convolution" else 0
    seen = t >= factor * s - back if way == "reverse" else t < factor * (s + 1)
    actual, slopes = states_and_slopes(xs)
    np.testing.assert_array_equal(np.any(np.asarray(slopes) != 0, axis=-1), seen)
    for step in range(steps):
        moved, _ = states_and_slopes(xs.at[:, step].add(1.0))
        np.testing.assert_array_equal(np.any(np.asarray(moved != actual), axis=-1), seen[:, step])


@cases
def test_without_a_step_there_is_the_initial_state_and_nothing_to_learn(kind, way):
    (xs, _), encoder = inputs(), variant(kind, way)
    actual = solver(kind, way)(xs, jnp.zeros(4, jnp.int32))
    assert all(np.all(np.asarray(leaf) == 0) for leaf in jax.tree.leaves((actual.memory, actual.d_xs)))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(actual.d_weights))
    blank = jax.eval_shape(lambda: encoder(xs[:, :0], jnp.zeros(4, jnp.int32)))
    assert blank.states.shape == (4, 0, encoder.stack.output_size) and blank.last.shape == (
        4,
        encoder.stack.output_size,
    )
