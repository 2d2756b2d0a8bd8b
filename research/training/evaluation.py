"""Evaluate the trials of a pack on validation or test examples."""

from dataclasses import replace

import jax
import numpy as np

from research.errors import first_line
from research.tasks import task as tasks
from research.tasks.task import EvalExamples, Evaluation, Predictions, Task
from research.tracking import wandb_session as session
from research.training import processes
from research.training.pack import Pack
from research.training.samples import samples_of
from research.training.state import TrialState


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
    """Return the predictions of each trial."""
    score, outputs = pack.predict(state, examples.batch)
    predictions = Predictions(score.loss, score.errors, score.count, np.asarray(outputs), score.predictions)
    return [jax.tree.map(lambda array, k=k: array[k], predictions) for k in range(pack.size)]
