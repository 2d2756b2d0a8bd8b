"""Write the metrics, checkpoints and results of a pack to run directories and, under the same names, to W&B.

`result` defines the content of `result.json`, and `state` that of a checkpoint.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import numpy as np

from research.errors import UserError
from research.tasks.task import Evaluation, Split
from research.tracking.charts import Profiles
from research.tracking.run_directory import METRICS
from research.tracking.tensorboard import TensorBoardRun
from research.training import checkpoint, devices
from research.training.ending import finish_wandb, wandb_run
from research.training.monitor import Monitor
from research.training.result import PackResult, compose, find_fault, summarize_probes
from research.training.state import TrialState
from research.training.step import Record, Sums
from research.training.stopwatch import Stopwatch
from research.training.trial import Start, Trial, TrialResult, record_stems

ERROR_NAMES: Mapping[str, str] = {
    "tokens": "token_error_rate",
    "labels": "error_rate",
    "class": "error_rate",
    "value": "absolute_error",
}
"""Name of the training error by kind of target."""
SAVING_THREADS = 4
NO_SUMS = Sums(*[np.float32(0)] * 8)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class _Held:
    """The record of one call of the program."""

    start: int
    stop: int
    record: Record
    last: bool
    seconds: float
    """Seconds of the pack's training until `stop`; 0: known only when the record is computed."""


