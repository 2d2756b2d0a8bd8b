"""Each kind of subsampling compared with a loop over its groups, and its invariances."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.seq2seq import subsampling
from research.seq2seq.model_options import ModelOptions
from research.seq2seq.subsampling import Convolution, Subsampling
from tests.seq2seq import models

INPUTS, STEPS, H = 3, 7, 4
LENGTHS = (7, 0, 3, 5, 1)
CASES = [("pyramid", 2), ("mean", 3), ("max", 3), ("convolution", 3), ("convolution", 4)]
cases = pytest.mark.parametrize(("kind", "factor"), CASES)


@functools.cache
def module(kind: str, factor: int) -> Subsampling:
    def build() -> Subsampling:
        options: Any = {"subsampling": kind, "subsampling_factor": factor}
        config = ModelOptions(hidden_size=H, num_layers=2, **options)
        front, between = subsampling.create(config, INPUTS, INPUTS, nnx.Rngs(params=jax.random.key(0)))
        return between[0] if between else front

    return models.filled(build)


def inputs(seed: int = 0, steps: int = STEPS) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(len(LENGTHS), steps, INPUTS))


class Solution(NamedTuple):
    ys: Any
    lengths: Any
    d_xs: Any
    d_weights: Any


@functools.cache
def solver(kind: str, factor: int):
    graphdef, weights = nnx.split(module(kind, factor))

    def solution(xs, lengths) -> Solution:
        def total(weights, xs):
            ys, shorter = nnx.merge(graphdef, weights)(xs, lengths)
            share = jnp.sin(jnp.arange(1.0, 1 + ys[0].size)).reshape(1, *ys.shape[1:])  # the same with more padding
            return jnp.sum(ys * share), (ys, shorter)

        (d_weights, d_xs), (ys, shorter) = jax.grad(total, argnums=(0, 1), has_aux=True)(weights, xs)
        return Solution(ys, shorter, d_xs, d_weights)

    return jax.jit(solution)


def solve(kind: str, factor: int, xs: np.ndarray, lengths: Any = LENGTHS) -> Solution:
    device_lengths = None if lengths is None else jnp.array(lengths, jnp.int32)
    return jax.device_get(solver(kind, factor)(jnp.asarray(xs), device_lengths))


def by_hand(subsampler: Subsampling, kind: str, xs: np.ndarray, length: int) -> np.ndarray:
    """Return the output for one sequence, group by group."""
    xs, actual = xs[:length], []
    if isinstance(subsampler, Convolution):
        for layer in subsampler.layers:
            actual, p = [], layer.factor
            assert layer.linear.bias is not None
            kernel = np.asarray(layer.linear.kernel[...]).reshape(2 * p - 1, xs.shape[1], H)
            bias = np.asarray(layer.linear.bias[...])
            for s in range(-(-len(xs) // p)):
                z = np.array(bias)
                for place in range(2 * p - 1):
                    t = s * p - (p - 1) + place
                    z += xs[t] @ kernel[place] if 0 <= t < len(xs) else 0
                actual.append(np.maximum(z, 0))
            xs = np.array(actual).reshape(-1, H)
        return xs
    for start in range(0, len(xs), subsampler.factor):
        group = list(xs[start : start + subsampler.factor])
        blank = [np.zeros(INPUTS)] * (subsampler.factor - len(group))
        build = {"pyramid": np.concatenate(group + blank), "mean": np.mean(group, axis=0), "max": np.max(group, axis=0)}
        actual.append(build[kind])
    return np.array(actual).reshape(-1, subsampler.output_size)


def same(x, y) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-12), x, y)


@cases
def test_each_group_of_valid_steps_becomes_one_and_zeros_follow(kind, factor):
    xs, subsampler = inputs(), module(kind, factor)
    actual = solve(kind, factor, xs)
    np.testing.assert_array_equal(actual.lengths, [-(-length // factor) for length in LENGTHS])
    assert actual.ys.shape == (len(LENGTHS), -(-STEPS // factor), subsampler.output_size)
    for row, (length, shorter) in enumerate(zip(LENGTHS, actual.lengths, strict=True)):
        same(actual.ys[row, :shorter], by_hand(subsampler, kind, xs[row], length))
        assert np.all(actual.ys[row, shorter:] == 0)
    assert np.any(actual.ys != 0)


@pytest.mark.parametrize("steps", [0, 1, STEPS])
@cases
def test_without_lengths_all_steps_are_valid(kind, factor, steps):
    subsampler, xs = module(kind, factor), inputs(steps=steps)
    actual = solve(kind, factor, xs, None)
    assert actual.lengths is None and actual.ys.shape == (len(LENGTHS), -(-steps // factor), subsampler.output_size)
    for row in range(len(LENGTHS)):
        same(actual.ys[row], by_hand(subsampler, kind, xs[row], steps))


@pytest.mark.parametrize("garbage", [1e3, np.nan, -np.inf])
@cases
def test_values_and_gradients_do_not_depend_on_what_the_padding_holds(kind, factor, garbage):
    xs = inputs()
    valid = np.arange(STEPS)[None, :, None] < np.array(LENGTHS)[:, None, None]
    wanted = solve(kind, factor, xs)
    same(solve(kind, factor, np.where(valid, xs, garbage)), wanted)
    assert np.all(wanted.d_xs[~valid[:, :, 0]] == 0) and np.any(wanted.d_xs != 0)


@cases
def test_values_and_gradients_do_not_depend_on_how_much_padding_there_is(kind, factor):
    xs = inputs()
    actual = solve(kind, factor, np.concatenate([xs, inputs(seed=1, steps=4)], axis=1))
    wanted = solve(kind, factor, xs)
    groups = wanted.ys.shape[1]
    assert np.all(actual.ys[:, groups:] == 0) and np.all(actual.d_xs[:, STEPS:] == 0)
    same(actual._replace(ys=actual.ys[:, :groups], d_xs=actual.d_xs[:, :STEPS]), wanted)


@cases
def test_a_group_sees_itself_alone_and_a_window_of_the_convolution_looks_back_and_never_ahead(kind, factor):
    """Check the gradient of each state; weights are positive and inputs increase, so that no relu is 0."""
    graphdef, weights = nnx.split(module(kind, factor))
    subsampler, steps = nnx.merge(graphdef, jax.tree.map(jnp.abs, weights)), 13
    rising = jnp.broadcast_to(jnp.arange(1.0, steps + 1)[None, :, None], (1, steps, INPUTS))

    @jax.jit
    def slopes(xs):
        return jax.jacrev(lambda xs: subsampler(xs, None)[0].sum(axis=(0, 2)))(xs)[:, 0].sum(axis=-1)

    back = {2: 1, 3: 2, 4: 3, 6: 5}[factor] if kind == "convolution" else 0
    t, s = np.arange(steps)[None, :], np.arange(-(-steps // factor))[:, None]
    seen = (t >= factor * s - back) & (t < factor * (s + 1))
    if kind == "max":
        seen = t == np.minimum(factor * (s + 1), steps) - 1
    np.testing.assert_array_equal(np.asarray(slopes(rising)) != 0, seen)


@pytest.mark.parametrize(
    ("factor", "layers"), [(2, [(3, 2)]), (3, [(5, 3)]), (4, [(3, 2)] * 2), (6, [(11, 6)]), (8, [(3, 2)] * 3)]
)
def test_the_convolution_has_layers_of_stride_2_or_one_layer_of_another_stride(factor, layers):
    subsampler = nnx.eval_shape(lambda: Convolution(factor, INPUTS, H, nnx.Rngs(params=jax.random.key(0))))
    reads = [INPUTS] + [H] * (len(layers) - 1)
    wanted = [(width * read, H) for (width, _), read in zip(layers, reads, strict=True)]
    assert [layer.linear.kernel.shape for layer in subsampler.layers] == wanted
    assert [layer.factor for layer in subsampler.layers] == [stride for _, stride in layers]


def test_the_states_of_the_convolution_keep_the_scale_of_its_inputs_at_the_start():
    @jax.jit
    def square(xs):
        return jnp.mean(jnp.square(Convolution(4, 64, 64, nnx.Rngs(params=jax.random.key(0)))(xs, None)[0]))

    assert 0.7 < float(square(jnp.asarray(np.random.default_rng(0).normal(size=(8, 128, 64)), jnp.float32))) < 1.3


@pytest.mark.parametrize(
    ("kind", "layers", "front", "between"),
    [("none", 3, 0, 0), ("convolution", 1, 1, 0), ("pyramid", 3, 0, 2), ("max", 2, 0, 1)],
)
def test_it_stands_in_front_of_the_first_layer_or_between_each_two(kind, layers, front, between):
    config = ModelOptions(hidden_size=H, num_layers=layers, subsampling=kind)
    actual = subsampling.create(config, INPUTS, 2 * H, nnx.Rngs(params=jax.random.key(0)))
    assert len(actual[0].layers) == front and actual[0].output_size == (H if front else INPUTS)
    assert len(actual[1]) == between
    assert all(grouping.output_size == (4 * H if kind == "pyramid" else 2 * H) for grouping in actual[1])
