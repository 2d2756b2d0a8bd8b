"""What a pack leaves behind: each trial's records in its run directory and, under the same names, in W&B."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

import jax
import numpy as np

from research.config import Config
from research.probes.gradient_flow import summarise
from research.recurrent.cell import create as create_cell
from research.tasks.task import Evaluation
from research.tracking.runs import RunDirectory, Stem
from research.tracking.wandb import WandbRun
from research.training import checkpoint, devices
from research.training.budget import Stopwatch
from research.training.step import Record, TrialState

SUMS = ("steps", "loss", "error", "gradient_norm", "clipped", "gradient_regulariser")


@dataclass(frozen=True)
class Trial:
    """A trial and its place on disk."""

    name: str
    config: Config
    run: RunDirectory

    @property
    def checkpoints(self) -> Path:
        return self.run.path / "checkpoint"

    def check_records(self) -> None:
        """See now, not after hours, that a begun run can go on.

        Raises:
            UserError: if a record cannot be read.
        """
        for stem in get_args(Stem):
            self.run.records(stem)


@dataclass(frozen=True)
class _Pending:
    """What a call of the program gives."""

    start: int
    stop: int
    record: Record
    last: bool
    seconds: float
    """Of training until `stop`; 0 where only what waits for it can tell."""


class Journal:
    """Writes a pack's records; what is pending is fetched from the device only when it is collected."""

    def __init__(self, trials: Sequence[Trial], config: Config, start: int, watch: Stopwatch) -> None:
        """Go on with the records of trials that stand at a step.

        Args:
            watch: runs while the pack trains; a trial's `train/seconds` are its share.
        """
        self._trials = trials
        self._config = config
        self._start = start
        self._watch = watch
        self._pending: _Pending | None = None
        self._cell = create_cell(config.model.cell, config.cell)
        self._sums = [dict.fromkeys(SUMS, 0.0) for _ in trials]
        self._flow: list[dict[str, float]] = [{} for _ in trials]
        for trial in trials:
            trial.run.truncate(start if start else -1)
        self._wandb = [
            WandbRun(trial.run.path, trial.name, trial.config, trial.run.path.parent.name, start) for trial in trials
        ]

    def pend(self, start: int, stop: int, record: Record, last: bool = False) -> None:
        """Hold the record of updates `start` to `stop`, which may still be under way.

        Args:
            last: no update follows.
        """
        assert self._pending is None, "collect first"
        known = self._watch.seconds if self._watch.budget else 0.0
        self._pending = _Pending(start, stop, record, last, known)

    def collect(self) -> int:
        """Wait for what is pending and write it; the updates that it stands for, over all trials."""
        if self._pending is None:
            return 0
        pending, self._pending = self._pending, None
        host = jax.device_get(pending.record)
        seconds = (pending.seconds or self._watch.elapsed) / len(self._trials)
        for k in range(len(self._trials)):
            own = Record(**{f.name: np.asarray(getattr(host, f.name))[k] for f in fields(host)})
            self._write(k, replace(pending, record=own, seconds=seconds))
        return (pending.stop - pending.start) * len(self._trials)

    def log_evaluations(self, step: int, evaluations: list[Evaluation]) -> None:
        for k, evaluation in enumerate(evaluations):
            self._log(k, step, {**evaluation.metrics, "train/seconds": self._watch.elapsed / len(self._trials)})

    def save(self, step: int, states: list[TrialState]) -> None:
        """Write checkpoints: the trials can go on from here."""
        for trial, state in zip(self._trials, states, strict=True):
            checkpoint.save(trial.checkpoints, step, state)

    def finish(
        self,
        steps: int,
        states: list[TrialState],
        evaluations: list[Evaluation],
        seconds: float,
        shares: Mapping[str, float | None] | None = None,
    ) -> None:
        """Write each trial's result: the trial is done.

        Args:
            steps: updates since the start of the training.
            seconds: that the pack took, in this process.
            shares: of what the input costs, those that there are: `padding` of the steps of batches, of source and
                target, `input_wait` of the seconds, in which the device had nothing to do for want of input.
        """
        made = (steps - self._start) * len(self._trials)
        for k, (trial, state, evaluation) in enumerate(zip(self._trials, states, evaluations, strict=True)):
            flow = trial.run.records("gradient_flow")
            status = "finished" if state.ok else "diverged"
            summary = {
                **{key: value for record in trial.run.records("metrics") for key, value in record.items()},
                **_flow_summary(flow, self._cell.state, "initial", 0),
                **_flow_summary(flow, self._cell.state, "final", -1),
                **({"steps_per_second": made / seconds} if made else {}),
                "model/parameters": sum(leaf.size for leaf in jax.tree.leaves(state.params)),
            }
            summary.pop("step", None)
            self._wandb[k].gradient_flow(flow)
            self._wandb[k].finish(status, summary)
            diverged_at = None if state.ok else int(state.step) + 1
            result = {"status": status, "steps": steps, "diverged_at": diverged_at, "seconds": seconds}
            model = self._config.model
            result |= {"features": model.features, "parameters": summary["model/parameters"]}
            result |= {"readout": model.readout} if model.readout else {}
            result |= {name: share for name, share in (shares or {}).items() if share is not None}
            names = ("by_length", "by_position", "signatures")
            result |= {name: part for name in names if (part := getattr(evaluation, name))}
            environment = {**devices.environment(), "batch_shards": trial.run.batch_shards()}
            trial.run.finish({**result, "summary": summary, "environment": environment})

    def _write(self, k: int, made: _Pending) -> None:
        record = made.record
        if record.steps == 0:
            return  # it had diverged before
        every = self._config.probes.gradient_flow_every
        if every and (made.start % every == 0 or made.last):
            flow = {part: record.profile[:, index] for index, part in enumerate(self._cell.parts)}
            self._trials[k].run.append("gradient_flow", {"step": made.start, **flow})
            summary = {f"gradient/{key}": value for key, value in summarise(flow[self._cell.state]).items()}
            self._flow[k] = {"gradient/profile_step": made.start, **summary}
        sums = self._sums[k]
        for key in SUMS:
            sums[key] += float(getattr(record, key))
        if made.stop % self._config.training.log_every == 0 or made.last or not record.ok:
            count = sums["steps"]
            metrics = {
                **self._flow[k],
                "train/loss": sums["loss"] / count,
                "train/error": sums["error"] / count,
                "train/learning_rate": float(record.learning_rate),
                "gradient/global_norm": sums["gradient_norm"] / count,
                "gradient/clipped_share": sums["clipped"] / count,
                "train/seconds": made.seconds,
            }
            if self._config.training.gradient_regulariser:
                metrics["train/gradient_regulariser"] = sums["gradient_regulariser"] / count
            if self._config.task.decodes:
                metrics["train/teacher_forcing"] = float(record.teacher_forcing)
            self._sums[k], self._flow[k] = dict.fromkeys(SUMS, 0.0), {}
            self._log(k, made.stop if record.ok else int(record.good) + 1, metrics)  # the update that failed counts

    def _log(self, k: int, step: int, metrics: dict[str, float]) -> None:
        self._trials[k].run.append("metrics", {"step": step, **metrics})
        self._wandb[k].log(step, metrics)


class Bystander:
    """The journal of a process that only computes: it keeps step with the devices and writes nothing."""

    def __init__(self) -> None:
        self._pending: Record | None = None

    def pend(self, start: int, stop: int, record: Record, last: bool = False) -> None:
        self._pending = record

    def collect(self) -> int:
        jax.block_until_ready(self._pending)
        return 0

    def log_evaluations(self, step: int, evaluations: list[Evaluation]) -> None: ...

    def save(self, step: int, states: list[TrialState]) -> None: ...

    def finish(
        self,
        steps: int,
        states: list[TrialState],
        evaluations: list[Evaluation],
        seconds: float,
        shares: Mapping[str, float | None] | None = None,
    ) -> None: ...


def _flow_summary(flow: list[dict[str, Any]], part: str, when: str, index: int) -> dict[str, float]:
    if not flow:
        return {}
    return {f"gradient/{when}/{key}": value for key, value in summarise(flow[index][part]).items()}
