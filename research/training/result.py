"""The content of `result.json`: how a trial ended, its summary, tables of errors and environment."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from research.tasks.task import Evaluation
from research.training import devices
from research.training.monitor import Monitor
from research.training.state import TrialState
from research.training.step import Record, Sums
from research.training.trial import Trial

TABLES = ("num_examples", "sampling", "by_length", "by_position", "signatures")
"""Fields of an evaluation that are copied unchanged."""


@dataclass(frozen=True)
class PackResult:
    """How the training of a pack ended."""

    step: int
    """Number of updates."""
    states: Sequence[TrialState]
    test: Sequence[Evaluation]
    """Evaluation of each trial on test data."""
    seconds: float
    """Duration in this process, with evaluation and saving."""
    waited: float | None
    """Seconds in which the devices were idle because they waited for batches; None: the task reads none."""
    batch_shards: int
    """Shards of each batch."""
    backend: str
    """Implementation of the recurrence: scan, associative or cudnn."""


def compose(
    trial: Trial,
    pack: PackResult,
    state: TrialState,
    test: Evaluation,
    fault: Mapping[str, Any],
    monitor: Monitor,
    origin: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the result of one trial, without its summary.

    `fault` is that of its failed update, if it diverged; `origin` the run that it started from, if any.
    """
    saved = monitor.stopped or pack.step  # the last checkpoint; that of a trial that diverged has its last good state
    result = {
        "status": "finished" if state.ok else "diverged",
        "steps": saved if state.ok else int(state.step),
        **monitor.outcome(saved),
        "started_from": {**origin},
        "seconds": pack.seconds,
        "hidden_size": trial.options.model.hidden_size,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        "padding": trial.task.padding,
        "input_wait": None if pack.waited is None else pack.waited / pack.seconds,
        **{name: getattr(test, name) for name in TABLES},
    }
    result = {key: value for key, value in result.items() if value is not None and value != {}}
    result["diverged_at"] = None if state.ok else int(state.step) + 1
    if fault:
        result["diverged_because"] = _explain(fault, state, trial.options.training.divergence_loss)
        result["loss_before"] = fault["loss_before"]
    if profiled := [name for name, probe in trial.options.probes.enabled().items() if probe.has_state_profile]:
        result["profiles"] = dict.fromkeys(profiled, trial.options.state_profile)
    shards = {"batch_shards": pack.batch_shards, "backend": pack.backend}
    return {**result, "environment": {**devices.environment(trial.config), **shards}}


def find_fault(record: Record, sums: Sums, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was not finite in a failed update, as JSON values, and the loss before it.

    `sums` are over the updates since `summary` was written, the failed one included.
    """
    good = float(sums.updates) - 1
    return {
        "loss": float(record.objective),
        "gradients": np.flatnonzero(~np.isfinite(record.grad_norms)).tolist(),
        "weights": np.flatnonzero(~np.isfinite(record.param_norms)).tolist(),
        "loss_before": float(sums.good_loss) / good if good else summary.get("train/loss"),
    }


def _explain(fault: Mapping[str, Any], state: TrialState, ceiling: float) -> str:
    """Return in words what was not finite first: the loss, a gradient or a weight."""
    loss = float(fault["loss"])
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    if not loss <= np.float32(ceiling):
        return f"the loss is {loss:.4g}, above training.divergence_loss={ceiling:g}"
    kind, places = next(((kind, fault[kind]) for kind in ("gradients", "weights") if fault[kind]), ("weights", []))
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(state.params)]
    names = [jax.tree_util.keystr(paths[place], simple=True, separator=".").removesuffix(".value") for place in places]
    more = f" and of {len(names) - 1} more weights" if names[1:] else ""
    return (
        f"the {'gradient' if kind == 'gradients' else 'new value'} of {(*names, 'all weights')[0]}{more} is not finite"
    )


def summarize_probes(trial: Trial, records: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """Return each probe's summary of its first and last record: `section/initial/…` and `section/final/…`."""
    summary: dict[str, float] = {}
    for name, probe in trial.options.probes.enabled().items():
        for when, record in zip(("initial", "final"), (*records[name][:1], *records[name][-1:]), strict=False):
            numbers = probe.summary_of(record, trial.options.state_profile)
            summary |= {f"{probe.section}/{when}/{key}": value for key, value in numbers.items()}
    return summary
