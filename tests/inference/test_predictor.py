"""What an input gives is what the model gives for it alone, however inputs are put together."""

from collections import Counter
from itertools import chain, pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from research.batch import EOS, FIRST_SYMBOL, PAD, Batch
from research.errors import UserError
from research.inference import predictor
from research.inference.predictor import Output, Predictor, _outputs, batches
from research.inference.restore import TrainedModel, restore
from research.seq2seq.decoding import Beam, Decoding, Greedy, Hypotheses, Sample
from research.seq2seq.options import ModelOptions
from tests.inference import runs
from tests.training.trials import counting_compilations


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> TrainedModel:
    return restored(tmp_path_factory.mktemp("run"))


def restored(folder: Path, spec=runs.TEXT, **changes) -> TrainedModel:
    processor = runs.SPELLING if spec is runs.TEXT else runs.RECORDINGS
    return restore(runs.write(folder, spec, processor, zoneout__hidden=0.1, **changes).path)


def words(count: int, *lengths: int) -> list[np.ndarray]:
    """Return words of these lengths, one after the other; of random lengths up to 30 by default."""
    rng = np.random.default_rng(0)
    sizes = [lengths[number % len(lengths)] if lengths else rng.integers(1, 31) for number in range(count)]
    return [rng.integers(FIRST_SYMBOL, 7, size, np.int32) for size in sizes]


def alone(model: TrainedModel, decoding: Decoding, inputs: list[np.ndarray]) -> list[list[Output]]:
    """Decode with the model itself, input after input, without padding or neighbors."""
    resolved = decoding.resolve(model.spec.target_length)

    @jax.jit
    def decode(word: Array) -> Hypotheses:
        return model.merge().decode(word[None], jnp.array([len(word)]), resolved, model.rates)

    return [_outputs(jax.device_get(decode(word)), 0) for word in inputs]


def assert_same(outputs: list[list[Output]], wanted: list[list[Output]]) -> None:
    sequences = [[[output.sequence for output in many] for many in both] for both in (outputs, wanted)]
    assert sequences[0] == sequences[1]
    for output, other in zip(chain(*outputs), chain(*wanted), strict=True):
        assert output.finished == other.finished
        scores = (other.score, other.log_probability)
        assert (output.score, output.log_probability) == pytest.approx(scores, rel=2e-4)


@pytest.fixture(scope="module")
def beam(trained) -> Predictor:
    return Predictor(trained, Beam(beam_size=3), 3)


def test_outputs_are_those_of_an_input_alone(trained):
    inputs = words(12, 3, 11)
    outputs = Predictor(trained, Greedy()).outputs(inputs)
    assert_same(outputs, alone(trained, Greedy(), inputs))
    assert len({many[0].sequence for many in outputs}) > 6  # the model tells them apart


def test_outputs_of_a_beam_are_those_of_an_input_alone_the_best_first(trained, beam):
    inputs = words(12, 3, 11)
    outputs = beam.outputs(inputs)
    assert_same(outputs, alone(trained, Beam(beam_size=3), inputs))
    for many in outputs:
        assert len({output.sequence for output in many}) == len(many) == 3
        assert all(output.score >= other.score for output, other in pairwise(many))
    beam.n_best = 2
    assert beam.outputs(inputs) == [many[:2] for many in outputs]
    beam.n_best = 3


def test_a_log_probability_is_that_of_the_tokens_given_the_input(trained, beam):
    word = words(1, 11)[0]
    output = beam.outputs([word])[0][0]
    targets, sizes = jnp.array([output.sequence]), jnp.array([len(output.sequence)])
    batch = Batch(jnp.asarray(word)[None], jnp.array([len(word)]), targets, sizes)
    score, _ = jax.jit(lambda batch: trained.merge().predict(batch, trained.rates))(batch)
    assert output.log_probability == pytest.approx(-float(jnp.sum(score.loss)), rel=1e-4)


def test_draws_depend_on_seed_and_input_and_on_nothing_else(trained):
    inputs = words(8, 8, 3, 5)
    sampler = Predictor(trained, Sample(temperature=2.0), 4, seed=1)
    together = sampler.outputs(inputs)
    assert_same([sampler.outputs([word])[0] for word in inputs], together)
    sampler.key = Predictor(trained, Sample(temperature=2.0), 4, seed=2).key
    assert sum(first != second for first, second in zip(together, sampler.outputs(inputs), strict=True)) > 4
    assert len({output.sequence for many in together for output in many}) > 8
    assert all(first.score >= second.score for many in together for first, second in pairwise(many))


