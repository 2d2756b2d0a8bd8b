"""Evaluate the trials of a pack on validation or test examples."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np

from research.batch import EOS
from research.errors import first_line
from research.tasks import task as tasks
from research.tasks.per_example import lines
from research.tasks.task import EvalExamples, Evaluation, Predictions, Task
from research.tracking import wandb_session as session
from research.tracking.media import Alignment, Samples
from research.training import processes
from research.training.pack import Pack
from research.training.state import TrialState

EXAMPLES = 5
"""Examples of which W&B shows predictions; the first, the third and the last of them with an alignment."""


def evaluate(pack: Pack, state: TrialState, task: Task, examples: EvalExamples) -> list[Evaluation]:
    """Return one evaluation per trial: teacher-forced and free-running metrics, and samples for W&B if it is on."""
    predictions = predict(pack, state, examples)
    count = len(examples.batch.inputs)
    evaluations = [replace(tasks.evaluate(task, found, examples), num_examples=count) for found in predictions]
    mode = pack.program.options.wandb.mode
    if examples.split == "test" or not processes.from_first(lambda: session.mode_of(mode) != "disabled"):
        return evaluations
    try:
        samples = samples_of(pack, state, task, examples, predictions)
    except Exception as error:  # nobody's training ends as it cannot be looked at
        session.warn(f"W&B: no samples of predictions: {first_line(error)}")
        return evaluations
    return [replace(evaluation, samples=found) for evaluation, found in zip(evaluations, samples, strict=True)]


def predict(pack: Pack, state: TrialState, examples: EvalExamples) -> list[Predictions]:
    score, outputs = pack.predict(state, examples.batch)
    predictions = Predictions(score.loss, score.errors, score.count, np.asarray(outputs), score.predictions)
    return [jax.tree.map(lambda array, k=k: array[k], predictions) for k in range(pack.size)]


def samples_of(
    pack: Pack, state: TrialState, task: Task, examples: EvalExamples, predictions: Sequence[Predictions]
) -> list[Samples]:
    """Return the samples of each trial, of the same examples each time.

    The examples are spread evenly. As they are sorted, their inputs are short, middling and long.
    """
    count, spec, processor = len(examples.batch.inputs), task.spec, task.processor()
    rows = np.unique(np.linspace(0, count - 1, min(EXAMPLES, count)).round().astype(int)).tolist()
    columns = partial(columns_of, examples)
    tables = [[*map(columns, rows, lines(processor, spec.target, examples, found, rows))] for found in predictions]
    weights: list[dict[int, np.ndarray]] = [{} for _ in predictions]
    if spec.target == "tokens" and pack.program.options.attention.has_weights:
        weights = _weights(pack, state, examples, predictions, rows[::2])
    recordings = partial(_recordings, task, examples, rows) if spec.inputs == "features" else list
    return [
        Samples(table, [Alignment(aligned[row], table[rows.index(row)]) for row in aligned], recordings)
        for table, aligned in zip(tables, weights, strict=True)
    ]


def columns_of(examples: EvalExamples, row: int, line: dict[str, Any], digits: int = 6) -> dict[str, Any]:
    """Return a line of `lines` as columns of text and numbers."""
    columns = {"example": line.pop("source", f"example {row}").rpartition("/")[2]}
    if examples.batch.inputs.ndim == 2:  # tokens
        columns["input"] = line.pop("input", "") or text_of(valid_input(examples, row), digits)
    reference = line.pop("target")
    several = isinstance(line.get("edits"), int) and isinstance(reference, list)
    columns["reference"] = " | ".join(reference) if several else text_of(reference, digits)
    return columns | {"prediction": text_of(line.pop("prediction"), digits), **line}


def text_of(value: Any, digits: int) -> str:
    """Return text as it is, and numbers and labels with spaces between them."""
    if isinstance(value, str):
        return value
    return " ".join(f"{x:.{digits}g}" if isinstance(x, float) else str(x) for x in np.ravel(value).tolist())


def valid_input(examples: EvalExamples, row: int) -> np.ndarray:
    """Return an input without padding."""
    lengths = examples.batch.input_lengths
    return examples.batch.inputs[row][: None if lengths is None else lengths[row]]


def _weights(
    pack: Pack, state: TrialState, examples: EvalExamples, predictions: Sequence[Predictions], rows: list[int]
) -> list[dict[int, np.ndarray]]:
    """Return the attention weights [U, S] of some examples of each trial, without padding."""
    batch, lengths = examples.batch, examples.batch.input_lengths
    outputs = np.stack([found.outputs[rows] for found in predictions])
    weights = pack.align(state, batch.inputs[rows], None if lengths is None else lengths[rows], outputs)
    ends = outputs == EOS
    tokens = np.where(ends.any(axis=2), ends.argmax(axis=2) + 1, outputs.shape[2])
    states = np.full(len(rows), weights.shape[3])
    if lengths is not None:
        states = -(-lengths[rows] // pack.program.options.model.shortening)
    return [
        {row: weights[k, place, : tokens[k, place], : states[place]] for place, row in enumerate(rows)}
        for k in range(len(predictions))
    ]


def _recordings(task: Task, examples: EvalExamples, rows: Sequence[int]) -> list[tuple[np.ndarray, int]]:
    """Return samples and sample rate of each example; [] if inputs are no audio."""
    return [recording for row in rows if (recording := task.recording(examples, row))]
