"""The decoder's parallel path equals its single steps, is causal, and reads the source."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.cells.lstm import LSTM
from research.recurrence.dropout import Rates
from research.recurrence.trajectory import Trajectory
from research.seq2seq.decoder import NO_NOISE, Decoder
from research.seq2seq.encoder import Memory
from research.seq2seq.teacher_forcing import previous_tokens
from tests.seq2seq import models
from tests.seq2seq.models import (
    ALIKE,
    BATCH,
    FEATURES,
    PHONEMES,
    SOURCE,
    SOURCE_LENGTHS,
    TARGET,
    TARGET_LENGTHS,
    TOKENS,
    WAYS,
    altered,
    decoder_of,
    encoded,
)

VALID_SOURCE = np.arange(SOURCE)[None, :] < np.array(SOURCE_LENGTHS)[:, None]
VALID_TARGET = np.arange(TARGET)[None, :] < np.array(TARGET_LENGTHS)[:, None]


def stepwise(decoder: Decoder, memory: Memory, previous, noise=NO_NOISE):
    """Return logits, weights and the carries of each layer, one token at a time."""

    def step(state, inputs):
        u, token = inputs
        logits, weights, state = decoder.step(memory, state, token, noise.step(u))
        return state, (logits, weights, state.carries)

    results = jax.lax.scan(step, decoder.start(memory), (jnp.arange(previous.shape[1]), previous.T))[1]
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), results)


KINDS = [
    *((cell, "additive", {"num_layers": 2, "bidirectional": True}) for cell in ("gru", "sru", "mingru")),
    *(("lstm", way, {"bidirectional": WAYS[way].name in ("dot", "context")}) for way in WAYS),
]


@pytest.mark.parametrize(
    ("cell", "way", "options"),
    [pytest.param(*kind, marks=pytest.mark.slow if kind[1] in ALIKE else ()) for kind in KINDS],
)
def test_all_positions_at_once_give_what_single_steps_give(cell, way, options):
    model = models.model(cell, WAYS[way], **options)
    decoder, batch = decoder_of(model), models.batch()

    @jax.jit
    def both(batch):
        memory, previous = encoded(model, batch), previous_tokens(batch.targets)
        layers = decoder.layer_inputs(memory, previous, None)
        states = [Trajectory(layer).states()[1:] for layer in layers]
        return decoder(memory, previous, None), states, stepwise(decoder, memory, previous)

    (logits, weights), states, (logits_1, weights_1, carries) = both(batch)
    for layer, carry in zip(states, carries, strict=True):
        np.testing.assert_allclose(layer, np.concatenate(carry, axis=2).swapaxes(0, 1), rtol=0, atol=1e-12)
    assert logits.shape == (BATCH, TARGET, PHONEMES) and weights.shape == (BATCH, TARGET, SOURCE)
    np.testing.assert_allclose(logits, logits_1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(weights, weights_1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("way", ["dot", "additive before with input feeding"])
def test_jacobians_are_those_of_single_steps_with_what_the_attention_gives_held_fixed(way, monkeypatch):
    model, lag = models.model("gru", WAYS[way]), 3
    decoder, batch = decoder_of(model), models.batch()
    memory, previous = encoded(model, batch), previous_tokens(batch.targets)
    (layer,) = decoder.layer_inputs(memory, previous, batch.target_lengths)
    products = jax.jit(lambda: Trajectory(layer).lagged_jacobians((lag,)))()[lag]
    for name in ("_attend", "_readout"):
        method = getattr(Decoder, name)
        monkeypatch.setattr(Decoder, name, lambda *args, method=method: jax.lax.stop_gradient(method(*args)))
    step = jax.jit(lambda state, token: decoder.step(memory, state, token)[2])

    @jax.jit
    @jax.jacrev
    def jacobian(h, state, tokens):
        state = dataclasses.replace(state, carries=((h,),))
        for token in tokens:
            state = step(state, token)
        return state.carries[0][0]

    for row, length in enumerate(TARGET_LENGTHS):
        if lag > length:
            assert np.all(np.isnan(products[row]))
            continue
        state = functools.reduce(step, previous.T[: length - lag], decoder.start(memory))
        wanted = jacobian(state.carries[0][0], state, previous.T[length - lag : length])[row, :, row]
        np.testing.assert_allclose(products[row], wanted, rtol=1e-9, atol=1e-12)


STACKED = {"num_layers": 2, "residual": True, "skip_connections": True, "layer_norm": True, "bidirectional": True}


@pytest.mark.parametrize(("precision", "placement"), [("float32", "before"), ("bfloat16", "after")])
def test_with_all_structure_and_noise_single_steps_give_what_all_positions_at_once_give(precision, placement):
    placed, cell = models.attention("dot", placement=placement), LSTM(projection_size=4)
    model = models.build(TOKENS, cell, placed, compute_dtype=precision, **STACKED)
    decoder, batch = decoder_of(model), models.batch()
    rate = jnp.asarray(0.3)

    @jax.jit
    def both(batch, key):
        memory, previous = encoded(model, batch), previous_tokens(batch.targets)
        noise = decoder.noise(Rates(*[rate] * 6), key, BATCH, TARGET, SOURCE)
        at_once = decoder(memory, previous, None, noise)[0]
        return at_once, stepwise(decoder, memory, previous, noise)[0], decoder(memory, previous, None)[0]

    at_once, one_by_one, without = both(batch, jax.random.key(0))
    np.testing.assert_allclose(at_once, one_by_one, rtol=0, atol=1e-12)
    assert np.max(np.abs(at_once - without)) > 0.5


@pytest.mark.parametrize("way", ["none", "dot", "location before", "multi_head with coverage and input feeding"])
def test_a_position_depends_on_the_tokens_fed_so_far_and_on_no_later_one(way):
    model, batch = models.model("gru", WAYS[way]), models.batch()
    decoder, memory = decoder_of(model), jax.jit(encoded, static_argnums=0)(model, batch)
    previous = jnp.tile(
        jnp.arange(TARGET, dtype=jnp.int32)[None, :], (BATCH, 1)
    )  # row v of the table is fed at v alone

    @jax.jit
    def jacobian(table):
        def logits(table):
            changed = altered(decoder, table, "embed", "embedding")
            return jnp.sum(jnp.square(changed(memory, previous, None)[0]), axis=(0, 2))

        return jnp.sum(jnp.abs(jax.jacobian(logits)(table)), axis=2)

    reads = np.asarray(jacobian(decoder.embed.embedding[...]))[:, :TARGET]  # [u, v]
    assert np.all(np.triu(reads, 1) == 0)
    assert np.all(reads[np.tril_indices(TARGET)] > 0)


@pytest.mark.parametrize("attention", ["none", "context", "input", "additive", "local_p"])
def test_without_attention_the_source_is_seen_through_the_last_state_alone(attention):
    model, batch = models.model("lstm", attention), models.batch()
    decoder, memory = decoder_of(model), jax.jit(encoded, static_argnums=0)(model, batch)

    @jax.jit
    def gradient(states, carries, last):
        def loss(states, carries, last):
            seen = dataclasses.replace(memory, states=states, carries=carries, last=last)
            logits, _ = decoder(seen, previous_tokens(batch.targets), batch.target_lengths)
            return jnp.sum(jnp.where(VALID_TARGET[:, :, None], jnp.square(logits), 0))

        return jax.grad(loss, argnums=(0, 1, 2))(states, carries, last)

    states, carries, last = gradient(memory.states, memory.carries, memory.last)
    assert all(np.all((np.asarray(part) != 0) == (attention != "input")) for part in jax.tree.leaves(carries))
    assert np.all((np.asarray(last) != 0) == (attention in ("context", "input")))
    assert np.all(np.asarray(states)[~VALID_SOURCE] == 0)
    looked = attention not in ("none", "context", "input")
    assert np.all((np.asarray(states)[VALID_SOURCE] != 0) == looked)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_context_before_the_recurrence_enters_it_and_input_feeding_brings_back_what_was_read(layers):
    """Two steps of a residual decoder, written out in NumPy."""
    batch = models.batch()
    kind = models.attention("dot", placement="before", input_feeding=True)
    model = models.build(TOKENS, "rnn", kind, num_layers=layers, residual=layers > 1)
    decoder = decoder_of(model)
    logits = jax.jit(lambda: decoder(encoded(model, batch), previous_tokens(batch.targets), None)[0])()
    memory = jax.device_get(jax.jit(lambda: encoded(model, batch))())
    arrays = [[np.asarray(x) for x in (layer.w[...], layer.u[...], layer.b[...])] for (layer,) in decoder.stack.layers]
    combine, vocabulary = decoder.combine, decoder.vocabulary
    assert vocabulary is not None and combine.bias is not None and vocabulary.bias is not None
    embedding = np.asarray(decoder.embed.embedding[...])
    previous = np.asarray(previous_tokens(batch.targets))
    for row, length in enumerate(SOURCE_LENGTHS):
        hidden, read = [memory.carries[layer][0][row] for layer in range(layers)], np.zeros(FEATURES)
        for step in range(2):
            scores = np.exp(memory.states[row, :length] @ sum(hidden))
            context = (scores / scores.sum() if length else scores) @ memory.states[row, :length]
            entering = np.concatenate([embedding[previous[row, step]], context, read])
            above = np.zeros(FEATURES)
            for layer, (w, u, b) in enumerate(arrays):
                hidden[layer] = np.tanh((above if layer else entering) @ w + hidden[layer] @ u + b)
                above = above + hidden[layer]
            read = np.tanh(
                np.concatenate([above, context]) @ np.asarray(combine.kernel[...]) + np.asarray(combine.bias[...])
            )
            wanted = read @ np.asarray(vocabulary.kernel[...]) + np.asarray(vocabulary.bias[...])
            np.testing.assert_allclose(logits[row, step], wanted, rtol=0, atol=1e-12)


LOCATION = "location before, with input feeding"
WAITING = {
    "before": models.attention("additive", placement="before"),
    LOCATION: models.attention("location", placement="before", input_feeding=True),
}


@pytest.mark.parametrize(("way", "lengths"), [("before", (1, 4)), (LOCATION, (-1,))])
def test_checkpoints_of_a_decoder_that_waits_change_no_number(way, lengths):
    batch = models.batch()
    memory = jax.jit(encoded, static_argnums=0)(models.model("gru", WAITING[way]), batch)

    @functools.partial(jax.jit, static_argnums=0)
    def gradients(every):
        model = models.model("gru", WAITING[way], **({"remat_every": every} if every else {}))
        graphdef, weights = nnx.split(decoder_of(model))

        def loss(weights, states):
            read = dataclasses.replace(memory, states=states)
            logits, _ = nnx.merge(graphdef, weights)(read, previous_tokens(batch.targets), batch.target_lengths)
            return jnp.sum(jnp.where(VALID_TARGET[:, :, None], jnp.square(logits), 0))

        return jax.value_and_grad(loss, argnums=(0, 1))(weights, memory.states)

    plain_loss, wanted = gradients(0)
    for every in lengths:
        loss, actual = gradients(every)
        assert loss == pytest.approx(float(plain_loss), rel=1e-14)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-13, atol=1e-13), actual, wanted)


@pytest.mark.parametrize("way", WAITING)
def test_the_gradient_of_a_decoder_that_waits_ends_where_it_is_truncated(way):
    model, batch = models.model("gru", WAITING[way], tbptt_steps=3), models.batch()
    memory = jax.jit(encoded, static_argnums=0)(model, batch)
    previous = jnp.tile(
        jnp.arange(TARGET, dtype=jnp.int32)[None, :], (BATCH, 1)
    )  # row v of the table is fed at v alone

    @jax.jit
    def jacobian(table):
        def logits(table):
            changed = altered(decoder_of(model), table, "embed", "embedding")
            return jnp.sum(jnp.square(changed(memory, previous, None)[0]), axis=(0, 2))

        return logits(table), jnp.sum(jnp.abs(jax.jacobian(logits)(table)), axis=2)

    values, reads = jacobian(decoder_of(model).embed.embedding[...])
    block = np.arange(TARGET) // 3
    within = np.tril(np.ones((TARGET, TARGET), bool)) & (block[:, None] == block[None, :])
    np.testing.assert_array_equal(np.asarray(reads)[:, :TARGET] > 0, within)
    whole = decoder_of(models.model("gru", WAITING[way]))
    wanted = jax.jit(lambda: jnp.sum(jnp.square(whole(memory, previous, None)[0]), axis=(0, 2)))()
    np.testing.assert_allclose(values, wanted, rtol=1e-12)


@pytest.mark.parametrize("attention", ["input", "location"])
def test_sources_without_a_step_are_as_sources_of_length_0(attention):
    model, batch = models.model("gru", attention, bidirectional=True), models.batch()
    none = jnp.zeros(BATCH, jnp.int32)
    empty = dataclasses.replace(batch, inputs=batch.inputs[:, :0], input_lengths=none)
    actual, wanted = (
        jax.jit(model.predict)(example) for example in (empty, dataclasses.replace(batch, input_lengths=none))
    )
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-13), actual, wanted)


def test_a_tied_vocabulary_is_the_embedding():
    model, plain = (models.build(TOKENS, "gru", tie_embeddings=tied) for tied in (True, False))
    decoder, batch = decoder_of(model), models.batch()
    assert decoder.vocabulary is None and decoder.bias is not None
    sizes = [sum(x.size for x in jax.tree.leaves(nnx.state(example, nnx.Param))) for example in (model, plain)]
    assert sizes[1] - sizes[0] == FEATURES * PHONEMES

    @jax.jit
    def run():
        memory, previous = encoded(model, batch), previous_tokens(batch.targets)
        hidden, _ = decoder.stack(decoder.embed(previous), decoder.start(memory).carries)
        return decoder(memory, previous, None)[0], jnp.tanh(decoder.combine(hidden))

    logits, read = run()
    wanted = np.asarray(read) @ np.asarray(decoder.embed.embedding[...]).T + np.asarray(decoder.bias[...])
    np.testing.assert_allclose(logits, wanted, rtol=0, atol=1e-12)


def test_the_state_of_other_rows_shares_the_source():
    batch, model = models.batch(), models.model("lstm", models.attention("location", input_feeding=True))
    decoder, memory = decoder_of(model), jax.jit(encoded, static_argnums=0)(model, batch)
    state = jax.jit(lambda: decoder.step(memory, decoder.start(memory), jnp.arange(BATCH, dtype=jnp.int32))[2])()
    taken = state.take(jnp.array([2, 2, 0, 1]))
    assert taken.source is state.source and taken.trace is not None and state.trace is not None
    np.testing.assert_array_equal(taken.trace.total, state.trace.total[np.array([2, 2, 0, 1])])
    np.testing.assert_array_equal(taken.carries[0][1], state.carries[0][1][np.array([2, 2, 0, 1])])
    assert (
        taken.readout is not None and state.readout is not None and np.any(np.asarray(taken.readout != state.readout))
    )


@pytest.mark.parametrize("projection", [0, 4])
def test_a_memory_of_the_decoders_width_is_its_first_state_and_another_passes_a_linear_map(projection):
    batch = models.batch()
    for bidirectional in (False, True):
        cell, options = LSTM(projection_size=projection), {"num_layers": 2, "skip_connections": True}
        model = models.build(TOKENS, cell, bidirectional=bidirectional, **options)
        memory, decoder = jax.jit(encoded, static_argnums=0)(model, batch), decoder_of(model)
        actual, expected = jax.tree.leaves(decoder.start(memory).carries), jax.tree.leaves(memory.carries)
        assert len(decoder.bridges) == (len(expected) if bidirectional else 0)
        if bidirectional:
            expected = [bridge(part) for bridge, part in zip(decoder.bridges, expected, strict=True)]
        for part, wanted in zip(actual, expected, strict=True):
            np.testing.assert_allclose(part, wanted, rtol=0, atol=1e-12)


def test_the_readout_size_is_an_option():
    model = models.build(TOKENS, "gru", readout_size=9)
    decoder, batch = decoder_of(model), models.batch()
    assert decoder.combine.out_features == 9 and decoder.vocabulary is not None
    assert decoder.vocabulary.kernel[...].shape == (9, PHONEMES)
    logits, _ = jax.jit(lambda: decoder(encoded(model, batch), previous_tokens(batch.targets), None))()
    assert logits.shape == (BATCH, TARGET, PHONEMES)
