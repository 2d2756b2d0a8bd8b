"""The decoder's inputs in training: true tokens, its own predictions, or a mix."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import BOS, EOS, WHOLE, Shard
from research.recurrence.dropout import Rates
from research.seq2seq.decoder import NO_NOISE, Decoder
from research.seq2seq.decoding import Greedy
from research.seq2seq.step_options import StepOptions
from research.seq2seq.teacher_forcing import (
    FALLING,
    Feedback,
    TeacherForcing,
    TeacherForcingOptions,
    decoder_inputs,
    previous_tokens,
)
from tests.seq2seq import models
from tests.seq2seq.models import BATCH, SOURCE, TARGET, TOKENS, altered, decoder_of, encoded

MODEL = {"cell": "gru", "kind": "dot"}


@pytest.fixture(scope="module")
def feed():
    """Return the decoder's inputs, its prediction after each, and its free-running output; compiled once."""
    with jax.enable_x64(True):
        model = models.model(**MODEL)

    @jax.jit
    def run(batch, ratio, key):
        decoder, memory = decoder_of(model), encoded(model, batch)
        previous = decoder_inputs(decoder, memory, batch.targets, StepOptions(ratio), key)
        return (
            previous,
            jnp.argmax(decoder(memory, previous, None)[0], axis=-1),
            Greedy().resolve(TARGET)(decoder, memory).tokens[:, 0],
        )

    return lambda batch, ratio, seed=0: jax.device_get(run(batch, jnp.asarray(ratio), jax.random.key(seed)))


def test_the_previous_tokens_tokens_are_the_targets_one_step_late():
    targets = jnp.array([[5, 6, EOS], [7, EOS, 0]])
    assert previous_tokens(targets).tolist() == [[BOS, 5, 6], [BOS, 7, EOS]]


def test_at_ratio_1_the_decoder_reads_the_true_tokens(feed):
    batch = models.batch()
    np.testing.assert_array_equal(feed(batch, 1.0)[0], previous_tokens(batch.targets))


@pytest.mark.parametrize(("ratio", "steps"), [(1.0, 0), (0.5, TARGET), (0.0, TARGET)])
def test_nothing_is_drawn_unless_the_ratio_is_below_1(ratio, steps, monkeypatch):
    model, batch, calls = models.model(**MODEL), models.batch(), []
    plain = Decoder.step

    def counted(self, *arguments):
        jax.debug.callback(lambda: calls.append(1))
        return plain(self, *arguments)

    monkeypatch.setattr(Decoder, "step", counted)

    @jax.jit
    def run(ratio):
        return decoder_inputs(
            decoder_of(model), encoded(model, batch), batch.targets, StepOptions(ratio), jax.random.key(0)
        )

    jax.block_until_ready(run(jnp.asarray(ratio)))
    jax.effects_barrier()
    assert len(calls) == steps


def test_at_ratio_0_the_decoder_reads_its_free_running_output(feed):
    for seed in range(5):
        previous, guesses, predicted = feed(models.batch(seed), 0.0)
        np.testing.assert_array_equal(previous[:, 0], BOS)
        np.testing.assert_array_equal(previous[:, 1:], guesses[:, :-1])
        for row_inputs, row_output in zip(previous, predicted, strict=True):
            until = row_output.tolist().index(EOS) + 1 if EOS in row_output else TARGET
            assert row_inputs[1 : until + 1].tolist() == row_output[: min(until, TARGET - 1)].tolist()


def test_between_each_input_is_the_true_token_or_the_prediction_from_the_inputs_before(feed):
    true_share, mixed, count = 0, 0, 0
    for seed in range(50):
        batch = models.batch(seed)
        previous, guesses, _ = feed(batch, 0.5, seed)
        true, guess = np.asarray(previous_tokens(batch.targets))[:, 1:], guesses[:, :-1]
        assert np.all((previous[:, 1:] == true) | (previous[:, 1:] == guess))
        differ = true != guess
        is_true = (previous[:, 1:] == true) & differ
        true_share, count = true_share + np.sum(is_true), count + np.sum(differ)
        mixed += np.sum(np.any(is_true, axis=1) & np.any(differ & ~is_true, axis=1))
    assert count > 800
    assert true_share / count == pytest.approx(0.5, abs=0.06)  # 3.4 standard deviations
    assert mixed > 0.8 * 50 * BATCH  # sampled for each token, not for each sequence


def test_the_guesses_are_made_with_the_noise_that_the_loss_is_computed_with():
    model, batch, rate = models.model("lstm", "dot"), models.batch(), jnp.asarray(0.4)

    @jax.jit
    def run(batch, key):
        decoder, memory = decoder_of(model), encoded(model, batch)
        noise = decoder.noise(Rates(*[rate] * 6), key, BATCH, TARGET, SOURCE)
        previous = decoder_inputs(decoder, memory, batch.targets, StepOptions(jnp.asarray(0.0)), key, noise=noise)
        return previous, *(
            jnp.argmax(decoder(memory, previous, None, decoder_noise)[0], axis=-1)
            for decoder_noise in (noise, NO_NOISE)
        )

    previous, noisy, without = jax.device_get(run(batch, jax.random.key(0)))
    np.testing.assert_array_equal(previous[:, 1:], noisy[:, :-1])
    assert np.any(noisy != without)