class _TrialJournal:
    """Records of one trial."""

    def __init__(self, trial: Trial, start: Start) -> None:
        self.trial, self.batch_shards, self.origin = trial, start.batch_shards, start.origin
        records = trial.run.rewind(record_stems(trial.options), start.snapshot)
        self.summary: dict[str, Any] = {}
        for record in records.get(METRICS, ()):
            self._summarize(record)
        self.seconds: float = self.summary.get("train/seconds", 0.0)
        """The trial's share of the seconds of training."""
        self.monitor = Monitor(trial.options, records.get(METRICS, ()))
        if kept := self.monitor.kept:
            kept.state = start.best or start.state
            if kept.step != start.snapshot["best"]:
                raise UserError(
                    f"{trial.run.checkpoints}: the best step is {kept.step} by the metrics; --restart trains anew"
                )
        self._saved = start.step if start.snapshot else None
        self._best_details: dict[str, Any] | None = None
        """Details of the checkpoint of the best evaluation, until it is saved."""
        self.probe_records = {name: records.get(name, []) for name in trial.options.probes.enabled()}
        environment = devices.environment(trial.config)
        before = start.snapshot.get("source", "")
        same = before.rpartition("+")[2] in ("", environment["source"])
        self.source: str = before or environment["source"] if same else f"{before}+{environment['source']}"
        """Fingerprint of the code that has trained it; of several, if it was resumed with other code."""
        self.wandb = wandb_run(trial.name, trial.config, trial.run, environment, self.origin, records.get(METRICS, ()))
        tensorboard = trial.options.tracking.tensorboard
        self.tensorboard: TensorBoardRun | None = None
        if tensorboard:
            self.tensorboard = TensorBoardRun(trial.run.path, records.get(METRICS, ()), self._profiles_so_far())
        self._profiles: Profiles | None = None
        """Profiles to draw with the next record."""
        self._fault: dict[str, Any] = dict(start.snapshot.get("fault", {}))
        self._sums: Any = NO_SUMS
        self._measured: dict[str, float] = {}
        """Metrics of probes since the last record."""

    @property
    def trains(self) -> bool:
        """Whether the trial has neither diverged nor stopped early."""
        return not self._fault and self.monitor.stopped is None

    def write(self, held: _Held) -> None:
        """Write what probes measured, and training metrics if they are due."""
        options, record = self.trial.options, held.record
        if record.sums.updates == 0:
            return  # diverged in an earlier call
        for name, probe in options.probes.enabled().items():
            if held.start % probe.every == 0 or held.last:
                measured = {"step": held.start, **record.probes[name]}
                self.probe_records[name].append(measured)
                self.trial.run.append(name, measured)
                if name == "gradient_flow":
                    found = Profiles(self.probe_records[name], options.state_profile)
                    self._profiles = replace(found, records=[*found.records]) if found.drawn else self._profiles
                numbers = probe.summary_of(measured, options.state_profile)
                self._measured[f"{probe.section}/profile_step"] = held.start
                self._measured |= {f"{probe.section}/{key}": value for key, value in numbers.items()}
        self._sums = jax.tree.map(np.add, self._sums, record.sums)
        if not record.ok:
            self._fault = find_fault(record, self._sums, self.summary)
        if options.completes_record(held.stop) or held.last or not record.ok:
            metrics = {**self._measured, **self._training_metrics(record), "train/seconds": self.seconds}
            self._sums, self._measured = NO_SUMS, {}
            # A trial that diverges is recorded at the step of the failed update.
            self.log(held.stop if record.ok else int(record.num_updates) + 1, metrics)

    def log(self, step: int, metrics: Mapping[str, float], samples: Any = None) -> None:
        """Write the metrics of a step, and show samples of predictions in W&B."""
        record = {"step": step, **metrics}
        self._summarize(record)
        self.trial.run.append(METRICS, record)
        self.wandb.log(step, metrics, self._profiles, samples)
        if self.tensorboard:
            self.tensorboard.log(step, metrics, self._profiles)
        self._profiles = None

    def log_evaluations(self, step: int, evaluations: Mapping[Split, Evaluation]) -> None:
        """Write the metrics of evaluations after `step` updates of the pack."""
        if any(key.startswith("test/") for key in self.summary):
            return  # an earlier process wrote them, and was interrupted before the result
        stopped = self.monitor.stopped
        if "test" in evaluations:
            scored = evaluations if stopped is None else {"test": evaluations["test"]}
        elif self.trains or stopped == step or not self.trial.options.monitored:
            scored = evaluations
        else:
            return  # a trial that has ended records the same whichever trials of its pack go on
        metrics = {f"{split}/{name}": value for split, found in scored.items() for name, value in found.metrics.items()}
        samples = scored["validation"].samples if "validation" in scored else None
        self.log(self._own(step), {**metrics, "train/seconds": self.seconds}, samples)
        if (kept := self.monitor.kept) and kept.step == step:
            self._best_details = self._details()

    def save(self, step: int, state: TrialState) -> None:
        """Save a checkpoint, and before it that of the best evaluation; a trial that has stopped saves only once."""
        step, kept = self._own(step), self.monitor.kept
        if step == self._saved:
            return
        if kept and self._best_details and kept.step < step:
            checkpoint.save(self.trial.run.checkpoints, kept.step, kept.state, self._best_details)
        checkpoint.save(self.trial.run.checkpoints, step, state, self._details())
        self._saved, self._best_details = step, None

    def finish(self, pack: PackResult, state: TrialState, test: Evaluation) -> TrialResult:
        trial, monitor = self.trial, self.monitor
        result = compose(trial, pack, state, test, self._fault, monitor, self.origin)
        sizes = {"model/parameters": result["parameters"], "model/carry_size": trial.options.carry_size}
        summary = {**self.summary, **monitor.summary(), **sizes}
        if seconds := summary.get("train/seconds"):
            first = self.origin["step"] if trial.config.resume_from else 0
            summary["train/steps_per_second"] = (result["steps"] - first) / seconds
        summary |= summarize_probes(trial, self.probe_records)
        result = {**result, "summary": summary, "environment": {**result["environment"], "source": self.source}}
        finish_wandb(self.wandb, result, self.probe_records.get("gradient_flow", ()))
        if self.tensorboard:
            self.tensorboard.close(self._profiles_so_far())
        trial.run.save_test_examples(test.by_example)
        trial.run.finish(result, record_stems(trial.options))
        if monitor.kept and trial.options.checkpoint.keep == "best":
            checkpoint.keep_only(trial.run.checkpoints, {monitor.kept.step})
        return TrialResult.of(trial.name, trial.run, result)

    def _profiles_so_far(self) -> Profiles | None:
        return Profiles.of(self.probe_records.get("gradient_flow", ()), self.trial.options.state_profile)

    def _own(self, step: int) -> int:
        """Return the updates of the trial where its pack has made `step`."""
        return self.monitor.stopped or step

    def _details(self) -> dict[str, Any]:
        """Return what a checkpoint counts on, after flushing the records to disk."""
        run, kept = self.trial.run, self.monitor.kept
        optional = {"fault": self._fault, "started_from": self.origin, "best": kept.step if kept else None}
        return {
            "batch_shards": self.batch_shards,
            "source": self.source,
            **run.snapshot(record_stems(self.trial.options)),
            **{key: value for key, value in optional.items() if value},
        }

    def _training_metrics(self, record: Record) -> dict[str, float]:
        training, sums = self.trial.options.training, self._sums
        means = {key: float(value) / float(sums.updates) for key, value in asdict(sums).items()}
        metrics = {
            "train/loss": means["loss"],
            f"train/{ERROR_NAMES[self.trial.task.target_kind]}": means["error"],
            "train/updates_averaged": float(sums.updates),
            "train/learning_rate": float(record.learning_rate),
            "gradient/global_norm": means["grad_norm"],
            "gradient/clip_fraction": means["clipped"],
        }
        if training.label_smoothing:
            metrics["train/objective"] = means["objective"]
        if training.gradient_regularizer:
            metrics["train/gradient_regularizer"] = means["gradient_regularizer"]
        if self.trial.task.target_kind == "tokens":
            metrics["train/teacher_forcing"] = float(record.teacher_forcing)
        return metrics

    def _summarize(self, record: Mapping[str, Any]) -> None:
        self.summary |= {key: value for key, value in record.items() if key != "step"}


