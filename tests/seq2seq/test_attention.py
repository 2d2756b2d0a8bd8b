"""Attention against NumPy, and what holds of every kind: padding has no weight, no say and no gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research import catalogue
from research.seq2seq import attention
from research.seq2seq.attention import AdditiveAttention, Attention, DotAttention, masked_softmax
from tests import quick
from tests.seq2seq.models import filled

FEATURES, MEMORY, SOURCE = 4, 6, 5
LENGTHS = (5, 0, 2)
VALID = np.arange(SOURCE)[None, :] < np.array(LENGTHS)[:, None]

looking = pytest.mark.parametrize("name", [name for name in catalogue.names("attentions") if name != "none"])


def create(name: str, memory: int = MEMORY) -> Attention:
    return filled(lambda: attention.create(name, FEATURES, memory, nnx.Rngs(params=jax.random.key(0))))


def arrays(memory: int = MEMORY):
    rng = np.random.default_rng(0)
    queries, states = rng.normal(size=(3, 2, FEATURES)), rng.normal(size=(3, SOURCE, memory))
    return jnp.asarray(queries), jnp.asarray(states), jnp.array(LENGTHS, jnp.int32)


def attend(own: Attention, queries, states, lengths):
    return quick.jit(lambda queries, states: own(queries, own.keys(states), states, lengths))(queries, states)


def reference(scores: np.ndarray, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Contexts and weights of scores [B, U, S], one row at a time."""
    weights = np.zeros(scores.shape)
    for row, length in enumerate(LENGTHS):
        if length:
            powers = np.exp(scores[row, :, :length])
            weights[row, :, :length] = powers / powers.sum(axis=1, keepdims=True)
    return np.einsum("bus,bsm->bum", weights, states), weights


@pytest.mark.parametrize("memory", [FEATURES, MEMORY])
def test_dot_attention_is_the_softmax_of_products(memory):
    own = create("dot", memory)
    assert isinstance(own, DotAttention)
    queries, states, lengths = arrays(memory)
    keys = np.asarray(states, np.float64)
    if own.project is not None:
        keys = keys @ np.asarray(own.project.kernel[...], np.float64)
    assert (own.project is None) == (memory == FEATURES)
    scores = np.einsum("buh,bsh->bus", np.asarray(queries, np.float64), keys)
    for found, wanted in zip(attend(own, queries, states, lengths), reference(scores, np.asarray(states)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def test_additive_attention_is_the_softmax_of_a_hidden_layer():
    own = create("additive")
    assert isinstance(own, AdditiveAttention)
    queries, states, lengths = arrays()
    w, u, v = (np.asarray(layer.kernel[...], np.float64) for layer in (own.query, own.memory, own.weight))
    hidden = (np.asarray(queries) @ w)[:, :, None, :] + (np.asarray(states) @ u)[:, None, :, :]
    scores = (np.tanh(hidden) @ v)[..., 0]
    for found, wanted in zip(attend(own, queries, states, lengths), reference(scores, np.asarray(states)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


@looking
def test_weights_are_zero_on_padding_and_sum_to_one_or_to_zero_for_an_empty_source(name):
    queries, states, lengths = arrays()
    context, weights = attend(create(name), queries, states, lengths)
    outside = np.broadcast_to(~VALID[:, None, :], weights.shape)
    assert np.all(np.asarray(weights)[outside] == 0) and np.all(np.asarray(weights)[~outside] > 0)
    sums = np.broadcast_to(np.array(LENGTHS)[:, None] > 0, weights.shape[:2])
    np.testing.assert_allclose(np.sum(weights, axis=2), sums, atol=1e-12)
    assert np.all(np.asarray(context)[1] == 0)


@looking
def test_without_lengths_all_states_are_seen(name):
    queries, states, _ = arrays()
    full = jnp.full((3,), SOURCE, jnp.int32)
    for found, wanted in zip(
        attend(create(name), queries, states, None), attend(create(name), queries, states, full), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


@looking
def test_padding_has_no_say_and_no_gradient(name):
    own, (queries, states, lengths) = create(name), arrays()
    share = jnp.asarray(np.random.default_rng(1).normal(size=(3, 2, MEMORY)))

    def loss(queries, states):
        return jnp.sum(own(queries, own.keys(states), states, lengths)[0] * share)

    run = quick.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    value, (d_queries, d_states) = run(queries, states)
    assert np.all(np.isfinite(d_queries)) and np.all(np.isfinite(d_states))
    assert np.all(np.asarray(d_states)[~VALID] == 0) and np.all(np.asarray(d_states)[VALID] != 0)
    assert np.all(np.asarray(d_queries)[1] == 0) and np.all(np.asarray(d_queries)[[0, 2]] != 0)
    assert run(queries, jnp.where(VALID[:, :, None], states, 1e6))[0] == value


def test_the_softmax_neither_overflows_nor_depends_on_a_shift():
    scores = jnp.array([[[1.0, 2.0, 5e8]]])
    two = jnp.array([2], jnp.int32)
    wanted = np.array([[[1 / (1 + np.e), np.e / (1 + np.e), 0]]])
    run = quick.jit(masked_softmax)
    for shift in (0.0, 1000.0, -1000.0):
        np.testing.assert_allclose(run(scores + np.float32(shift), two), wanted, atol=1e-12)


def test_an_empty_source_has_a_gradient_of_zero():
    gradient = jax.grad(lambda scores: jnp.sum(masked_softmax(scores, jnp.array([0], jnp.int32)) * 1e30))
    assert np.all(np.asarray(quick.jit(gradient)(jnp.ones((1, 2, 3)))) == 0)


def test_without_attention_there_is_no_context():
    queries, states, lengths = arrays()
    context, weights = attend(create("none"), queries, states, lengths)
    assert context.shape == (3, 2, 0) and np.all(np.asarray(weights) == 0) and weights.shape == (3, 2, SOURCE)
