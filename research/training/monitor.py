"""The validation metric of a trial as it trains: its best evaluation, and whether the trial stops early."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from research.errors import UserError
from research.tasks.task import Evaluation
from research.tracking.directions import direction
from research.training.options import TrialOptions
from research.training.pack import Pack
from research.training.state import TrialState

PREFIX = "validation/"


@dataclass
class Best:
    """The best evaluation so far."""

    step: int
    value: float
    metrics: Mapping[str, float]
    """All metrics of the evaluation, without the name of the split."""
    state: TrialState | None = None
    """State of the trial at this step; None if only the last one is kept."""


class Monitor:
    """Counts the evaluations of a trial on validation data. All of it follows from the metrics that are recorded."""

    def __init__(self, options: TrialOptions, records: Iterable[Mapping[str, Any]] = ()) -> None:
        """Start, or continue after the records of a resumed run."""
        self.options = options
        self.best: Best | None = None
        self.stopped: int | None = None
        """Step at which the trial stopped early."""
        self.metric, self._sign, self._waited = "", 0, 0
        for record in records if options.monitored else ():
            metrics = {key.removeprefix(PREFIX): record[key] for key in record if key.startswith(PREFIX)}
            if metrics:
                self.observe(record["step"], metrics, last=any(key.startswith("test/") for key in record))

    def observe(self, step: int, metrics: Mapping[str, float], last: bool = False) -> bool:
        """Count an evaluation, and return whether it is the best so far. A NaN or an infinite value never is.

        `metrics` are without the name of the split; `last` is whether the training ends here anyway.
        """
        self.resolve(metrics)
        value, best = metrics[self.metric], self.best
        if math.isfinite(value) and (best is None or self._sign * (value - best.value) > 0):
            self.best, self._waited = Best(step, value, metrics), 0
            return True
        self._waited += 1
        if not last and self._waited == self.options.training.early_stopping_patience:
            self.stopped = step
        return False

    def resolve(self, names: Collection[str]) -> None:
        """Find the metric among those of an evaluation, and whether less or more of it is better.

        Raises:
            UserError: if none or several have the name, or if the name does not say what is better.
        """
        if self.metric:
            return
        key, mode = self.options.checkpoint.metric, self.options.checkpoint.mode
        name, known = key.removeprefix(PREFIX), [name for name in names if not name.startswith("baseline/")]
        found = [name] if name in known else [other for other in known if other.endswith(f"/{name}")]
        if len(found) != 1:
            raise UserError(f"checkpoint.metric={key}: must be one of {', '.join(found or known)}")
        if mode == "auto":
            mode = direction(found[0])
        if not mode:
            raise UserError(
                f"checkpoint.mode=auto: must be min or max, as the name {found[0]} does not say what is better"
            )
        self.metric, self._sign = found[0], 1 if mode == "max" else -1

    @property
    def kept(self) -> Best | None:
        """The evaluation whose weights are kept; None: the weights of the last update are."""
        return None if self.options.checkpoint.keep == "last" else self.best

    def outcome(self, step: int) -> dict[str, Any]:
        """Return what `result.json` says of the weights and of an early stop, after `step` updates."""
        name = f"{PREFIX}{self.metric}"
        weights: dict[str, Any] = {"kept": "last", "step": step}
        if self.kept:
            weights = {"kept": "best", "step": self.kept.step, "metric": name, "value": self.kept.value}
        if self.stopped is None:
            return {"weights": weights}
        best = {"best_step": self.best.step, "best_value": self.best.value} if self.best else {}
        return {"weights": weights, "stopped_early": {"step": self.stopped, "metric": name, **best}}

    def summary(self) -> dict[str, float]:
        """Return the best step and value, and the metrics of the weights that are kept where they are not the last."""
        summary = {f"{PREFIX}{name}": value for name, value in self.kept.metrics.items()} if self.kept else {}
        if self.best:
            summary |= {"best/step": self.best.step, "best/value": self.best.value}
        return summary if self.stopped is None else {**summary, "best/stopped_at": self.stopped}


class PackMonitor:
    """The monitors of the trials of a pack. A trial that has stopped makes no more updates, as if it had diverged."""

    def __init__(self, pack: Pack, monitors: Sequence[Monitor]) -> None:
        self._pack, self._monitors = pack, monitors
        self._on = pack.program.options.monitored

    @property
    def all_stopped(self) -> bool:
        return all(monitor.stopped is not None for monitor in self._monitors)

    @property
    def has_metric(self) -> bool:
        """Whether no metric is needed, or which one is known: each evaluation has a loss."""
        default = self._pack.program.options.checkpoint.metric == "loss"
        return not self._on or default or all(monitor.metric for monitor in self._monitors)

    def find_metric(self, evaluations: Sequence[Evaluation]) -> None:
        """Find the metric of each trial among those of an evaluation, or raise a `UserError`."""
        for monitor, evaluation in zip(self._monitors, evaluations, strict=True):
            monitor.resolve(evaluation.metrics)

    def needs_evaluation(self, state: TrialState) -> bool:
        """Return whether validation during training matters: an evaluation of stopped or diverged trials does not."""
        return not self._on or bool(np.any(jax.device_get(state.ok)))

    def observe(
        self, state: TrialState, step: int, evaluations: Sequence[Evaluation], last: bool = False
    ) -> TrialState:
        """Count an evaluation of each trial that trains, keep the best states, and return the states to go on with."""
        if not self._on:
            return state
        alive, fetched = jax.device_get(state.ok), None
        for k, (monitor, evaluation) in enumerate(zip(self._monitors, evaluations, strict=True)):
            if alive[k] and monitor.observe(step, evaluation.metrics, last) and monitor.kept:
                fetched = fetched or self._pack.fetch(state)
                monitor.kept.state = fetched[k]
        return self.retire_stopped(state)

    def retire_stopped(self, state: TrialState) -> TrialState:
        """Return the states, where trials that have stopped make no more updates."""
        return self._pack.retire(state, [k for k, monitor in enumerate(self._monitors) if monitor.stopped is not None])

    def fetch(self, state: TrialState) -> list[TrialState]:
        """Return the last state of each trial. One that has stopped has not diverged."""
        fetched = zip(self._monitors, self._pack.fetch(state), strict=True)
        return [one if monitor.stopped is None else replace(one, ok=np.bool_(True)) for monitor, one in fetched]

    def kept(self, state: TrialState, fetched: Sequence[TrialState]) -> TrialState:
        """Return the states that are kept; `fetched` are the last ones."""
        kept = [monitor.kept for monitor in self._monitors]
        if not any(kept):
            return state
        states = [best.state if best and best.state else one for best, one in zip(kept, fetched, strict=True)]
        return self._pack.place(states)
