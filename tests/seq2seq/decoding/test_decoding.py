"""Properties of all kinds of decoding: probabilities, lengths, and invariances."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.batch import BOS, EOS, PAD
from research.errors import UserError
from research.recurrence.dropout import Rates
from research.seq2seq.decoder import NO_NOISE
from research.seq2seq.decoding import Beam, Decoding, Greedy, Sample
from tests.seq2seq import models, outputs
from tests.seq2seq.models import BATCH, SOURCE_LENGTHS, altered, decoder_of, encoded
from tests.seq2seq.outputs import inclined

MOST = 9
METHODS: dict[str, Decoding] = {
    "greedy": Greedy(),
    "sample": Sample(temperature=0.7, top_k=4),
    "beam": dataclasses.replace(outputs.PENALTIES, beam_size=3),
}
VALID = np.arange(models.SOURCE)[None, :] < np.array(SOURCE_LENGTHS)[:, None]


def decoded(known, configs, noise=NO_NOISE):
    """Return the result of each search with this decoder and memory, in one program."""
    decoder, memory = known

    @jax.jit
    def run(memory, key):
        return [config.resolve(MOST)(decoder, memory, key, noise) for config in configs]

    return jax.device_get(run(memory, jax.random.key(0)))


@pytest.fixture(scope="module")
def talking():
    """Return a decoder that ends after some steps, and a memory."""
    with jax.enable_x64(True):
        model = models.model("lstm", "additive")
        return inclined(decoder_of(model), EOS, 2.0), jax.jit(encoded, static_argnums=0)(model, models.batch())


@pytest.mark.parametrize("shift", [-9.0, 2.0, 99.0], ids=["nothing-ends", "one-by-one", "all-at-once"])
def test_greedy_decoding_is_a_loop_of_best_tokens_that_stops_when_all_have_ended(shift, talking, monkeypatch):
    decoder, memory = inclined(talking[0], EOS, shift - 2.0), talking[1]
    state, previous, predicted = decoder.start(memory), jnp.full((BATCH,), BOS), []
    advance = jax.jit(lambda state, previous: decoder.step(memory, state, previous))
    for _ in range(MOST):
        logits, _, state = advance(state, previous)
        previous = jnp.argmax(logits, axis=-1)
        predicted.append(np.asarray(previous))
    wanted = np.stack(predicted, axis=1)
    lengths = [row.index(EOS) + 1 if EOS in row else MOST for row in wanted.tolist()]
    assert lengths == [MOST] * BATCH if shift < 0 else [1] * BATCH if shift == 99 else len(set(lengths)) > 1, lengths
    calls = outputs.counted_steps(monkeypatch)
    (actual,) = decoded((decoder, memory), [METHODS["greedy"]])
    jax.effects_barrier()
    wanted[np.arange(MOST)[None, :] >= np.array(lengths)[:, None]] = PAD
    np.testing.assert_array_equal(actual.tokens[:, 0], wanted)
    np.testing.assert_array_equal(actual.lengths[:, 0], lengths)
    np.testing.assert_array_equal(actual.finished[:, 0], np.any(wanted == EOS, axis=1))
    assert len(calls) == max(lengths)


KINDS = [("gru", "none", {}), ("lstm", "location", {"input_feeding": True, "coverage": True})]


@pytest.mark.parametrize(("cell", "attention", "options"), KINDS, ids=[kind[1] for kind in KINDS])
def test_log_probabilities_are_those_of_the_model_when_it_is_fed_the_output(cell, attention, options):
    model = outputs.model(models.attention(attention, **options), cell)
    decoder, memory = decoder_of(model), jax.jit(lambda: encoded(model, models.batch()))()
    noise = decoder.expected(Rates(zoneout_hidden=jnp.asarray(0.3)))
    covers = {} if attention != "none" else {"coverage_penalty": 0.0}
    configs = [METHODS["greedy"], METHODS["sample"], dataclasses.replace(METHODS["beam"], **covers)]
    for config, actual in zip(configs, decoded((decoder, memory), configs, noise), strict=True):
        count = actual.tokens.shape[1]
        assert actual.tokens.shape == (BATCH, config.num_hypotheses, MOST)

        @jax.jit
        def teacher_forced(tokens, lengths, count=count):
            each = jax.tree.map(lambda x: jnp.repeat(x, count, axis=0), memory)
            previous = jnp.concatenate([jnp.full_like(tokens[:, :1], BOS), tokens[:, :-1]], axis=1)
            return jax.nn.log_softmax(decoder(each, previous, lengths, noise)[0])

        tokens, lengths = actual.tokens.reshape(-1, MOST), actual.lengths.reshape(-1)
        log_p = np.take_along_axis(np.asarray(teacher_forced(tokens, lengths)), tokens[:, :, None], axis=2)[:, :, 0]
        valid = np.arange(MOST)[None, :] < lengths[:, None]
        total = np.sum(log_p, axis=1, where=valid)
        np.testing.assert_allclose(actual.log_probability.reshape(-1), total, rtol=1e-11)
        np.testing.assert_array_equal(np.sum((tokens == EOS) & valid, axis=1), actual.finished.reshape(-1))
        assert np.all(tokens[~valid] == PAD) and np.all(lengths[~actual.finished.reshape(-1)] == MOST)
        if config.name != "beam":
            np.testing.assert_array_equal(actual.score, actual.log_probability)


def test_a_beam_of_one_is_greedy_decoding_whatever_the_penalties(talking):
    limits = [{}, {"min_length": 2, "max_length": 5}]
    penalties = [{}, {"length_penalty": 3.0, "coverage_penalty": 0.7}]
    for limit in limits:
        configs = [Greedy(**limit)] + [Beam(beam_size=1, **limit, **each) for each in penalties]
        wanted, *beams = decoded(talking, configs)
        assert len(set(wanted.lengths[:, 0].tolist())) > 1
        for actual in beams:
            for name in ("tokens", "lengths", "finished"):
                np.testing.assert_array_equal(getattr(actual, name), getattr(wanted, name))
            np.testing.assert_allclose(actual.log_probability, wanted.log_probability, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_outputs_keep_within_the_least_and_the_greatest_length(method, talking):
    limits = ({}, {"min_length": 3}, {"max_length": 2}, {"min_length": 3, "max_length": 4})
    limited = [dataclasses.replace(METHODS[method], **limit) for limit in limits]
    free, least, most, both = decoded(talking, limited)
    assert np.min(free.lengths) < 4 and np.max(free.lengths) > 3 and free.tokens.shape[2] == MOST
    assert np.min(least.lengths) == 4 and least.tokens.shape[2] == MOST
    assert np.max(most.lengths) == 2 and most.tokens.shape[2] == 2 and not np.all(most.finished)
    assert set(both.lengths.reshape(-1).tolist()) == {4} and np.any(both.finished)


def test_a_least_length_that_leaves_no_place_for_the_end_is_refused():
    assert Greedy(min_length=5).resolve(6) == Greedy(min_length=5, max_length=6)
    with pytest.raises(UserError, match=r"^decoding.min_length=6: must be less than decoding.max_length=6"):
        Greedy(min_length=6).resolve(6)


def test_the_mark_of_padding_is_a_token_like_any_other(talking):
    """Swapping this token with a symbol in the decoder swaps them in the outputs and changes nothing else."""
    decoder, memory = talking
    methods = [METHODS["greedy"], METHODS["beam"]]
    plain = decoded(talking, methods)
    predicted, times = np.unique(plain[0].tokens[plain[0].tokens > EOS], return_counts=True)
    symbol = predicted[np.argmax(times)]
    order = np.arange(models.PHONEMES)
    order[[PAD, symbol]] = symbol, PAD
    table, kernel, bias = decoder.embed.embedding, decoder.vocabulary.kernel, decoder.vocabulary.bias
    swapped = altered(decoder, table[...][order], "embed", "embedding")
    swapped = altered(swapped, kernel[...][:, order], "vocabulary", "kernel")
    swapped = altered(swapped, bias[...][order], "vocabulary", "bias")
    for actual, wanted in zip(decoded((swapped, memory), methods), plain, strict=True):
        np.testing.assert_array_equal(actual.lengths, wanted.lengths)
        valid = np.arange(MOST)[None, None, :] < wanted.lengths[:, :, None]
        assert np.sum((wanted.tokens == symbol) & valid) > 2
        np.testing.assert_array_equal(actual.tokens, np.where(valid, order[wanted.tokens], PAD))
        np.testing.assert_allclose(actual.score, wanted.score, rtol=1e-12)


def test_what_a_sequence_gets_depends_on_neither_padding_nor_neighbors_nor_the_size_of_the_batch(talking):
    decoder, model, batch = talking[0], models.model("lstm", "additive"), models.batch()
    wider = jnp.pad(jnp.where(VALID, batch.inputs, 0), ((0, 0), (0, 3)))
    beside = models.batch(seed=1).inputs.at[:2].set(batch.inputs[:2])
    changed = {
        "padding and size": jax.tree.map(lambda x: x[:2], dataclasses.replace(batch, inputs=wider)),
        "neighbors": dataclasses.replace(batch, inputs=beside),
    }

    @jax.jit
    def run(batch):
        memory = encoded(model, batch)
        return [config.resolve(MOST)(decoder, memory, jax.random.key(0)) for config in METHODS.values()]

    wanted = run(batch)
    for name, each in changed.items():
        for x, y in zip(jax.tree.leaves(run(each)), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(x[:2], y[:2], rtol=1e-12, err_msg=name)


def test_models_of_one_program_decode_as_each_alone(talking):
    """Packs map over trials on a CPU and batch them on a GPU; one trial ends long before the other."""
    decoder, memory = talking
    graphdef, _ = nnx.split(decoder)
    states = [nnx.split(inclined(decoder, EOS, by))[1] for by in (0.0, 9.0, -9.0)]

    def decode_trial(state):
        decoder_of_trial = nnx.merge(graphdef, state)
        methods = (METHODS[name].resolve(MOST) for name in ("sample", "beam"))
        return [decode(decoder_of_trial, memory, jax.random.key(0)) for decode in methods]

    stacked = jax.tree.map(lambda *x: jnp.stack(x), *states)
    together = jax.jit(lambda stacked: [jax.lax.map(decode_trial, stacked), jax.vmap(decode_trial)(stacked)])(stacked)
    alone = jax.jit(decode_trial)
    for k, state in enumerate(states):
        wanted = jax.tree.leaves(alone(state))
        for actual in together:
            for x, y in zip(jax.tree.leaves(actual), wanted, strict=True):
                np.testing.assert_allclose(x[k], y, rtol=1e-12)
