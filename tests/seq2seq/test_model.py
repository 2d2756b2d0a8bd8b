"""The model's loss and errors, over valid tokens only, equal those of NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.batch import BOS, NO_LABEL, WHOLE, Batch, Shard, TaskSpec
from research.cells.initializers import InitOptions, InitScheme
from research.cells.lstm import LSTM
from research.recurrence.dropout import Rates
from research.seq2seq.decoding import Beam, Greedy, Sample
from research.seq2seq.heads import LinearHead, Score
from research.seq2seq.model import Seq2seq
from research.seq2seq.options import ModelOptions, Seq2seqOptions
from research.seq2seq.step_options import StepOptions
from research.seq2seq.teacher_forcing import previous_tokens
from tests.seq2seq import models
from tests.seq2seq.models import BATCH, SOURCE, SOURCE_LENGTHS, TARGET, TARGET_LENGTHS, TOKENS, decoder_of, encoded

STEPS, INPUTS = 4, 3


def cross_entropy(logits: np.ndarray, target: int) -> float:
    return float(np.log(np.sum(np.exp(logits - logits[target]))))


@pytest.fixture(scope="module")
def tokens():
    """Return a compiled function from a batch to the results, the logits and the decoding."""
    with jax.enable_x64(True):
        model = models.model("gru", "additive")

    @jax.jit
    def run(batch):
        memory, decoder = encoded(model, batch), decoder_of(model)
        logits, _ = decoder(memory, previous_tokens(batch.targets), batch.target_lengths)
        loss = model.loss(batch, jax.random.key(0))
        return logits, Greedy().resolve(TARGET)(decoder, memory).tokens[:, 0], model.predict(batch), loss

    return lambda batch: jax.device_get(run(batch))


def test_the_loss_is_the_cross_entropy_of_each_valid_token(tokens):
    batch = models.batch()
    logits, predicted, (score, outputs), (objective, (loss, error)) = tokens(batch)
    targets, losses, errors = np.asarray(batch.targets), *np.zeros((2, BATCH, TARGET))
    for row, length in enumerate(TARGET_LENGTHS):
        for u in range(length):
            losses[row, u] = cross_entropy(logits[row, u], targets[row, u])
            errors[row, u] = np.argmax(logits[row, u]) != targets[row, u]
    np.testing.assert_allclose(score.loss, losses, rtol=1e-12)
    np.testing.assert_array_equal(score.errors, errors)
    np.testing.assert_array_equal(score.predictions, np.argmax(logits, axis=-1))
    np.testing.assert_array_equal(score.count, TARGET_LENGTHS)
    np.testing.assert_array_equal(outputs, predicted)
    assert loss == objective == pytest.approx(np.sum(losses) / np.sum(TARGET_LENGTHS), rel=1e-12)
    assert error == pytest.approx(np.sum(errors) / np.sum(TARGET_LENGTHS), rel=1e-12)
    assert np.sum(errors) > 0


STRUCTURE = {"residual": True, "skip_connections": True, "layer_norm": True, "initial_state": "learned"}


def test_with_all_structure_and_noise_loss_errors_and_gradients_do_not_depend_on_padding():
    batch = models.batch()
    valid = np.arange(TARGET)[None, :] < np.array(TARGET_LENGTHS)[:, None]
    other = np.arange(SOURCE)[None, :] < np.array(SOURCE_LENGTHS)[:, None]
    filled = dataclasses.replace(
        batch, inputs=jnp.where(other, batch.inputs, 0), targets=jnp.where(valid, batch.targets, 0)
    )
    wider = dataclasses.replace(
        filled, inputs=jnp.pad(filled.inputs, ((0, 0), (0, 2))), targets=jnp.pad(filled.targets, ((0, 0), (0, 3)))
    )
    graphdef, state = nnx.split(models.model("lstm", "dot", num_layers=2, **STRUCTURE), nnx.Param)
    rates = Rates(*[jnp.asarray(0.3)] * 6)

    @jax.jit
    def run(state, batch):
        def loss(state):
            return nnx.merge(graphdef, state).loss(batch, jax.random.key(0), StepOptions(rates=rates))

        return jax.value_and_grad(loss, has_aux=True)(state)

    plain = run(state, batch)
    assert all(np.any(np.asarray(gradient) != 0) for gradient in jax.tree.leaves(plain[1]))
    for padded in (filled, wider):
        actual = run(state, padded)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-12), actual, plain)


def test_at_ratio_0_the_loss_is_that_of_the_tokens_which_the_model_feeds_itself():
    model, batch = models.model("gru", "additive"), models.batch()

    @jax.jit
    def run(ratio):
        memory, decoder = encoded(model, batch), decoder_of(model)
        state, previous, losses = decoder.start(memory), previous_tokens(batch.targets)[:, 0], []
        for _ in range(TARGET):
            logits, _, state = decoder.step(memory, state, previous)
            previous = jnp.argmax(logits, axis=1).astype(previous.dtype)
            losses.append(logits)
        return model.loss(batch, jax.random.key(0), StepOptions(ratio)), jnp.stack(losses, axis=1)

    (_, (loss, _)), logits = run(jnp.asarray(0.0))
    wanted = [
        cross_entropy(np.asarray(logits)[row, u], int(batch.targets[row, u]))
        for row, length in enumerate(TARGET_LENGTHS)
        for u in range(length)
    ]
    assert loss == pytest.approx(np.mean(wanted), rel=1e-12)


@pytest.mark.parametrize("target", ["class", "value"])
def test_a_class_or_a_value_is_read_from_the_last_state(target):
    size = {"class": 5, "value": 2}[target]
    model = models.build(TaskSpec("features", INPUTS, STEPS, target, size), "lstm", num_layers=2, bidirectional=True)
    rng = np.random.default_rng(0)
    inputs, lengths = jnp.asarray(rng.normal(size=(BATCH, STEPS, INPUTS))), jnp.array([4, 2, 0, 3], jnp.int32)
    classes, values = rng.integers(0, size, BATCH), rng.normal(size=(BATCH, size))
    batch = Batch(inputs, lengths, jnp.asarray(classes if target == "class" else values))
    head = model.head
    assert isinstance(head, LinearHead) and head.linear.bias is not None

    @jax.jit
    def run(batch):
        last = encoded(model, batch).carries[-1][0]
        return last, model.predict(batch), model.loss(batch, jax.random.key(0))

    last, (score, output), (_, (loss, error)) = jax.device_get(run(batch))
    wanted = last @ np.asarray(head.linear.kernel[...]) + np.asarray(head.linear.bias[...])
    np.testing.assert_allclose(output, wanted, rtol=0, atol=1e-12)
    if target == "class":
        losses = [cross_entropy(row, k) for row, k in zip(wanted, classes, strict=True)]
        errors = np.argmax(wanted, axis=1) != classes
    else:
        losses, errors = np.mean((wanted - values) ** 2, axis=1), np.mean(np.abs(wanted - values), axis=1)
    np.testing.assert_allclose(score.loss[:, 0], losses, rtol=1e-12)
    np.testing.assert_allclose(score.errors[:, 0], errors, rtol=1e-12)
    np.testing.assert_array_equal(score.count, 1)
    assert (loss, error) == pytest.approx((np.mean(losses), np.mean(errors)), rel=1e-12)


LABELS = TaskSpec("features", INPUTS, STEPS, "labels", 2, STEPS)
LENGTHS = (4, 2, 0, 3)


def labelled() -> Batch:
    """Return labels at some valid steps; the second sequence has none."""
    rng = np.random.default_rng(3)
    labeled = rng.random((BATCH, STEPS)) < 0.6
    labeled[1] = False
    labeled &= np.arange(STEPS)[None, :] < np.array(LENGTHS)[:, None]
    targets = np.where(labeled, rng.integers(0, 2, (BATCH, STEPS)), NO_LABEL)
    inputs, counts = jnp.asarray(rng.normal(size=(BATCH, STEPS, INPUTS))), np.sum(labeled, axis=1, dtype=np.int32)
    return Batch(inputs, jnp.array(LENGTHS, jnp.int32), jnp.asarray(targets, jnp.int32), jnp.asarray(counts))


def labeller(**options) -> Seq2seq:
    return models.build(LABELS, "lstm", num_layers=2, **options)


def test_a_label_is_read_from_the_state_at_its_step():
    model, batch = labeller(bidirectional=True, skip_connections=True), labelled()
    head = model.head
    assert isinstance(head, LinearHead) and head.linear.bias is not None

    @jax.jit
    def run(batch):
        return encoded(model, batch).states, model.predict(batch), model.loss(batch, jax.random.key(0))

    states, (score, predicted), (_, (loss, error)) = jax.device_get(run(batch))
    logits = states @ np.asarray(head.linear.kernel[...]) + np.asarray(head.linear.bias[...])
    targets, losses, errors = np.asarray(batch.targets), *np.zeros((2, BATCH, STEPS))
    for row, step in np.argwhere(targets != NO_LABEL):
        losses[row, step] = cross_entropy(logits[row, step], int(targets[row, step]))
        errors[row, step] = np.argmax(logits[row, step]) != targets[row, step]
    np.testing.assert_allclose(score.loss, losses, rtol=1e-12)
    np.testing.assert_array_equal(score.errors, errors)
    np.testing.assert_array_equal(score.count, batch.target_lengths)
    np.testing.assert_array_equal(predicted, np.argmax(logits, axis=2))
    count = np.sum(targets != NO_LABEL)
    assert (loss, error) == pytest.approx((np.sum(losses) / count, np.sum(errors) / count), rel=1e-12)
    assert 0 < np.sum(errors) < count


def test_a_label_depends_on_no_later_step():
    model, batch = labeller(), labelled()

    @jax.jit
    def run(inputs, step):
        def logits(inputs):
            memory = model.encoder(inputs, batch.input_lengths)
            return jnp.take(model.head(memory), step, axis=1)

        return jax.jacrev(logits)(inputs)

    for step in range(STEPS):
        jacobian = np.asarray(run(batch.inputs, step))  # [B, V, B, S, D]
        for row, length in enumerate(LENGTHS):
            moves = np.any(jacobian[row, :, row] != 0, axis=(0, 2))
            np.testing.assert_array_equal(moves, (np.arange(STEPS) <= step) & (step < length))


def test_loss_and_gradients_of_labels_do_not_depend_on_padding():
    batch = labelled()
    filled = jnp.where((jnp.arange(STEPS)[None, :] < jnp.array(LENGTHS)[:, None])[:, :, None], batch.inputs, 9.0)
    wider = dataclasses.replace(
        batch,
        inputs=jnp.pad(filled, ((0, 0), (0, 2), (0, 0)), constant_values=7.0),
        targets=jnp.pad(batch.targets, ((0, 0), (0, 2)), constant_values=NO_LABEL),
    )
    graphdef, state = nnx.split(labeller(bidirectional=True), nnx.Param)

    @jax.jit
    def run(state, batch):
        def loss(state):
            return nnx.merge(graphdef, state).loss(batch, jax.random.key(0))

        return jax.value_and_grad(loss, has_aux=True)(state)

    plain, padded = run(state, batch), run(state, wider)
    assert all(np.any(np.asarray(gradient) != 0) for gradient in jax.tree.leaves(plain[1]))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-12), plain, padded)


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_the_parts_of_a_batch_add_up_to_the_whole(ratio):
    batch = models.batch()
    graphdef, state = nnx.split(models.model("gru", "additive"), nnx.Param)

    @jax.jit
    def run(state):
        def loss(state, shard):
            return nnx.merge(graphdef, state).loss(
                batch, jax.random.key(1), StepOptions(jnp.asarray(ratio)), shard=shard
            )

        whole, *parts = (
            jax.value_and_grad(loss, has_aux=True)(state, shard) for shard in (WHOLE, Shard(0, 2), Shard(1, 2))
        )
        return whole, jax.tree.map(jnp.add, *parts)

    whole, total = run(state)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-14), total, whole)


def test_a_batch_without_a_token_has_no_loss_and_no_error():
    batch = dataclasses.replace(models.batch(), target_lengths=jnp.zeros(BATCH, jnp.int32))
    model = models.model("gru", "none")
    assert jax.jit(lambda: model.loss(batch, jax.random.key(0)))() == (0, (0, 0))


def test_the_config_says_how_the_model_writes_and_whoever_asks_may_say_otherwise():
    decoding = Beam(beam_size=2, max_length=4)
    batch = models.batch()
    model = models.build(TOKENS, "gru", "dot", decoding=decoding)

    @jax.jit
    def run(key):
        beams, predicted = model.decode(batch.inputs, batch.input_lengths), model.predict(batch)[1]
        sampled = model.decode(batch.inputs, batch.input_lengths, Sample().resolve(4), key=key)
        return beams, predicted, sampled

    beams, predicted, sampled = run(jax.random.key(0))
    assert beams.tokens.shape == (BATCH, 2, 4) and sampled.tokens.shape == (BATCH, 1, 4)
    np.testing.assert_array_equal(predicted, beams.tokens[:, 0])
    assert np.any(np.asarray(sampled.tokens) != np.asarray(run(jax.random.key(1))[2].tokens))


def test_the_alignment_is_that_of_the_predicted_tokens():
    model, batch = models.model("gru", "additive"), models.batch()

    @jax.jit
    def run():
        predicted = model.decode(batch.inputs, batch.input_lengths).tokens[:, 0]
        actual = model.alignment(batch.inputs, batch.input_lengths, predicted)
        decoder, memory = decoder_of(model), encoded(model, batch)
        state, previous, wanted = decoder.start(memory), jnp.full((BATCH,), BOS, jnp.int32), []
        for u in range(TARGET):
            _, weights, state = decoder.step(memory, state, previous)
            previous = predicted[:, u]
            wanted.append(weights)
        return actual, jnp.stack(wanted, axis=1)

    actual, wanted = run()
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=1e-12)
    sums = np.broadcast_to(np.array(SOURCE_LENGTHS)[:, None] > 0, actual.shape[:2])
    np.testing.assert_allclose(np.sum(actual, axis=2), sums, atol=1e-12)


def test_a_tie_of_logits_is_decided_by_the_arg_max_of_decoding():
    targets = jnp.array([[3, 0]], jnp.int32)
    score = Score.of(jnp.zeros((1, 2, 5)), targets, jnp.ones((1, 2), bool))
    np.testing.assert_array_equal(score.errors, [[1, 0]])


def test_the_reported_loss_is_without_label_smoothing_and_the_objective_with_it():
    rng = np.random.default_rng(0)
    logits, targets = jnp.asarray(rng.normal(size=(2, 3, 5))), jnp.asarray(rng.integers(0, 5, (2, 3)))
    valid = jnp.array([[True, True, False], [True, True, True]])
    plain, smoothed = (Score.of(logits, targets, valid, smoothing) for smoothing in (None, jnp.asarray(0.25)))
    np.testing.assert_array_equal(plain.objective, plain.loss)
    np.testing.assert_array_equal(smoothed.loss, plain.loss)
    spread = -np.mean(np.asarray(jax.nn.log_softmax(logits)), axis=2)
    wanted = np.where(valid, 0.75 * np.asarray(plain.loss) + 0.25 * spread, 0)
    np.testing.assert_allclose(smoothed.objective, wanted, rtol=1e-12)


def test_chrono_provides_for_the_length_that_each_layer_reads():
    """The biases are logarithms of numbers up to T - 1; 300 units come close to it."""
    spec = TaskSpec("features", INPUTS, 4000, "tokens", 5, 8)
    options = Seq2seqOptions(ModelOptions(300, subsampling="convolution", subsampling_factor=4), LSTM())
    with jax.enable_x64(False):
        rngs = nnx.Rngs(params=jax.random.key(0))
        model = Seq2seq(options, spec, InitScheme.of(InitOptions("identity", bias="chrono")), rngs)
    forget = slice(300, 600)
    assert LSTM().gates[1] == LSTM().keep_gate
    for stack, length in ((model.encoder.stack, 1000), (decoder_of(model).stack, 8)):
        largest = np.exp(np.max(np.asarray(stack.layers[0][0].b[...])[forget]))
        assert 0.95 * (length - 1) < largest < length