def test_the_draw_is_a_function_of_the_key(feed):
    batch = models.batch()
    first, again, other = (feed(batch, 0.5, seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_no_gradient_passes_through_the_tokens_that_are_drawn():
    model, batch = models.model(**MODEL), models.batch()

    @jax.jit
    def gradients(ratio, key):
        memory = encoded(model, batch)
        previous = decoder_inputs(decoder_of(model), memory, batch.targets, StepOptions(ratio), key)

        def as_drawn(states, table):
            changed = altered(decoder_of(model), table, "embed", "embedding")
            seen = dataclasses.replace(memory, states=states)
            return jnp.sum(
                jnp.square(
                    changed(seen, decoder_inputs(changed, seen, batch.targets, StepOptions(ratio), key), None)[0]
                )
            )

        def as_given(states, table):
            changed = altered(decoder_of(model), table, "embed", "embedding")
            return jnp.sum(jnp.square(changed(dataclasses.replace(memory, states=states), previous, None)[0]))

        arguments = memory.states, decoder_of(model).embed.embedding[...]
        return [jax.grad(loss, argnums=(0, 1))(*arguments) for loss in (as_drawn, as_given)]

    actual, wanted = gradients(jnp.asarray(0.5), jax.random.key(0))
    assert np.any(np.asarray(actual[0]) != 0)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-12), actual, wanted)


def sampled_inputs(ratio: float, count: int = 50, unit: float = 0.0, feedback: Feedback = "argmax"):
    """Return, for `count` batches, the inputs from the second on, the true tokens, and the logits before them."""
    model = models.model(**MODEL)

    @jax.jit
    def run(batch, key):
        decoder, memory = decoder_of(model), encoded(model, batch)
        options = StepOptions(jnp.asarray(ratio), jnp.asarray(unit))
        previous = decoder_inputs(decoder, memory, batch.targets, options, key, feedback=feedback)
        return previous[:, 1:], previous_tokens(batch.targets)[:, 1:], decoder(memory, previous, None)[0][:, :-1]

    actual = [jax.device_get(run(models.batch(seed), jax.random.key(seed))) for seed in range(count)]
    return [np.concatenate(arrays) for arrays in zip(*actual, strict=True)]


def test_by_sequence_all_tokens_of_a_target_are_true_or_none_is():
    previous, true, logits = sampled_inputs(0.5, unit=1.0)
    guess = np.argmax(logits, axis=-1)
    all_true, all_guessed = np.all(previous == true, axis=1), np.all(previous == guess, axis=1)
    assert np.all(np.logical_or(all_true, all_guessed))
    assert np.mean(all_true) == pytest.approx(0.5, abs=0.12)  # 3.4 standard deviations


def test_samples_follow_the_distribution_of_the_model():
    previous, _, logits = sampled_inputs(0.0, 200, feedback="sample")
    shares = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    likely = np.argmax(logits, axis=-1)
    of_best = np.take_along_axis(shares, likely[..., None], axis=-1)[..., 0]
    spread = np.sqrt(np.sum(of_best * (1 - of_best)))
    assert abs(np.sum(previous == likely) - np.sum(of_best)) < 3.5 * spread
    of_inputs = np.take_along_axis(shares, previous[..., None], axis=-1)[..., 0]
    wanted = np.sum(shares**2, axis=-1)  # the mean probability of a sampled token
    assert abs(np.mean(of_inputs - wanted)) < 3.5 * np.std(of_inputs - wanted) / np.sqrt(of_inputs.size)
    assert np.mean(previous != likely) > 0.02


@pytest.mark.parametrize("feedback", ["argmax", "sample"])
def test_draws_do_not_depend_on_how_the_batch_is_shared_or_padded(feedback):
    model, batch = models.model(**MODEL), models.batch()
    options = StepOptions(jnp.asarray(0.4), jnp.asarray(0.0))

    @jax.jit
    def run(batch, key):
        def of(shard):
            part = shard.rows(batch)
            return decoder_inputs(
                decoder_of(model), encoded(model, part), part.targets, options, key, shard, feedback=feedback
            )

        return of(WHOLE), jnp.concatenate([of(Shard(k, 2)) for k in range(2)])

    whole, parts = run(batch, jax.random.key(3))
    np.testing.assert_array_equal(whole, parts)
    wider = dataclasses.replace(batch, targets=jnp.pad(batch.targets, ((0, 0), (0, 2))))
    np.testing.assert_array_equal(run(wider, jax.random.key(3))[0][:, :TARGET], whole)


