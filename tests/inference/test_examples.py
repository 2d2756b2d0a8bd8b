"""Examples with what a run predicts for them, and the attention and recordings that the page shows."""

import numpy as np
import pytest

from research.batch import FIRST_SYMBOL
from research.errors import UserError
from research.inference import examples
from research.inference.model import load
from research.training.evaluation import valid_input
from tests.inference import runs

SIZES = {"task__length": 6, "model__hidden_size": 6}


@pytest.mark.parametrize(("split", "ended"), [("test", [True, True, False]), ("validation", [True, False, True])])
def test_tokens_have_a_reference_a_prediction_and_an_alignment(split, ended, tmp_path):
    path = runs.write_synthetic(
        tmp_path / "run", "reverse", task__min_length=3, task__max_length=8, task__symbols=2
    ).path
    found = examples.predicted(path, split, 3)
    assert [example.alignment and example.alignment.predicted[-1] == "end" for example in found] == ended
    model = load(path)
    chosen = model.task().eval_examples(split, 3)
    inputs = [valid_input(chosen, row) for row in range(3)]
    tokens, weights = model.predict(inputs), model.alignments(inputs)
    for row, example in enumerate(found):
        assert example.line["example"] == f"example {row + 1}" and example.recording is None
        prediction = [int(token) for token in example.line["prediction"].split()]
        assert [token for token in prediction if token >= FIRST_SYMBOL] == list(tokens[row])
        shown = example.alignment
        assert shown is not None and list(shown.labels or ()) == example.line["input"].split()
        assert shown.weights.shape == (len(shown.predicted), len(shown.edges) - 1)
        np.testing.assert_array_equal(shown.weights, weights[row])


def test_a_model_without_a_decoder_has_no_alignment(tmp_path):
    path = runs.write_synthetic(tmp_path / "run", "adding", **SIZES).path
    first, second = examples.predicted(path, "test", 2)
    assert first.alignment is None and set(first.line) >= {"example", "reference", "prediction", "error"}
    assert first.line != second.line


def test_a_recording_whose_file_is_gone_is_left_out():
    class Spoken(runs.Unknown):
        def recording(self, examples, row):
            if row:
                raise UserError("gone")
            return np.zeros(3), 8000

    found = [examples._recording(Spoken(sizes=runs.FILES), None, row) for row in (0, 1)]  # pyright: ignore[reportArgumentType]
    assert found[0] is not None and found[1] is None


def test_a_run_without_a_checkpoint_has_no_examples(tmp_path):
    with pytest.raises(UserError, match="no such directory"):
        examples.predicted(tmp_path / "absent", "test", 3)
