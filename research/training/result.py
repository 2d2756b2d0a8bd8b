"""The content of `result.json`: how a trial ended, its summary, tables of errors and environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from research.tasks.task import Evaluation
from research.training import devices
from research.training.state import TrialState
from research.training.trial import Trial

TABLES = ("by_length", "by_position", "signatures")
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


def compose(trial: Trial, pack: PackResult, state: TrialState, test: Evaluation) -> dict[str, Any]:
    """Return the result of one trial, without its summary."""
    result = {
        "status": "finished" if state.ok else "diverged",
        "steps": pack.step,
        "seconds": pack.seconds,
        "hidden_size": trial.options.model.hidden_size,
        "parameters": count_parameters(state),
        "padding": trial.task.padding,
        "input_wait": None if pack.waited is None else pack.waited / pack.seconds,
        **{name: getattr(test, name) for name in TABLES},
    }
    result = {key: value for key, value in result.items() if value is not None and value != {}}
    result["diverged_at"] = None if state.ok else int(state.step) + 1
    if profiled := [name for name, probe in trial.options.probes.enabled().items() if probe.reads_profiles]:
        result["profiles"] = dict.fromkeys(profiled, trial.options.state_profile)
    shards = {"batch_shards": pack.batch_shards, "backend": pack.backend}
    return {**result, "environment": {**devices.environment(trial.config), **shards}}


def count_parameters(state: TrialState) -> int:
    """Return the number of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(state.params))


def summarize_probes(trial: Trial, records: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """Return each probe's summary of its first and last record: `section/initial/…` and `section/final/…`."""
    summary: dict[str, float] = {}
    for name, probe in trial.options.probes.enabled().items():
        for when, record in zip(("initial", "final"), (*records[name][:1], *records[name][-1:]), strict=False):
            numbers = probe.summarize(record, trial.options.state_profile)
            summary |= {f"{probe.section}/{when}/{key}": value for key, value in numbers.items()}
    return summary
