"""What a trained model predicts for a few examples, with its attention and the recordings, for a report."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from research.batch import EOS
from research.data.field import Axis
from research.errors import UserError
from research.inference.answers import Texts, alignment_of
from research.inference.model import Model
from research.inference.predictor import Output, Predictor
from research.inference.restore import TrainedModel, restore
from research.reporting.interactive.examples import Example
from research.tasks.per_example import lines
from research.tasks.task import EvalExamples, Predictions, Split, Task
from research.training.evaluation import columns_of, text_of, valid_input

DIGITS = 4
"""Of a number on the page."""


def predicted(run: Path, split: Split, count: int) -> list[Example]:
    """Return the predictions for the first examples of a split of a run's task; this needs the corpus.

    Raises:
        UserError: if the run has no checkpoint, or its data cannot be read.
    """
    trained = restore(run)
    model = Model(trained)
    task = model.task()
    _, examples, predictions = model.score_on(task, split, count)
    rows = list(range(len(examples.batch.inputs)))
    told = list(lines(trained.processor, trained.spec.target, examples, predictions, rows))
    recordings = [_recording(task, examples, row) for row in rows]
    alignments = [None] * len(rows)
    if trained.spec.target == "tokens" and trained.config.attention.has_weights:
        alignments = _alignments(trained, examples, predictions, recordings)
    texts = [_texts(examples, row, line) for row, line in zip(rows, told, strict=True)]
    return [Example(*parts) for parts in zip(texts, alignments, recordings, strict=True)]


def _texts(examples: EvalExamples, row: int, line: dict[str, Any]) -> dict[str, str]:
    columns = columns_of(examples, row, {"source": f"example {row + 1}", **line}, DIGITS)
    return {key: text_of(value, DIGITS) for key, value in columns.items()}


def _recording(task: Task, examples: EvalExamples, row: int) -> tuple[np.ndarray, int] | None:
    """Return samples and sample rate; None where inputs are no audio, or its file is gone."""
    if task.spec.inputs == "features":
        with contextlib.suppress(UserError, OSError):
            return task.recording(examples, row)
    return None


def _alignments(trained: TrainedModel, examples: EvalExamples, predictions: Predictions, recordings: Any) -> list[Any]:
    """Return the attention of each example's output."""
    encoded = [valid_input(examples, row) for row in range(len(recordings))]
    outputs = []
    for tokens in predictions.outputs:
        end = int(np.argmax(tokens == EOS)) + 1 if EOS in tokens else len(tokens)
        outputs.append(Output(tuple(map(int, tokens[:end])), 0.0, 0.0, EOS in tokens))
    weights = Predictor(trained, trained.config.decoding).alignments(encoded, outputs)
    alignments = []
    for row, (source, output) in enumerate(zip(encoded, outputs, strict=True)):
        text = Texts([output], trained.processor)
        axis = _axis(trained, examples, row, recordings[row])
        alignments.append(alignment_of(trained, text, weights[row], axis, len(source), ""))
    return alignments


def _axis(trained: TrainedModel, examples: EvalExamples, row: int, recording: Any) -> Axis:
    """Return what stands along the input: its symbols, or the features that the model reads."""
    if examples.inputs and trained.processor:
        return trained.processor.axis(examples.inputs[row])
    source = valid_input(examples, row)
    if source.ndim == 1:
        return Axis(labels=list(map(str, source)), name="input")
    if recording:
        return Axis(picture=source.T, name="time (s)", extent=len(recording[0]) / recording[1])
    return Axis(picture=source.T, name="steps")