@pytest.mark.parametrize("changes", [{"granularity": "sequence"}, {"feedback": "sample"}, {"ratio": 0.25}])
def test_the_options_decide_what_the_decoder_reads_in_training(changes, monkeypatch):
    """The options determine the tokens that the loss of an update reads."""
    forcing = TeacherForcingOptions(**{"schedule": "constant", "ratio": 0.5, **changes})
    model, batch, key = models.build(TOKENS, "gru", "dot", teacher_forcing=forcing), models.batch(), jax.random.key(5)
    numbers = TeacherForcing.of(forcing)
    assert numbers is not None
    ratio, whole = jnp.asarray(forcing.ratio, jnp.float32), jnp.asarray(numbers.per_sequence)
    assert whole == (forcing.granularity == "sequence")
    other: Feedback = "argmax" if forcing.feedback == "sample" else "sample"
    wrong: list[tuple[StepOptions, Feedback]] = [
        (StepOptions(ratio, 1 - whole), forcing.feedback),
        (StepOptions(jnp.asarray(0, jnp.float32), whole), forcing.feedback),
        (StepOptions(ratio, whole), other),
    ]
    tokens_read, plain = [], Decoder.__call__

    def watched(self, memory, tokens, *rest):
        tokens_read.append(tokens)
        return plain(self, memory, tokens, *rest)

    monkeypatch.setattr(Decoder, "__call__", watched)

    @jax.jit
    def run():
        decoder, memory = decoder_of(model), encoded(model, batch)
        model.loss(batch, key, StepOptions(numbers.probability(jnp.asarray(0)), whole))
        of_head = jax.random.split(jax.random.split(key)[1])[0]
        cases = [(StepOptions(ratio, whole), forcing.feedback), *wrong]
        return tokens_read[0], [
            decoder_inputs(decoder, memory, batch.targets, options, of_head, feedback=feedback)
            for options, feedback in cases
        ]

    tokens, (wanted, *others) = run()
    np.testing.assert_array_equal(tokens, wanted)
    assert all(np.any(np.asarray(read) != np.asarray(wanted)) for read in others)


def probabilities(options: TeacherForcingOptions, steps: np.ndarray) -> np.ndarray:
    numbers = TeacherForcing.of(options)
    assert numbers is not None
    return np.asarray(jax.vmap(numbers.probability)(jnp.asarray(steps, jnp.int32)))


@pytest.mark.parametrize(
    ("options", "ratio"),
    [
        (TeacherForcingOptions("never"), 0),
        (TeacherForcingOptions("constant", 0.3), 0.3),
        (TeacherForcingOptions("constant", 1.0), 1),
    ],
)
def test_a_constant_probability_does_not_move(options, ratio):
    np.testing.assert_array_equal(probabilities(options, np.array([0, 1, 10**6])), np.float32(ratio))
    assert TeacherForcing.of(TeacherForcingOptions()) is None


@pytest.mark.parametrize("half_life", [1.0, 7.0, 1000.0, 1e6])
@pytest.mark.parametrize("schedule", FALLING)
def test_a_falling_probability_is_one_half_at_its_half_life_and_ends_at_the_least(schedule, half_life):
    options = TeacherForcingOptions(schedule, half_life=half_life)
    actual = probabilities(options, np.array([0, int(half_life), 100 * int(half_life)]))
    assert actual[1] == pytest.approx(0.5, abs=1e-6) and actual[2] < 1e-6
    assert actual[0] == pytest.approx(1, abs=0.5 if schedule == "inverse_sigmoid" else 0)
    floored = probabilities(
        TeacherForcingOptions(schedule, half_life=half_life, min_ratio=0.25), np.arange(0, 100, 7) * int(half_life)
    )
    np.testing.assert_array_equal(
        floored, np.maximum(probabilities(options, np.arange(0, 100, 7) * int(half_life)), 0.25)
    )
    assert np.all(np.diff(floored) <= 0) and floored[-1] == 0.25


def test_the_decays_are_those_of_the_paper():
    """Bengio et al. 2015: max(e, k - c i), k^i, k / (k + exp(i / k))."""
    steps = np.arange(0, 60)
    np.testing.assert_allclose(
        probabilities(TeacherForcingOptions("linear", half_life=20.0), steps), np.maximum(0, 1 - steps / 40), atol=1e-6
    )
    np.testing.assert_allclose(
        probabilities(TeacherForcingOptions("exponential", half_life=20.0), steps),
        (0.5 ** (1 / 20)) ** steps,
        rtol=1e-5,
    )
    k = 7.0
    half_life = float(k * np.log(k))
    actual = probabilities(TeacherForcingOptions("inverse_sigmoid", half_life=half_life), steps)
    np.testing.assert_allclose(actual, k / (k + np.exp(steps / k)), rtol=1e-5)