class Journal:
    """The journal of a pack. In a process that writes nothing, it has no trials: it only waits for the devices."""

    def __init__(self, trials: Sequence[Trial], starts: Sequence[Start], watch: Stopwatch) -> None:
        """Start or continue the records of a pack.

        The seconds of `watch` are set to those of the records; the trials that train have equal shares of them as
        `train/seconds`.
        """
        self._watch = watch
        self._held: _Held | None = None
        self._trials = [_TrialJournal(trial, start) for trial, start in zip(trials, starts, strict=True)]
        watch.seconds = self._shared = sum((journal.seconds for journal in self._trials), start=0.0)

    def hold(self, start: int, stop: int, record: Record, last: bool = False) -> None:
        """Keep the record of updates `start` to `stop`, which may not be computed yet; `last`: no update follows."""
        assert self._held is None, "collect first"
        known = self._watch.seconds if self._watch.budget else 0.0
        self._held = _Held(start, stop, record, last, known)

    def collect(self) -> None:
        """Wait for the record that was kept and write it."""
        if self._held is None:
            return
        held, self._held = self._held, None
        host = jax.device_get(held.record)
        self._share(held.seconds or self._watch.elapsed)
        for k, journal in enumerate(self._trials):
            journal.write(replace(held, record=jax.tree.map(lambda x, k=k: np.asarray(x)[k], host)))

    def monitors(self) -> list[Monitor]:
        """Return the monitor of each trial; the journal records what it knows when it writes."""
        return [journal.monitor for journal in self._trials]

    def log_evaluations(self, step: int, evaluations: Mapping[Split, Sequence[Evaluation]]) -> None:
        """Write the metrics of one evaluation per split and trial, unless the trial has stopped and has them."""
        self._share(self._watch.elapsed)
        for k, journal in enumerate(self._trials):
            journal.log_evaluations(step, {split: scores[k] for split, scores in evaluations.items()})

    def save(self, step: int, states: Sequence[TrialState]) -> None:
        """Write a checkpoint of each trial."""
        # A small checkpoint takes 69 ms, most of which orbax waits: in 4 threads, 33 ms each.
        with ThreadPoolExecutor(SAVING_THREADS) as pool:
            for _ in pool.map(lambda journal, state: journal.save(step, state), self._trials, states):
                pass

    def finish(self, pack: PackResult) -> list[TrialResult]:
        """Write and return the result of each trial."""
        results = zip(self._trials, pack.states, pack.test, strict=False)
        return [journal.finish(pack, state, test) for journal, state, test in results]

    def pause(self) -> list[TrialResult]:
        """Close the records of trials that may continue later."""
        for journal in self._trials:
            journal.wandb.stop()
            if journal.tensorboard:
                journal.tensorboard.close()
        return [TrialResult.unfinished(journal.trial.name, journal.trial.run, "paused") for journal in self._trials]

    def _share(self, seconds: float) -> None:
        """Divide the seconds since the last call among the trials that train."""
        training = [journal for journal in self._trials if journal.trains]
        for journal in training:
            journal.seconds += (seconds - self._shared) / len(training)
        self._shared = seconds
