"""The decoder's parallel path is its single steps, it cannot look ahead, and it sees of the source what it should."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import catalogue
from research.config import CellConfig, ModelConfig
from research.recurrent.dropout import Rates
from research.seq2seq.decoder import Decoder
from research.seq2seq.encoder import Memory
from research.seq2seq.forcing import true_previous
from tests import quick
from tests.seq2seq import models
from tests.seq2seq.models import (
    BATCH,
    FEATURES,
    PHONEMES,
    SOURCE,
    SOURCE_LENGTHS,
    TARGET,
    TARGET_LENGTHS,
    TOKENS,
    altered,
    decoder_of,
    encoded,
)

attentions = pytest.mark.parametrize("attention", catalogue.names("attentions"))
VALID_SOURCE = np.arange(SOURCE)[None, :] < np.array(SOURCE_LENGTHS)[:, None]
VALID_TARGET = np.arange(TARGET)[None, :] < np.array(TARGET_LENGTHS)[:, None]


def stepwise(decoder: Decoder, memory: Memory, fed, noise=None):
    """Logits and weights, one token at a time."""

    def step(state, inputs):
        u, fed_u = inputs
        logits, weights, state = decoder.step(memory, state, fed_u, None if noise is None else noise.steps(u))
        return state, (logits, weights)

    return [
        jnp.swapaxes(x, 0, 1) for x in jax.lax.scan(step, decoder.start(memory), (jnp.arange(fed.shape[1]), fed.T))[1]
    ]


KINDS = [
    *((cell, "additive", 2, True) for cell in catalogue.names("cells")),
    *(("lstm", attention, 1, attention == "dot") for attention in catalogue.names("attentions")),
]


@pytest.mark.parametrize(("cell", "attention", "layers", "bidirectional"), KINDS)
def test_all_positions_at_once_give_what_single_steps_give(cell, attention, layers, bidirectional):
    model = models.model(cell, attention, layers, bidirectional)
    decoder, batch = decoder_of(model), models.batch()

    @quick.jit
    def both(batch):
        memory, fed = encoded(model, batch), true_previous(batch.targets)
        return decoder(memory, fed, None), stepwise(decoder, memory, fed)

    (logits, weights), (logits_1, weights_1) = both(batch)
    assert logits.shape == (BATCH, TARGET, PHONEMES) and weights.shape == (BATCH, TARGET, SOURCE)
    np.testing.assert_allclose(logits, logits_1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(weights, weights_1, rtol=0, atol=1e-12)


STACKED = {"layers": 2, "residual": True, "skip": True, "layer_norm": True}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_with_all_structure_and_noise_single_steps_give_what_all_positions_at_once_give(precision):
    config = ModelConfig("lstm", FEATURES, bidirectional=True, attention="dot", precision=precision, **STACKED)
    model = models.build(TOKENS, config, CellConfig(projection=4))
    decoder, batch = decoder_of(model), models.batch()
    rate = jnp.asarray(0.3)

    @quick.jit
    def both(batch, key):
        memory, fed = encoded(model, batch), true_previous(batch.targets)
        noise = decoder.noise(Rates(rate, rate, rate, None, rate, rate), key, BATCH, TARGET)
        at_once = decoder(memory, fed, None, noise)[0]
        return at_once, stepwise(decoder, memory, fed, noise)[0], decoder(memory, fed, None)[0]

    at_once, one_by_one, without = both(batch, jax.random.key(0))
    np.testing.assert_allclose(at_once, one_by_one, rtol=0, atol=1e-12)
    assert np.max(np.abs(at_once - without)) > 0.5


@attentions
def test_a_position_depends_on_the_tokens_fed_so_far_and_on_no_later_one(attention):
    model, batch = models.model("gru", attention, 2, True), models.batch()
    decoder = decoder_of(model)
    fed = jnp.tile(jnp.arange(TARGET, dtype=jnp.int32)[None, :], (BATCH, 1))  # row v of the table is fed at v alone

    @quick.jit
    def jacobian(table):
        def logits(table):
            own = altered(decoder, table, "embed", "embedding")
            return jnp.sum(jnp.square(own(encoded(model, batch), fed, None)[0]), axis=(0, 2))

        return jnp.sum(jnp.abs(jax.jacobian(logits)(table)), axis=2)

    reads = np.asarray(jacobian(decoder.embed.embedding[...]))[:, :TARGET]  # [u, v]
    assert np.all(np.triu(reads, 1) == 0)
    assert np.all(reads[np.tril_indices(TARGET)] > 0)


@attentions
def test_logits_depend_on_neither_padding_nor_neighbours(attention):
    model, batch, other = models.model("gru", attention), models.batch(), models.batch(seed=1)
    decoder = decoder_of(model)

    @quick.jit
    def run(batch):
        return decoder(encoded(model, batch), true_previous(batch.targets), batch.target_lengths)

    def same(found, rows=slice(None)) -> None:
        for x, y in zip(found, run(batch), strict=True):
            x, y = np.asarray(x[rows, :TARGET]), np.asarray(y[rows])
            np.testing.assert_allclose(x[VALID_TARGET[rows]], y[VALID_TARGET[rows]], rtol=0, atol=1e-12)

    filled = dataclasses.replace(
        batch,
        inputs=jnp.where(VALID_SOURCE, batch.inputs, 1),
        targets=jnp.where(VALID_TARGET, batch.targets, 1),
    )
    same(run(filled))
    wider = dataclasses.replace(
        batch, inputs=jnp.pad(batch.inputs, ((0, 0), (0, 3))), targets=jnp.pad(batch.targets, ((0, 0), (0, 2)))
    )
    logits, weights = run(wider)
    same((logits, weights[:, :, :SOURCE]))
    assert np.all(np.asarray(weights[:, :, SOURCE:]) == 0)
    neighbours = jax.tree.map(lambda x, y: jnp.concatenate([x[:3], y[3:]]), batch, other)
    same(run(neighbours), slice(0, 3))


@attentions
def test_without_attention_the_source_is_seen_through_the_last_state_alone(attention):
    model, batch = models.model("lstm", attention), models.batch()
    decoder, memory = decoder_of(model), quick.jit(encoded, static_argnums=0)(model, batch)

    @quick.jit
    def gradient(states, carries):
        def loss(states, carries):
            seen = dataclasses.replace(memory, states=states, carries=carries)
            logits, _ = decoder(seen, true_previous(batch.targets), batch.target_lengths)
            return jnp.sum(jnp.where(VALID_TARGET[:, :, None], jnp.square(logits), 0))

        return jax.grad(loss, argnums=(0, 1))(states, carries)

    states, carries = gradient(memory.states, memory.carries)
    assert all(np.all(np.asarray(part) != 0) for part in jax.tree.leaves(carries))
    assert np.all(np.asarray(states)[~VALID_SOURCE] == 0)
    assert np.all((np.asarray(states)[VALID_SOURCE] != 0) == (attention != "none"))


@pytest.mark.parametrize("projection", [0, 4])
def test_a_memory_of_the_decoders_width_is_its_first_state_and_another_passes_a_linear_map(projection):
    batch = models.batch()
    for bidirectional in (False, True):
        config = ModelConfig("lstm", FEATURES, 2, bidirectional, skip=True)
        model = models.build(TOKENS, config, CellConfig(projection=projection))
        memory, decoder = quick.jit(encoded, static_argnums=0)(model, batch), decoder_of(model)
        found, given = jax.tree.leaves(decoder.start(memory).carries), jax.tree.leaves(memory.carries)
        assert len(decoder.bridges) == (len(given) if bidirectional else 0)
        if bidirectional:
            given = [bridge(part) for bridge, part in zip(decoder.bridges, given, strict=True)]
        for part, wanted in zip(found, given, strict=True):
            np.testing.assert_allclose(part, wanted, rtol=0, atol=1e-12)
