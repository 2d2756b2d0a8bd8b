"""When trials stop early: W&B's Hyperband, decided at the same iteration for all trials.

At each band, every trial of the sweep pauses when it has recorded the metric so many times. Those that are worse than
the best 1/eta of all trials that have reached the band stop; the others continue from their checkpoint. W&B's agents
decide while trials run, by whichever trials have come so far. Here the decisions follow from the recorded metrics
alone, so they are the same after a stop, and with any executor.

Source: Li et al. 2018, and https://github.com/wandb/sweeps for the bands and the threshold.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from research.config.config import Config
from research.errors import UserError
from research.sweep.objective import Hyperband, Metric

MAX_BANDS = 100


class Decision(NamedTuple):
    """What a band decides."""

    threshold: float
    """Greatest value with which a trial continues, where less is better."""
    stopped: tuple[int, ...]
    """Indices of the trials that stop."""


def bands(options: Hyperband) -> list[int]:
    """Return the iterations at which trials are compared, in their order."""
    if options.max_iter is None:
        assert options.min_iter
        found = [options.min_iter * options.eta**k for k in range(MAX_BANDS)]
    else:
        assert options.s
        found = [options.max_iter / options.eta**k for k in range(1, options.s + 1)]
    return sorted({int(band) for band in found if band >= 1})


def decide(options: Hyperband, band: int, histories: Sequence[Sequence[float]]) -> Decision:
    """Return which trials stop at a band, by the recorded metric of each: less is better, NaN counts as infinite."""
    known = [[math.inf if math.isnan(value) else value for value in history] for history in histories]
    reached = {index: history[:band] for index, history in enumerate(known) if len(history) >= band}
    values = sorted(history[-1] for history in reached.values())
    threshold = values[int(len(values) / options.eta)] if values else math.inf
    of_trial = {index: history[-1] if options.strict else min(history) for index, history in reached.items()}
    return Decision(threshold, tuple(index for index, value in of_trial.items() if value > threshold))


def step_of(band: int, config: Config, metric: Metric) -> int:
    """Return the step at which a trial has recorded the metric so many times, and can pause.

    Raises:
        UserError: if the metric is recorded at the end alone, or the trial has a time limit.
    """
    training = config.training
    if training.max_seconds:
        raise UserError("early_terminate: needs trials without training.max_seconds")
    of_evaluation = metric.name.startswith("validation/")
    if of_evaluation and not training.eval_every:
        needs = "needs training.eval_every, the updates between two evaluations"
        raise UserError(f"early_terminate: {metric.name} is recorded at the end alone; it {needs}")
    step = band * (training.eval_every if of_evaluation else training.log_every)
    return step if config.completes_record(step) else -(-step // training.log_every) * training.log_every
