"""What the trials of a pack predict for a few validation examples, for W&B."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from research.batch import EOS
from research.tasks.per_example import lines
from research.tasks.task import EvalExamples, Predictions, Task
from research.tracking.media import Alignment, Samples
from research.training.pack import Pack
from research.training.state import TrialState

EXAMPLES = 5
"""Examples that are shown; the first, the third and the last of them with an alignment."""


def samples_of(
    pack: Pack, state: TrialState, task: Task, examples: EvalExamples, predictions: Sequence[Predictions]
) -> list[Samples]:
    """Return the samples of each trial, of the same examples each time.

    The examples are spread evenly. As they are sorted, their inputs are short, middling and long.
    """
    count, spec, processor = len(examples.batch.inputs), task.spec, task.processor()
    rows = np.unique(np.linspace(0, count - 1, min(EXAMPLES, count)).round().astype(int)).tolist()
    columns = partial(_columns, examples)
    tables = [[*map(columns, rows, lines(processor, spec.target, examples, found, rows))] for found in predictions]
    weights: list[dict[int, np.ndarray]] = [{} for _ in predictions]
    if spec.target == "tokens" and pack.program.options.attention.has_weights:
        weights = _weights(pack, state, examples, predictions, rows[::2])
    recordings = partial(_recordings, task, examples, rows) if spec.inputs == "features" else list
    return [
        Samples(table, [Alignment(aligned[row], table[rows.index(row)]) for row in aligned], recordings)
        for table, aligned in zip(tables, weights, strict=True)
    ]


def _columns(examples: EvalExamples, row: int, line: dict[str, Any]) -> dict[str, Any]:
    """Return a line of `lines` as columns of text and numbers."""
    inputs, lengths = examples.batch.inputs, examples.batch.input_lengths
    columns = {"example": line.pop("source", f"example {row}").rpartition("/")[2]}
    if inputs.ndim == 2:  # tokens
        columns["input"] = line.pop("input", "") or _text(inputs[row][: None if lengths is None else lengths[row]])
    reference = line.pop("target")
    several = isinstance(line.get("edits"), int) and isinstance(reference, list)
    columns["reference"] = " | ".join(reference) if several else _text(reference)
    return columns | {"prediction": _text(line.pop("prediction")), **line}


def _text(value: Any) -> str:
    """Return text as it is, and numbers and labels with spaces between them."""
    if isinstance(value, str):
        return value
    return " ".join(f"{x:.6g}" if isinstance(x, float) else str(x) for x in np.ravel(value).tolist())


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
