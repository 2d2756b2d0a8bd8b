"""What an input gives is what the model gives for it alone, however inputs are put together."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jaxtyping import Array

from research.batch import END, FIRST_SYMBOL, PAD, Batch
from research.config import DecodingConfig, ModelConfig
from research.errors import UserError
from research.predicting import predictor
from research.predicting.predictor import Output, Predictor, _outputs, batches, shortening
from research.predicting.restored import Restored, restore
from research.seq2seq import search
from research.seq2seq.model import Seq2seq
from research.seq2seq.search import Hypotheses
from research.tasks.pronunciation import Pronunciation
from tests import quick
from tests.predicting import runs
from tests.training.trials import counting_compilations

BEAM = DecodingConfig(method="beam", beam_size=3)
SAMPLE = DecodingConfig(method="sample", temperature=2.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Restored:
    return restored(tmp_path_factory.mktemp("run"))


def restored(folder: Path, interface=runs.TEXT, **changes) -> Restored:
    reader = runs.SPELLING if interface is runs.TEXT else runs.Sounds()
    return restore(runs.make(folder, interface, reader, training__zoneout_h=0.1, **changes).path)


def words(count: int, *lengths: int) -> list[np.ndarray]:
    """Of these lengths in turn; of any up to 30 where none is given."""
    rng = np.random.default_rng(0)
    sizes = [lengths[number % len(lengths)] if lengths else rng.integers(1, 31) for number in range(count)]
    return [rng.integers(FIRST_SYMBOL, 7, size, np.int32) for size in sizes]


def alone(model: Restored, decoding: DecodingConfig, inputs: list[np.ndarray]) -> list[list[Output]]:
    """Decoded by the model itself one by one, without padding or neighbours."""
    how = search.create(decoding, model.interface.target_length)

    @quick.jit
    def decode(word: Array) -> Hypotheses:
        return merged(model).decode(word[None], jnp.array([len(word)]), how, model.rates)

    return [_outputs(jax.device_get(decode(word)), 0) for word in inputs]


def merged(model: Restored) -> Seq2seq:
    return nnx.merge(model.graphdef, model.params)


def assert_same(found: list[list[Output]], wanted: list[list[Output]]) -> None:
    assert [[one.said for one in many] for many in found] == [[one.said for one in many] for many in wanted]
    pairs = [
        (one, other)
        for many, others in zip(found, wanted, strict=True)
        for one, other in zip(many, others, strict=True)
    ]
    for one, other in pairs:
        assert one.finished == other.finished
        assert (one.score, one.log_probability) == pytest.approx((other.score, other.log_probability), rel=2e-4)


@pytest.fixture(scope="module")
def beam(trained) -> Predictor:
    return Predictor(trained, BEAM, 3)


def test_outputs_are_those_of_each_input_alone(trained):
    inputs = words(12, 3, 11)
    found = Predictor(trained, DecodingConfig()).outputs(inputs)
    assert_same(found, alone(trained, DecodingConfig(), inputs))
    assert len({many[0].said for many in found}) > 6  # the model tells them apart


def test_outputs_of_a_beam_are_those_of_each_input_alone_the_best_first(trained, beam):
    inputs = words(12, 3, 11)
    found = beam.outputs(inputs)
    assert_same(found, alone(trained, BEAM, inputs))
    for many in found:
        assert len({one.said for one in many}) == len(many) == 3
        assert all(one.score >= other.score for one, other in pairwise(many))
    beam.n_best = 2
    assert beam.outputs(inputs) == [many[:2] for many in found]
    beam.n_best = 3


def test_a_log_probability_is_that_of_the_tokens_given_the_input(trained, beam):
    word = words(1, 11)[0]
    output = beam.outputs([word])[0][0]
    targets, sizes = jnp.array([output.said]), jnp.array([len(output.said)])
    batch = Batch(jnp.asarray(word)[None], jnp.array([len(word)]), targets, sizes)
    score, _ = quick.jit(lambda batch: merged(trained).predict(batch, trained.rates))(batch)
    assert output.log_probability == pytest.approx(-float(jnp.sum(score.loss)), rel=1e-4)


def test_draws_depend_on_seed_and_input_and_on_nothing_else(trained):
    inputs = words(8, 8, 3, 5)
    how = Predictor(trained, SAMPLE, 4, seed=1)
    together = how.outputs(inputs)
    assert_same([how.outputs([word])[0] for word in inputs], together)
    how.key = Predictor(trained, SAMPLE, 4, seed=2).key
    assert sum(one != two for one, two in zip(together, how.outputs(inputs), strict=True)) > 4
    assert len({one.said for many in together for one in many}) > 8
    assert all(one.score >= two.score for many in together for one, two in pairwise(many))


def test_draws_follow_the_distribution(trained):
    drawn = Predictor(trained, DecodingConfig(method="sample", max_length=2), 1000).outputs(words(1))[0]
    count = Counter((one.said, one.log_probability) for one in drawn)
    assert len(count) > 5
    for (_, log_probability), number in count.items():
        assert number / 1000 == pytest.approx(np.exp(log_probability), abs=0.06)


def test_an_output_without_its_end_is_not_finished(trained):
    outputs = Predictor(trained, DecodingConfig(max_length=3)).outputs(words(9))
    for (one,) in outputs:
        assert one.finished == (one.said[-1] == END)
        assert len(one.said) <= 3
    assert {one.finished for (one,) in outputs} == {True, False}


def test_marks_are_no_text():
    assert Output((PAD, 3, 1, 5, END), 0.0, 0.0, True).tokens == [3, 5]


def test_lengths_that_leave_no_output_are_refused(trained):
    with pytest.raises(UserError, match=r"decoding.min_length=7: must be at most 7|decoding.min_length=8"):
        Predictor(trained, DecodingConfig(min_length=8))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model__subsampling": "convolution", "model__subsampling_factor": 3},
        {"model__subsampling": "pyramid", "model__layers": 3},
    ],
    ids=["none", "convolution", "pyramid"],
)
def test_alignments_are_those_of_each_input_alone(changes, tmp_path):
    model = restored(tmp_path / "run", **changes)
    inputs = words(4, 5, 11)
    how = Predictor(model, DecodingConfig())
    outputs = [Output((*said, END), 0.0, 0.0, True) for said in ([3, 4, 5], [5, 5, 3], [4, 4, 4], [3, 5, 3])]

    @quick.jit
    def align(word: Array, said: Array) -> Array:
        return merged(model).alignment(word[None], jnp.array([len(word)]), said[None], model.rates)[0]

    for word, output, weights in zip(inputs, outputs, how.alignments(inputs, outputs), strict=True):
        wanted = align(word, np.array(output.said))
        assert weights.shape == wanted.shape == (len(output.said), -(-len(word) // shortening(model.config.model)))
        np.testing.assert_allclose(weights, wanted, atol=1e-5)
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)


def test_features_go_the_same_way(tmp_path, monkeypatch):
    monkeypatch.setattr(Pronunciation, "reader", runs.Sounds)
    model = restored(tmp_path / "run", runs.FILES)
    rng = np.random.default_rng(0)
    sounds = [rng.normal(size=(steps, 2)).astype(np.float32) for steps in (3, 40)]
    found = Predictor(model, DecodingConfig()).outputs(sounds)
    assert_same(found, alone(model, DecodingConfig(), sounds))


def test_no_input_is_left_out_and_a_batch_is_bounded():
    inputs = words(150, *range(1, 301, 7)) + words(1, 3)
    seen = []
    for places, padded, lengths in batches(inputs, 2048):
        rows, width = padded.shape
        assert rows in predictor.ROWS and width & (width - 1) == 0
        assert rows == 1 or rows * width <= 2048
        for row, place in enumerate(places):
            assert padded[row, : lengths[row]].tolist() == inputs[place].tolist()
            assert not padded[row, lengths[row] :].any()
        assert np.all(lengths >= 1)
        seen += places
    assert sorted(seen) == list(range(151))


def test_few_programs_are_compiled_for_many_lengths(trained):
    how = Predictor(trained, DecodingConfig())
    inputs = words(64)
    with counting_compilations() as compilations:
        how.outputs(inputs)
        first = len(compilations)
        for count in (64, 40, 20, 9):
            how.outputs(words(count))
    assert len(compilations) == first


@pytest.mark.parametrize(
    ("model", "factor"),
    [
        (ModelConfig(), 1),
        (ModelConfig(subsampling="convolution", subsampling_factor=6, layers=2), 6),
        (ModelConfig(subsampling="mean", subsampling_factor=3, layers=3), 9),
    ],
)
def test_a_state_stands_for_as_many_steps_as_the_encoder_makes_one(model, factor):
    assert shortening(model) == factor
