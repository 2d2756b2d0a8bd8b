"""The tasks that are drawn at random, in all their definitions, and small."""

from functools import cache

import numpy as np

from research import tasks
from research.batch import Batch
from research.tasks.synthetic import SyntheticTask
from research.tasks.task import EvalExamples, Evaluation, Predictions

COUNT = 4000
SMALL: dict[str, SyntheticTask] = {
    "copy": tasks.Copy(min_length=2, max_length=5, bits=3),
    "repeat_copy": tasks.RepeatCopy(max_length=3, max_repeats=4, bits=2),
    "reverse": tasks.Reverse(min_length=2, max_length=6, symbols=5),
    "copying_memory": tasks.CopyingMemory(delay=4, num_memorized=3, symbols=5),
    "selective_copying": tasks.SelectiveCopying(noise=5, num_memorized=3, symbols=4),
    "adding": tasks.Adding(length=11),
    "adding, pascanu": tasks.Adding(length=30, definition="pascanu_2013"),
    "adding, hochreiter": tasks.Adding(length=30, definition="hochreiter_1997"),
    "multiplication": tasks.Multiplication(length=30),
    "temporal_order": tasks.TemporalOrder(length=40),
    "temporal_order, three": tasks.TemporalOrder(length=40, symbols=3),
    "temporal_order, pascanu": tasks.TemporalOrder(length=40, definition="pascanu_2013"),
    "temporal_order, pascanu's code": tasks.TemporalOrder(length=40, definition="pascanu_2013_code"),
    "temporal_order, three, pascanu's code": tasks.TemporalOrder(length=40, symbols=3, definition="pascanu_2013_code"),
    "delayed_recall": tasks.DelayedRecall(delay=5, distractors=4, classes=3),
    "dyck": tasks.Dyck(length=12, kinds=2, depth=3),
}


@cache
def eval_examples(task: SyntheticTask, count: int = COUNT) -> EvalExamples:
    return task.eval_examples("test", count)


def examples(task: SyntheticTask, count: int = COUNT) -> Batch[np.ndarray]:
    """Return examples of the test split."""
    return eval_examples(task, count).batch


def evaluate(task: SyntheticTask, errors: np.ndarray) -> Evaluation:
    """Return the metrics of predictions with these errors and a loss as large; the target is no sequence of tokens."""
    count = np.ones(len(errors)) if task.target_kind != "labels" else counts(examples(task, len(errors)))
    return task.evaluate(Predictions(errors, errors, count, errors), eval_examples(task, len(errors)))


def lengths(batch: Batch[np.ndarray]) -> np.ndarray:
    """Return the steps of each input."""
    return np.full(len(batch.inputs), batch.inputs.shape[1]) if batch.input_lengths is None else batch.input_lengths


def counts(batch: Batch[np.ndarray]) -> np.ndarray:
    """Return the tokens or labels of each target."""
    assert batch.target_lengths is not None
    return batch.target_lengths


def rows(batch: Batch[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return each input and target, without what is past their lengths."""
    ends = [None] * len(batch.targets) if batch.target_lengths is None else batch.target_lengths
    pairs = zip(batch.inputs, lengths(batch), batch.targets, ends, strict=True)
    return [(source[:step], target if end is None else target[:end]) for source, step, target, end in pairs]
