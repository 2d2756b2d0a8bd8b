"""Scores of additive attention compared with their formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.recurrence.kernels import additive

BATCH, QUERIES, KEYS, HIDDEN = 4, 7, 5, 3
SIZE = KEYS * HIDDEN


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def plain(queries, keys, weight):
    return jnp.tanh(queries[:, :, None, :] + keys[:, None, :, :]) @ weight


def samples():
    """Sample queries, keys, the weight, and the gradient of the scores."""
    rng = np.random.default_rng(0)
    shapes = (BATCH, QUERIES, HIDDEN), (BATCH, KEYS, HIDDEN), (HIDDEN,), (BATCH, QUERIES, KEYS)
    return [jnp.asarray(rng.normal(size=shape)) for shape in shapes]


@pytest.mark.parametrize("numbers", [1, 3 * SIZE, 2 * QUERIES * SIZE])
def test_scores_and_gradients_are_those_of_the_formula_in_blocks_of_any_size(numbers, monkeypatch):
    monkeypatch.setattr(additive, "BLOCK", numbers)

    def both(score, queries, keys, weight, d_scores):
        actual, pull = jax.vjp(score, queries, keys, weight)
        return actual, pull(d_scores)

    actual, expected = jax.jit(lambda *arguments: (both(additive.scores, *arguments), both(plain, *arguments)))(
        *samples()
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12), actual, expected)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [(1, (1, 1)), (3 * SIZE, (1, 3)), (QUERIES * SIZE, (1, QUERIES)), (3 * QUERIES * SIZE, (2, QUERIES))],
)
def test_a_block_is_no_larger_than_allowed_and_its_sequences_divide_the_batch(numbers, expected, monkeypatch):
    monkeypatch.setattr(additive, "BLOCK", numbers)
    assert additive.block_size(BATCH, QUERIES, SIZE) == expected


def test_an_accelerator_takes_all_at_once(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert additive.block_size(BATCH, 10**6, SIZE) == (BATCH, 10**6)


def test_the_hidden_layer_is_no_array_of_the_program(monkeypatch):
    monkeypatch.setattr(additive, "BLOCK", QUERIES * SIZE)
    whole = BATCH * QUERIES * SIZE

    def sizes(score):
        step = jax.make_jaxpr(jax.grad(lambda *arguments: jnp.sum(score(*arguments)), argnums=(0, 1, 2)))
        return {value.aval.size for value in _values(step(*samples()[:3]).jaxpr)}

    assert whole in sizes(plain)
    assert whole not in sizes(additive.scores)


def _values(jaxpr):
    for equation in jaxpr.eqns:
        yield from equation.outvars
        for parameter in equation.params.values():
            inner = getattr(parameter, "jaxpr", None)
            if inner is not None:
                yield from _values(inner)
