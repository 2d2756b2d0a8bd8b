"""Additive scores, computed a few sequences at a time, are those of the plain formula, and so are their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.seq2seq import additive
from research.seq2seq.additive import additive_scores
from tests import quick

BATCH, TARGET, SOURCE, FEATURES = 6, 3, 4, 5
A_ROW = TARGET * SOURCE * FEATURES * 8


def plain(queries, keys, weight):
    return jnp.sum(jnp.tanh(queries[:, :, None, :] + keys[:, None, :, :]) * weight[None, None, None, :], axis=3)


@pytest.mark.parametrize(("rows", "blocks"), [(100, 1), (4, 2), (2, 3), (0.5, 6)])
def test_scores_and_gradients_are_those_of_the_formula_however_the_batch_is_cut(rows, blocks, monkeypatch):
    monkeypatch.setattr(additive, "CACHED", int(rows * A_ROW))
    rng = np.random.default_rng(0)
    shapes = ((BATCH, TARGET, FEATURES), (BATCH, SOURCE, FEATURES), (FEATURES,))
    queries, keys, weight = (jnp.asarray(rng.normal(size=shape)) for shape in shapes)
    share = jnp.asarray(rng.normal(size=(BATCH, TARGET, SOURCE)))
    assert additive._blocks(queries, keys) == blocks

    def both(function):
        return jax.value_and_grad(lambda *x: jnp.sum(share * jnp.square(function(*x))), (0, 1, 2))(
            queries, keys, weight
        )

    found, wanted = quick.jit(lambda: (both(additive_scores), both(plain)))()
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12), found, wanted)


def test_an_empty_source_or_batch_has_no_scores():
    weight = jnp.ones(FEATURES)
    for batch, source in ((2, 0), (0, 3)):
        scores = additive_scores(jnp.ones((batch, TARGET, FEATURES)), jnp.ones((batch, source, FEATURES)), weight)
        assert scores.shape == (batch, TARGET, source)
