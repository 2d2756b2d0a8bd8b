"""Each kind of attention compared with NumPy; padding has no weight, no effect and no gradient."""

import functools
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.errors import UserError
from research.seq2seq.attention import ATTENTIONS, AttentionModule, WeightedAttention
from research.seq2seq.attention.attention import Source, Trace, normalize_scores
from research.seq2seq.encoder import Memory
from tests.options import assert_option_matters, own_options
from tests.seq2seq.models import attention, filled

FEATURES, MEMORY, SOURCE = 4, 6, 5
LENGTHS = (5, 0, 2)
VALID = np.arange(SOURCE)[None, :] < np.array(LENGTHS)[:, None]
KINDS = [name for name, kind in ATTENTIONS.items() if kind.has_weights]
REFERENCES = ("dot", "scaled_dot", "general", "additive", "location", "multi_head", "local_p")
"""Kinds whose equations `numpy_scores` has."""

looking = pytest.mark.parametrize("name", KINDS)


def create(name: str, memory: int = MEMORY, **options: Any) -> AttentionModule:
    kind = attention(name, **options)
    return filled(lambda: kind.create(FEATURES, memory, nnx.Rngs(params=jax.random.key(0))))


def arrays(memory: int = MEMORY):
    rng = np.random.default_rng(0)
    queries, states = rng.normal(size=(3, 2, FEATURES)), rng.normal(size=(3, SOURCE, memory))
    return jnp.asarray(queries), jnp.asarray(states), jnp.array(LENGTHS, jnp.int32)


def source(module: AttentionModule, states, lengths) -> Source:
    return module.source(Memory(states, lengths, (), states[:, 0]))


def attend(module: AttentionModule, queries, states, lengths):
    return jax.jit(lambda queries, states: module(queries, source(module, states, lengths)))(queries, states)


def weight(layer: nnx.Linear) -> np.ndarray:
    return np.asarray(layer.kernel[...])


def numpy_scores(module: Any, query: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Return the scores [N, S] of one query on the valid states of one source."""
    name = module.options.name
    if name in ("dot", "scaled_dot", "general"):
        keys = states if module.project is None else states @ weight(module.project)
        return (keys @ query / (2.0 if name == "scaled_dot" else 1.0))[None]
    if name in ("additive", "location"):
        return (np.tanh(query @ weight(module.query) + states @ weight(module.memory)) @ weight(module.weight)).T
    if name == "multi_head":
        queries, keys = query @ weight(module.query), states @ weight(module.key)
        width = FEATURES // module.num_heads
        parts = [slice(n * width, (n + 1) * width) for n in range(module.num_heads)]
        return np.stack([keys[:, part] @ queries[part] / np.sqrt(width) for part in parts])
    assert name == "local_p"
    place = (np.tanh(query @ weight(module.hidden)) @ weight(module.place))[0]
    away = np.arange(len(states)) - (len(states) - 1) / (1 + np.exp(-place))
    window = module.window
    scores = states @ weight(module.project) @ query - away**2 / (2 * (window / 2) ** 2)
    return np.where(np.abs(away) <= window, scores, -np.inf)[None]


def numpy_context(module: Any, weights: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Return the context [M] of weights [N, S]."""
    if module.options.name != "multi_head":
        return weights[0] @ states
    width = FEATURES // module.num_heads
    values = states @ weight(module.value)
    contexts = [weights[n] @ values[:, n * width : (n + 1) * width] for n in range(module.num_heads)]
    return np.concatenate(contexts) @ weight(module.context)


@pytest.mark.parametrize("name", [*KINDS, "local_p near", "dot as wide", "multi_head smoothed", "local_p smoothed"])
def test_a_kind_weighs_and_sums_as_its_equations_say(name):
    if name.split()[0] not in REFERENCES:
        pytest.skip(f"no equations of {name}: add them to numpy_scores in tests/seq2seq/attention/test_attention.py")
    smoothing = name.endswith("smoothed")
    near = {"window": 1} if name.endswith("near") else {}
    memory = FEATURES if name.endswith("wide") else MEMORY
    module = create(name.split()[0], memory, smoothing=smoothing, temperature=0.7, **near)
    queries, states, lengths = arrays(memory)
    contexts, weights = attend(module, queries, states, lengths)
    for row, length in enumerate(LENGTHS):
        for u in range(2):
            seen = np.asarray(states[row, :length])
            scores = numpy_scores(module, np.asarray(queries[row, u]), seen) / 0.7
            mass = 1 / (1 + np.exp(-scores)) if smoothing else np.exp(scores)
            wanted = mass / mass.sum(axis=1, keepdims=True) if length else mass
            np.testing.assert_allclose(weights[row, u, :length], wanted.mean(axis=0), rtol=0, atol=1e-12)
            np.testing.assert_allclose(contexts[row, u], numpy_context(module, wanted, seen), rtol=0, atol=1e-12)
    assert not name.endswith("near") or np.any(np.asarray(weights)[0] == 0)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        (name, option)
        for name in KINDS
        for option in ("temperature", "smoothing", "coverage", *own_options(ATTENTIONS[name], WeightedAttention))
    ],
)
def test_every_option_of_a_kind_changes_what_is_read(name, option):
    queries, states, _ = arrays()

    def read(options: WeightedAttention) -> list[np.ndarray]:
        """Return contexts and weights of two steps, where weights of one name and shape are equal."""
        graphdef, state = nnx.split(
            nnx.eval_shape(lambda: options.create(FEATURES, MEMORY, nnx.Rngs(params=jax.random.key(0))))
        )
        module: AttentionModule = nnx.merge(graphdef, jax.tree_util.tree_map_with_path(fixed_normal, state))
        seen = source(module, states, None)
        trace, found = module.trace(seen), []
        for u in range(2):
            context, weights, trace = module.step(queries[:, u], seen, trace)
            found += [np.asarray(context), np.asarray(weights)]
        return found

    def differ(one: WeightedAttention, other: WeightedAttention) -> bool:
        return any(np.any(a != b) for a, b in zip(read(one), read(other), strict=True))

    assert_option_matters(ATTENTIONS[name], option, differ, functools.partial(attention, name))


