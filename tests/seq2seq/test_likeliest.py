"""The likeliest token is that of NumPy's argmax: of equals the first."""

import jax.numpy as jnp
import numpy as np

from research.seq2seq.likeliest import likeliest


def test_it_is_the_argmax_of_equals_the_first():
    logits = np.random.default_rng(0).integers(-3, 4, size=(5, 40, 7)).astype(np.float32)
    logits[0, 0], logits[0, 1] = -np.inf, np.inf
    logits[0, 2, 4:] = np.inf
    np.testing.assert_array_equal(likeliest(jnp.asarray(logits)), np.argmax(logits, axis=-1))


def test_where_a_logit_is_not_a_number_it_is_a_token_all_the_same():
    logits = jnp.asarray([[0.0, np.nan, 1.0], [np.nan, np.nan, np.nan]])
    assert np.all(np.asarray(likeliest(logits)) < 3)