def test_draws_follow_the_distribution(trained):
    draws = Predictor(trained, Sample(max_length=2), 1000).outputs(words(1))[0]
    count = Counter((output.sequence, output.log_probability) for output in draws)
    assert len(count) > 5
    for (_, log_probability), number in count.items():
        assert number / 1000 == pytest.approx(np.exp(log_probability), abs=0.06)


def test_an_output_without_its_end_is_not_finished(trained):
    outputs = Predictor(trained, Greedy(max_length=3)).outputs(words(9))
    for (output,) in outputs:
        assert output.finished == (output.sequence[-1] == EOS)
        assert len(output.sequence) <= 3
    assert {output.finished for (output,) in outputs} == {True, False}


def test_marks_are_no_text():
    assert Output((PAD, 3, 1, 5, EOS), 0.0, 0.0, True).tokens == [3, 5]


def test_lengths_that_leave_no_output_are_refused(trained):
    with pytest.raises(UserError, match=r"decoding.min_length=7: must be at most 7|decoding.min_length=8"):
        Predictor(trained, Greedy(min_length=8))


@pytest.mark.parametrize(
    "changes", [{}, {"model__subsampling": "pyramid", "model__num_layers": 3}], ids=["none", "pyramid"]
)
def test_alignments_are_those_of_an_input_alone(changes, tmp_path):
    model = restored(tmp_path / "run", **changes)
    inputs = words(4, 5, 11)
    outputs = [Output((*tokens, EOS), 0.0, 0.0, True) for tokens in ([3, 4, 5], [5, 5, 3], [4, 4, 4], [3, 5, 3])]

    @jax.jit
    def align(word: Array, tokens: Array) -> Array:
        return model.merge().alignment(word[None], jnp.array([len(word)]), tokens[None], model.rates)[0]

    alignments = Predictor(model, Greedy()).alignments(inputs, outputs)
    for word, output, weights in zip(inputs, outputs, alignments, strict=True):
        wanted = align(word, np.array(output.sequence))
        assert weights.shape == wanted.shape == (len(output.sequence), -(-len(word) // model.config.model.shortening))
        np.testing.assert_allclose(weights, wanted, atol=1e-5)
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)


def test_features_go_the_same_way(tmp_path):
    model = restored(tmp_path / "run", runs.FILES)
    rng = np.random.default_rng(0)
    recordings = [rng.normal(size=(steps, 2)).astype(np.float32) for steps in (3, 40)]
    outputs = Predictor(model, Greedy()).outputs(recordings)
    assert_same(outputs, alone(model, Greedy(), recordings))


def test_no_input_is_left_out_and_a_batch_is_bounded():
    inputs = words(150, *range(1, 301, 7)) + words(1, 3)
    taken = []
    for places, padded, lengths in batches(inputs, 2048):
        rows, width = padded.shape
        assert rows in predictor.ROWS and width & (width - 1) == 0
        assert rows == 1 or rows * width <= 2048
        for row, place in enumerate(places):
            assert padded[row, : lengths[row]].tolist() == inputs[place].tolist()
            assert not padded[row, lengths[row] :].any()
        assert np.all(lengths >= 1)
        taken += places
    assert sorted(taken) == list(range(151))


def test_few_programs_are_compiled_for_many_lengths(trained):
    greedy = Predictor(trained, Greedy())
    inputs = words(64)
    with counting_compilations() as compilations:
        greedy.outputs(inputs)
        first = len(compilations)
        for count in (64, 40, 20, 9):
            greedy.outputs(words(count))
    assert len(compilations) == first


@pytest.mark.parametrize(
    ("model", "factor"),
    [
        (ModelOptions(), 1),
        (ModelOptions(subsampling="convolution", subsampling_factor=6, num_layers=2), 6),
        (ModelOptions(subsampling="mean", subsampling_factor=3, num_layers=3), 9),
    ],
)
def test_a_state_stands_for_as_many_steps_as_the_encoder_makes_one(model, factor):
    assert model.shortening == factor
