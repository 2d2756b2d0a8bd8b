"""Evaluate the trials of a pack on validation or test examples."""

import jax
import numpy as np

from research.tasks.task import EvalExamples, Evaluation, Predictions, Task
from research.training.pack import Pack
from research.training.state import TrialState


def evaluate(pack: Pack, state: TrialState, task: Task, examples: EvalExamples) -> list[Evaluation]:
    """Return one evaluation per trial: teacher-forced and free-running metrics."""
    score, outputs = pack.predict(state, examples.batch)
    predictions = Predictions(score.loss, score.errors, score.count, np.asarray(outputs), score.predictions)
    return [task.evaluate(jax.tree.map(lambda array, k=k: array[k], predictions), examples) for k in range(pack.size)]