def fixed_normal(path: Any, like: jax.ShapeDtypeStruct) -> jax.Array:
    """Return numbers that depend only on the path and the shape."""
    seed = zlib.crc32(jax.tree_util.keystr(path).encode())
    return jnp.asarray(np.random.default_rng(seed).normal(size=like.shape))


@pytest.mark.parametrize("coverage", [False, True])
@pytest.mark.parametrize("name", ["dot", "location"])
def test_keys_are_shifted_by_what_was_looked_at(name, coverage):
    module: Any = create(name, coverage=coverage)
    rng = np.random.default_rng(2)
    last, total = (jnp.asarray(rng.uniform(size=(3, SOURCE))) for _ in range(2))
    wanted = np.zeros((3, SOURCE, FEATURES))
    if coverage:
        wanted = wanted + np.asarray(total)[:, :, None] * np.asarray(module.coverage[...])
    if name == "location":
        for row in range(3):
            taps = weight(module.convolution)  # [3, filters]
            for k in range(taps.shape[1]):
                actual = np.convolve(np.asarray(last[row]), taps[::-1, k], mode="same")
                wanted[row] += actual[:, None] * weight(module.place)[k]
    shift = np.broadcast_to(module.shift(Trace(last, total)), wanted.shape)
    np.testing.assert_allclose(shift, wanted, rtol=0, atol=1e-12)
    assert module.options.has_memory == (coverage or name == "location")


@pytest.mark.parametrize("name", [name for name in KINDS if name != "location"])
def test_without_a_shift_the_trace_changes_nothing(name):
    module = create(name, coverage=True)
    assert module.coverage is not None
    module.coverage[...] = jnp.zeros(FEATURES)
    queries, states, lengths = arrays()

    @jax.jit
    def run():
        seen = source(module, states, lengths)
        return module(queries, seen), module.scan(queries, seen)

    at_once, scanned = run()
    for x, y in zip(at_once, scanned, strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=1e-12)


@looking
def test_the_trace_is_the_last_weights_and_their_sum(name):
    module = create(name, coverage=True)
    queries, states, lengths = arrays()

    @jax.jit
    def run():
        seen = source(module, states, lengths)
        trace, actual = module.trace(seen), []
        for u in range(2):
            _, weights, trace = module.step(queries[:, u], seen, trace)
            actual.append(weights)
        return actual, trace

    (first, second), trace = run()
    np.testing.assert_array_equal(trace.last, second)
    np.testing.assert_allclose(trace.total, np.asarray(first) + np.asarray(second), rtol=0, atol=1e-15)


@looking
def test_weights_are_zero_on_padding_and_sum_to_one_or_to_zero_for_an_empty_source(name):
    queries, states, lengths = arrays()
    for options in ({}, {"smoothing": True}):
        context, weights = attend(create(name, **options), queries, states, lengths)
        outside = np.broadcast_to(~VALID[:, None, :], weights.shape)
        assert np.all(np.asarray(weights)[outside] == 0) and np.all(np.asarray(weights)[~outside] > 0)
        sums = np.broadcast_to(np.array(LENGTHS)[:, None] > 0, weights.shape[:2])
        np.testing.assert_allclose(np.sum(weights, axis=2), sums, atol=1e-12)
        assert np.all(np.asarray(context)[1] == 0)


