"""A run of any task gives predictions, alignments, parameters and its scores in Python."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import research
from research.errors import UserError
from research.inference.model import Model, load
from research.inference.predictor import Predictor
from research.seq2seq.decoding import Beam
from research.training.trainer import train_trials
from tests.inference import runs
from tests.training.trials import TINY

SIZES = {"task__length": 6, "model__hidden_size": 6}


@pytest.fixture(scope="module")
def speller(tmp_path_factory) -> Model:
    return load(runs.write(tmp_path_factory.mktemp("run")).path)


def test_a_run_is_loaded_where_other_code_computes_in_float64(speller, tmp_path):
    path = runs.write(tmp_path / "trial").path
    with jax.enable_x64(True):
        assert load(path).predict(["aab"]) == speller.predict(["aab"])


def test_a_model_is_shown_in_a_line_by_what_it_is(speller):
    cell, attention = speller.config.cell.name, speller.config.attention.name
    assert repr(speller).startswith(f"Model({cell}, 1 x 6 units, attention {attention}, for ")


def test_texts_are_predicted_as_by_their_arrays(speller):
    texts = ["abcd", "d", "abba"]
    predicted = speller.predict(texts)
    assert [len(text) > 0 for text in predicted] == [True] * 3 and len(set(predicted)) > 1
    arrays = [runs.SPELLING.encode(text) for text in texts]
    assert speller.predict(arrays) == predicted
    padded = np.stack([np.pad(array, (0, 6 - len(array))) for array in arrays])
    assert speller.predict(padded, lengths=[4, 1, 4]) == predicted
    assert speller.predict("abcd") == predicted[:1]
    assert speller.predict([]) == []


def test_a_beam_is_decoded_where_it_is_asked_for(speller):
    wanted = Predictor(speller._trained, Beam(beam_size=3)).outputs([runs.SPELLING.encode("abcd")])
    assert speller.predict(["abcd"], decoding=Beam(beam_size=3)) == [runs.SPELLING.decode(wanted[0][0].tokens)]


def test_alignments_have_a_row_for_each_token_and_the_end(speller):
    texts = ["abcd", "dc"]
    outputs = Predictor(speller._trained, speller.config.decoding).outputs([*map(runs.SPELLING.encode, texts)])
    for text, (output,), weights in zip(texts, outputs, speller.alignments(texts), strict=True):
        assert weights.shape == (len(output.sequence), len(text))
        np.testing.assert_allclose(np.sum(weights, axis=1), 1, rtol=1e-5)


def test_parameters_have_the_names_that_a_layer_takes(speller):
    parameters = speller.parameters()
    assert set(parameters) == {"encoder", "decoder"}
    layers = parameters["encoder"]["layer_1"]
    assert set(layers) == {"forward", "reverse"} and set(layers["forward"]) == {"w", "u", "b"}
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(parameters))
    embedded = parameters["encoder"]["embed"]["embedding"][runs.SPELLING.encode("abcd")][None]
    states = [
        research.Layer(speller.config.cell, layers[name])(embedded, reverse=name == "reverse")[0] for name in layers
    ]
    memory = speller._trained.merge().encoder(jnp.asarray(runs.SPELLING.encode("abcd")[None]), None)
    np.testing.assert_allclose(np.concatenate(states, axis=2), memory.states, atol=1e-6)


def test_parameters_of_stacked_layers_are_apart(tmp_path):
    changes = {"model__num_layers": 2, "model__layer_norm": True, "model__initial_state": "learned"}
    parameters = load(runs.write(tmp_path / "run", model__bidirectional=False, **changes).path).parameters()
    assert set(parameters["encoder"]["layer_1"]) == {"forward", "initial_carry"}
    assert set(parameters["encoder"]["layer_2"]) == {"forward", "initial_carry", "norm"}
    assert set(parameters["encoder"]["layer_2"]["initial_carry"]) == {"h"}
    assert set(parameters["decoder"]["layer_2"]["forward"]) == {"w", "u", "b"}


def test_a_class_is_predicted_by_probabilities_that_padding_does_not_change(tmp_path):
    model = load(runs.write_synthetic(tmp_path / "run", "delayed_recall", model__hidden_size=6).path)
    width = model._trained.spec.input_size
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(steps, width)) for steps in (3, 12, 5)]
    probabilities = model.predict(inputs)
    assert probabilities.shape == (3, model._trained.spec.target_size)
    np.testing.assert_allclose(np.sum(probabilities, axis=1), 1, rtol=1e-5)
    for row, array in zip(probabilities, inputs, strict=True):
        logits = model._trained.merge().output(jnp.asarray(array[None], np.float32), None)[0]
        np.testing.assert_allclose(row, jax.nn.softmax(logits), atol=1e-5)


def test_labels_are_predicted_for_each_step_and_values_as_they_are(tmp_path):
    model = load(runs.write_synthetic(tmp_path / "labels", "dyck", model__hidden_size=6).path)
    short, long = model.predict([np.array([0, 1, 1]), np.array([1, 0, 1, 0, 0])])
    assert (short.shape, long.shape) == ((3,), (5,))
    value = load(runs.write_synthetic(tmp_path / "value", "adding", **SIZES).path)
    batch = np.random.default_rng(0).normal(size=(2, 6, 2)).astype(np.float32)
    predicted = value.predict(batch, lengths=[6, 4])
    assert predicted.shape == (2, 1)
    wanted = value._trained.merge().output(jnp.asarray(batch), jnp.array([6, 4]))
    np.testing.assert_allclose(predicted, wanted, atol=1e-6)


def test_tokens_without_a_text_are_arrays(tmp_path):
    model = load(runs.write_synthetic(tmp_path / "run", "reverse", model__hidden_size=6, decoding__max_length=5).path)
    (predicted,) = model.predict([np.array([3, 4, 5])])
    assert predicted.dtype == np.int32 and len(predicted) <= 5


def test_scores_are_those_of_the_training(tmp_path):
    (result,) = train_trials([("trial", TINY)], tmp_path)
    summary = json.loads((result.path / "result.json").read_text())["summary"]
    metrics = load(result.path).evaluate("validation")
    assert metrics and metrics == {key: summary[f"validation/{key}"] for key in metrics}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([np.zeros((3, 2))], r"inputs\[0\]: is an array of float64 \[3, 2\]; must be tokens \[steps\]"),
        ([np.array([3]), np.array([7])], r"inputs\[1\]: must be tokens from 0 to 6"),
        ([np.zeros(0, int)], r"inputs\[0\]: has 0 steps; must have 1 to 60, 10 times"),
        (["ab!"], "ab!: must be of symbols that training had, not '!'"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(speller, inputs, message):
    with pytest.raises(UserError, match=message):
        speller.predict(inputs)


def test_what_a_model_does_not_have_is_refused(tmp_path):
    model = load(runs.write_synthetic(tmp_path / "run", "adding", **SIZES).path)
    for call, message in (
        (lambda: model.predict(["a text"]), "is a text; must be an array, as the task adding reads"),
        (lambda: model.predict([np.zeros((3, 2))], [1, 2]), "lengths: are 2; must be 1"),
        (lambda: model.predict([np.zeros((3, 2))], decoding=Beam()), "a model for adding has no decoder"),
        (lambda: model.predict([np.full((3, 2), np.nan)]), "must be finite numbers"),
        (lambda: model.alignments([np.zeros((3, 2))]), "attention.name=none has no weights"),
    ):
        with pytest.raises(UserError, match=message):
            call()
    for read in (research.load, research.load_runs):
        with pytest.raises(UserError, match="^absent: no such directory; `research train` and `research sweep` write"):
            read(Path("absent"))
