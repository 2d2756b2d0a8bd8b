"""Evaluate the trials of a pack on validation or test examples."""

import jax
import numpy as np

from research.tasks.task import EvalExamples, Evaluation, Predictions, Task
from research.training.pack import Pack
from research.training.state import TrialState


def evaluate(pack: Pack, state: TrialState, task: Task, examples: EvalExamples) -> list[Evaluation]:
    """Return one evaluation per trial: teacher-forced and free-running metrics."""
    return [task.evaluate(predictions, examples) for predictions in predict(pack, state, examples)]


def predict(pack: Pack, state: TrialState, examples: EvalExamples) -> list[Predictions]:
    """Return the predictions of each trial."""
    score, outputs = pack.predict(state, examples.batch)
    predictions = Predictions(score.loss, score.errors, score.count, np.asarray(outputs), score.predictions)
    return [jax.tree.map(lambda array, k=k: array[k], predictions) for k in range(pack.size)]