@looking
def test_without_lengths_all_states_are_seen(name):
    queries, states, _ = arrays()
    full = jnp.full((3,), SOURCE, jnp.int32)
    module = create(name)
    for actual, wanted in zip(
        attend(module, queries, states, None), attend(module, queries, states, full), strict=True
    ):
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=1e-15)


@looking
def test_padding_has_no_say_and_no_gradient(name):
    module, (queries, states, lengths) = create(name), arrays()
    share = jnp.asarray(np.random.default_rng(1).normal(size=(3, 2, MEMORY)))

    def loss(queries, states):
        return jnp.sum(module(queries, source(module, states, lengths))[0] * share)

    run = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    value, (d_queries, d_states) = run(queries, states)
    assert np.all(np.isfinite(d_queries)) and np.all(np.isfinite(d_states))
    assert np.all(np.asarray(d_states)[~VALID] == 0) and np.all(np.asarray(d_states)[VALID] != 0)
    assert np.all(np.asarray(d_queries)[1] == 0) and np.all(np.asarray(d_queries)[[0, 2]] != 0)
    assert run(queries, jnp.where(VALID[:, :, None], states, 1e6))[0] == value


@looking
def test_dropped_weights_are_missed_by_the_context_and_come_back_whole(name):
    module, (queries, states, lengths) = create(name), arrays()
    kept = jnp.zeros((3, 2, module.num_heads, SOURCE)).at[..., 1].set(2.0)

    @jax.jit
    def run(states):
        seen = source(module, states, lengths)
        return module(queries, seen), module(queries, seen, kept)

    (_, plain), (context, weights) = run(states)
    np.testing.assert_array_equal(weights, plain)
    (_, _), (other, _) = run(states.at[:, 2:].multiply(-1.0))  # weights change, but only the values of state 1 are read
    assert np.linalg.matrix_rank(np.stack([context[0, 0], other[0, 0]]), tol=1e-9) == (
        1 if module.num_heads == 1 else 2
    )


def test_the_softmax_neither_overflows_nor_depends_on_a_shift():
    scores = jnp.array([[[[1.0, 2.0, 5e8]]]])
    valid = jnp.array([[[[True, True, False]]]])
    wanted = np.array([[[[1 / (1 + np.e), np.e / (1 + np.e), 0]]]])
    run = jax.jit(normalize_scores)
    for shift in (0.0, 1000.0, -1000.0):
        np.testing.assert_allclose(run(scores + np.float32(shift), valid), wanted, atol=1e-12)


def test_an_empty_source_has_a_gradient_of_zero():
    nothing = jnp.zeros((1, 1, 1, 3), bool)
    for smoothing in (False, True):
        gradient = jax.grad(lambda scores, module=smoothing: jnp.sum(normalize_scores(scores, nothing, module) * 1e30))
        assert np.all(np.asarray(jax.jit(gradient)(jnp.ones((1, 1, 2, 3)))) == 0)


def test_a_score_that_is_not_a_number_is_not_hidden():
    weights = normalize_scores(jnp.full((1, 1, 1, 2), jnp.nan), jnp.ones((1, 1, 1, 2), bool))
    assert np.all(np.isnan(weights))


def test_smoothed_weights_of_low_scores_sum_to_one_and_have_a_gradient():
    scores = jnp.asarray([[[[-200.0, -201.0, -200.0]]]], jnp.float32)
    valid = jnp.ones((1, 1, 1, 3), bool)
    weights, gradient = jax.value_and_grad(lambda x: normalize_scores(x, valid, True)[0, 0, 0, 1])(scores)
    share = np.exp(-1) / (2 + np.exp(-1))
    assert weights == pytest.approx(share, rel=1e-4)
    np.testing.assert_allclose(gradient[0, 0, 0, 1], share * (1 - share), rtol=1e-4)


@pytest.mark.parametrize(
    ("method", "returned", "line"),
    [
        ("keys", lambda self, states: states[0], r"keys returns an array \[5, 6\] of .*\[B, S, K\] = \[3, 5, any\]"),
        ("values", lambda self, states: states, r"values returns an array \[3, 5, 6\] of .* = \[3, 1, 5, any\]"),
        (
            "score",
            lambda self, queries, source: queries[..., None],
            r"score returns .* = \[3, 1, 2, 5\]",
        ),
        ("score", lambda self, queries, source: None, "score returns NoneType; must be an array"),
    ],
)
def test_what_a_method_returns_of_another_shape_is_one_line(method, returned, line, monkeypatch):
    module = create("additive")
    monkeypatch.setattr(type(module), method, returned)
    queries, states, lengths = arrays()
    with pytest.raises(UserError, match=f"^attention additive: {line}"):
        module(queries, source(module, states, lengths))
