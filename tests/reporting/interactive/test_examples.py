"""Examples of the page: one card for each, with the predictions of all variants and its recording."""

import base64
import io
import wave
from pathlib import Path

import numpy as np
import pandas as pd

from research.reporting.figures.alignment import Alignment
from research.reporting.interactive import examples
from research.reporting.interactive.examples import Example, cards
from research.tracking.run_directory import RunDirectory

SECTION = pd.DataFrame({"run": [RunDirectory(Path("a-0")), RunDirectory(Path("b-0"))], "row": ["a", "b"]})
VARIANTS = {"a": 0, "b": 1}
SAMPLES = np.array([0, 1000, -1000], np.int16)


def example(number: int, prediction: str, **parts) -> Example:
    line = {"example": f"x:{number}", "input": "word", "reference": "W ER D", "prediction": prediction, "edits": "1"}
    return Example(line, **parts)


def shown(*lists: list[Example]) -> list[dict]:
    (found,) = cards([SECTION], VARIANTS, dict(zip([Path("a-0"), Path("b-0")], lists, strict=False)))
    return found


def test_predictions_of_one_example_stand_next_to_each_other():
    found = shown([example(1, "W"), example(2, "X")], [example(1, "W ER"), example(2, "\x1b[31m")])
    assert [card["example"] for card in found] == ["x:1", "x:2"] and found[0]["reference"] == "W ER D"
    predictions = [(item["variant"], item["run"], item["line"]["prediction"]) for item in found[0]["predictions"]]
    assert predictions == [(0, "a-0", "W"), (1, "b-0", "W ER")]
    assert found[1]["predictions"][1]["line"]["prediction"] == r"\x1b[31m"
    assert shown([example(1, "W")])[0]["predictions"][0]["line"] == {"prediction": "W", "edits": "1"}


def test_a_recording_is_there_once_as_a_file_that_browsers_play(monkeypatch):
    recordings = [(SAMPLES, 8000), (SAMPLES / np.float32(2**15 - 1), 8000)]
    for recording in recordings:
        (card,) = shown([example(1, "W", recording=recording)], [example(1, "V", recording=recording)])
        with wave.open(io.BytesIO(base64.b64decode(card["audio"]))) as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (8000, 1, 2)
            np.testing.assert_allclose(np.frombuffer(sound.readframes(9), "<i2"), SAMPLES, atol=1)
    monkeypatch.setattr(examples, "MAX_AUDIO", 60)
    first, second = shown([example(1, "W", recording=(SAMPLES, 8000)), example(2, "W", recording=(SAMPLES, 8000))])
    assert "audio" in first and "audio" not in second


def test_an_alignment_has_its_labels_or_a_thinned_picture():
    weights, picture = np.array([[0.25, 0.75001]]), np.arange(2000.0).reshape(2, 1000)
    shared = {"weights": weights, "predicted": ["A"], "edges": np.array([0.0, 0.5, 1.0]), "name": "t", "title": ""}
    text = shown([example(1, "W", alignment=Alignment(**shared, labels=["w", "o"]))])[0]["predictions"][0]["alignment"]
    assert text == {
        "weights": [[0.25, 0.75]],
        "predicted": ["A"],
        "edges": [0.0, 0.5, 1.0],
        "name": "t",
        "labels": ["w", "o"],
    }
    audio = shown([example(1, "W", alignment=Alignment(**shared, picture=picture))])[0]["predictions"][0]["alignment"]
    assert np.shape(audio["picture"]) == (2, examples.MAX_PICTURE) and audio["kind"] == "audio"
