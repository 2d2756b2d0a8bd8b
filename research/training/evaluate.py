"""The held-out score of every trial of a pack."""

import jax
import numpy as np

from research.batch import Batch
from research.tasks.task import Evaluation, Outcome, Task
from research.training.pack import Pack
from research.training.step import TrialState


def evaluate(pack: Pack, state: TrialState, task: Task, held_out: Batch) -> list[Evaluation]:
    """Teacher-forced and free-running metrics, one evaluation a trial."""
    score, outputs = pack.predict(state, held_out)
    outcome = Outcome(score.loss, score.errors, score.count, np.asarray(outputs), score.likeliest)
    return [task.evaluate(jax.tree.map(lambda array, k=k: array[k], outcome)) for k in range(pack.size)]
