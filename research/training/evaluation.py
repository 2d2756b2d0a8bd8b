"""Evaluate the trials of a pack on validation or test examples."""

import jax
import numpy as np

from research.tasks.task import Evaluation, HeldOut, Predictions, Task
from research.training.pack import Pack
from research.training.state import TrialState


def evaluate(pack: Pack, state: TrialState, task: Task, held_out: HeldOut) -> list[Evaluation]:
    """Return one evaluation per trial: teacher-forced and free-running metrics."""
    score, outputs = pack.predict(state, held_out.batch)
    predictions = Predictions(score.loss, score.errors, score.count, np.asarray(outputs), score.predictions)
    return [task.evaluate(jax.tree.map(lambda array, k=k: array[k], predictions), held_out) for k in range(pack.size)]
