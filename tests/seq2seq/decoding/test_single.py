"""Samples follow the model's distribution, with independent randomness for each token."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from research.batch import EOS
from research.seq2seq.decoding import Decoding, Greedy, Sample
from tests.seq2seq import models, outputs
from tests.seq2seq.models import decoder_of, encoded
from tests.seq2seq.outputs import MOST, VOCABULARY, Table

DRAWS = 4000


@pytest.fixture(scope="module")
def known():
    """Return a decoder, a memory, and the decoder's probabilities of all outputs."""
    with jax.enable_x64(True):
        model = outputs.model("dot")
        memory = jax.jit(lambda: encoded(model, models.batch()))()
        return decoder_of(model), memory, Table.of(decoder_of(model), memory)


def sampled(known, config: Decoding, seed: int = 0, most: int = MOST, memory=None):
    decoder, encoder_memory, _ = known
    method = config.resolve(most)
    run = jax.jit(lambda memory, key: method(decoder, memory, key))
    return jax.device_get(run(encoder_memory if memory is None else memory, jax.random.key(seed)))


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, 0), (0.5, 3), (1.0, 99)])
def test_pairs_of_tokens_come_as_often_as_the_softmax_of_the_logits_says(temperature, top_k, known):
    row, config = 0, Sample(temperature=temperature, top_k=top_k)
    copies = jax.tree.map(lambda x: jnp.repeat(x[row : row + 1], DRAWS, axis=0), known[1])
    actual = sampled(known, config, most=2, memory=copies)

    def p(predicted):
        log_p = known[2].next(row, predicted) / temperature
        kept = np.argsort(-log_p)[: top_k or VOCABULARY]
        odds = np.where(np.isin(np.arange(VOCABULARY), kept), np.exp(log_p - log_p.max()), 0)
        return odds / odds.sum()

    wanted = p(())[:, None] * np.stack([p((y,)) for y in range(VOCABULARY)])
    wanted[EOS] = [p(())[EOS], *[0] * (VOCABULARY - 1)]  # after EOS there is padding only
    counts = np.zeros_like(wanted)
    np.add.at(counts, tuple(actual.tokens[:, 0].T), 1)
    assert np.all(counts[wanted == 0] == 0)
    often = wanted * DRAWS >= 5
    pools = [np.append(x[often], x[~often].sum()) for x in (counts, wanted * DRAWS)]
    seen = pools[1] > 0
    assert often.sum() > 3
    assert stats.chisquare(pools[0][seen], pools[1][seen]).pvalue > 0.001


@pytest.mark.parametrize("options", [{"temperature": 1e-6}, {"temperature": 9.0, "top_k": 1}])
def test_cold_samples_and_those_of_the_likeliest_token_alone_are_greedy(options, known):
    wanted, actual = sampled(known, Greedy()), sampled(known, Sample(**options))
    for x, y in zip(jax.tree.leaves(actual), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)


def test_a_draw_is_decided_by_the_key_the_row_and_the_position(known):
    hot = Sample(temperature=1e6)  # all tokens are equally likely
    copies = jax.tree.map(lambda x: jnp.repeat(x[:1], 50, axis=0), known[1])
    actual = sampled(known, hot, memory=copies).tokens[:, 0]
    np.testing.assert_array_equal(sampled(known, hot, memory=copies).tokens[:, 0], actual)
    shorter = sampled(known, hot, most=2, memory=copies).tokens[:, 0]
    np.testing.assert_array_equal(shorter, actual[:, :2])
    assert len(np.unique(actual, axis=0)) > 20
    assert not np.array_equal(sampled(known, hot, seed=1, memory=copies).tokens[:, 0], actual)
