"""How sweeps stand, seen from outside: what the files of their runs and the locks on them say.

A trial runs while a process holds its lock. Each update counts the same: speed and time left are of the updates of all
trials, and of the time that the running ones have trained, without compilation and evaluation.
"""

import contextlib
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from research.errors import UserError
from research.sweep import membership, spec
from research.tracking import strict_json
from research.tracking.find import find, find_some
from research.tracking.run_directory import METRICS, RunDirectory
from research.tracking.strict_json import is_number

State = Literal[
    "finished", "stopped early", "diverged", "running", "paused", "interrupted", "failed", "waiting", "damaged"
]
DONE = ("finished", "stopped early", "diverged")
OPEN = ("running", "paused", "interrupted", "failed", "waiting")
"""States of trials that have updates left."""
SECONDS_BETWEEN_BRIEFS = 5.0
TAIL = 2**16
"""Bytes at the end of a file of records that are read."""


@dataclass(frozen=True)
class TrialStatus:
    """How a trial stands."""

    name: str
    state: State
    step: int = 0
    """Updates that are recorded."""
    steps: int = 0
    """Updates of the whole training."""
    seconds: float = 0.0
    """Time of training, its share of that of its pack."""
    left: float = 0.0
    """Updates left; of a trial with a time limit, as many as it has time for."""
    value: float | None = None
    """Last value of the sweep's metric."""
    worker: str = ""
    """Host and process id of the process that trains it."""
    fault: str = ""
    """Why it cannot be read, or why its training has failed."""


@dataclass(frozen=True)
class Worker:
    """A process that trains, and its trials."""

    name: str
    trials: int
    first: int
    """Step of the trial that is last."""
    last: int
    """Step of the trial that is first."""
    updates_per_second: float
    """Of all its trials together; 0: not known yet."""


@dataclass(frozen=True)
class SweepStatus:
    """How the trials in a folder stand."""

    folder: Path
    trials: tuple[TrialStatus, ...]
    metric: str = ""
    goal: str = "minimize"
    target: float | None = None
    """Value of the metric at which the sweep starts no more trials."""
    fault: str = ""
    """Why the copy of the sweep file cannot be read."""
    outside: int = 0
    """Runs in the folder that are not of the sweep."""

    @property
    def counts(self) -> Counter[str]:
        return Counter(trial.state for trial in self.trials)

    @property
    def done(self) -> int:
        """Number of trials that need no more training."""
        return sum(self.counts[state] for state in DONE)

    @property
    def target_met(self) -> bool:
        """Whether the best trial has reached the target, so that trials that wait do not start."""
        best, sign = self.best, 1 if self.goal == "minimize" else -1
        return best is not None and self.target is not None and sign * (best.value or 0.0) <= sign * self.target

    @property
    def over(self) -> bool:
        """Whether no trial is left to train."""
        left = len(self.trials) - self.done - self.counts["damaged"]
        return left == (self.counts["waiting"] if self.target_met else 0)

    @property
    def workers(self) -> list[Worker]:
        """The processes that train, by name."""
        running = [trial for trial in self.trials if trial.state == "running"]
        workers = []
        for name in sorted({trial.worker for trial in running}):
            trials = [trial for trial in running if trial.worker == name]
            steps, seconds = [trial.step for trial in trials], sum(trial.seconds for trial in trials)
            speed = sum(steps) / seconds if seconds else 0.0
            workers.append(Worker(name, len(trials), min(steps), max(steps), speed))
        return workers

    @property
    def updates_per_second(self) -> float:
        """Updates of all running trials; 0 if none is known to make any."""
        return sum(worker.updates_per_second for worker in self.workers)

    @property
    def seconds_left(self) -> float | None:
        """Time for the updates that are left, at the speed of the running trials; None if that is not known."""
        speed = self.updates_per_second
        return sum(trial.left for trial in self.trials) / speed if speed else None

    @property
    def best(self) -> TrialStatus | None:
        """The trial with the best value of the metric so far; None if none has one. Diverged trials do not count."""
        valued = [trial for trial in self.trials if trial.value is not None and trial.state != "diverged"]
        sign = 1 if self.goal == "minimize" else -1
        valued = [trial for trial in valued if trial.value == trial.value]  # not NaN
        return min(valued, key=lambda trial: sign * (trial.value or 0.0), default=None)

    def to_dict(self) -> dict[str, Any]:
        best = self.best
        return {
            "folder": str(self.folder),
            "total": len(self.trials),
            "done": self.done,
            "outside": self.outside,
            **self.counts,
            "updates_per_second": self.updates_per_second,
            "seconds_left": self.seconds_left,
            "metric": self.metric,
            "best": {"trial": best.name, "value": best.value} if best else None,
            "workers": [vars(worker) for worker in self.workers],
            "trials": [vars(trial) for trial in self.trials if trial.name],
        }


class Watcher:
    """Reads how sweeps stand, as often as needed; a result is read once."""

    def __init__(self, directories: Sequence[Path], metric: str = "", goal: str = "minimize") -> None:
        """Remember what to read: directories with runs in them, or single runs.

        `metric` and its `goal` decide which trial is best; "": those of each sweep file.
        """
        self._directories, self._metric, self._goal = directories, metric, goal
        self._known: dict[Path, tuple[int, str, TrialStatus]] = {}

    def read(self) -> list[SweepStatus]:
        """Return the status of each folder that has runs or the copy of a sweep file.

        Raises:
            UserError: for a directory without any.
        """
        folders: dict[Path, dict[Path, RunDirectory]] = {}
        whole: set[Path] = set()
        """Folders of which all runs are shown."""
        for directory in self._directories:
            copies = {path.parent for pattern in (spec.COPY, f"*/{spec.COPY}") for path in directory.glob(pattern)}
            for run in find(directory) if copies else find_some(directory):
                folders.setdefault(run.path.parent, {})[run.path] = run
                whole |= {run.path.parent} - ({run.path.parent} if run.path == directory else set())
            for folder in copies:
                folders.setdefault(folder, {})
            whole |= copies
        return [self._read_folder(folder, runs, folder in whole) for folder, runs in sorted(folders.items())]

    def _read_folder(self, folder: Path, runs: Mapping[Path, RunDirectory], whole: bool) -> SweepStatus:
        copy = folder / spec.COPY
        metric, goal, target, fault, total = self._metric, self._goal, None, "", 0
        if copy.exists():
            try:
                count, objective = spec.outline(copy)
                total = count if whole else 0
                if objective and not metric:
                    metric, goal, target = objective.name, objective.goal, objective.target
            except UserError as error:
                fault = str(error)
        others = {run.path for run in membership.outside(folder, list(runs.values()))} if whole else set()
        trials = [self._read_trial(run, metric) for path, run in runs.items() if path not in others]
        if any(trial.state == "running" for trial in trials):  # the sweep will come back to the others
            trials = [replace(trial, state="paused") if trial.state == "interrupted" else trial for trial in trials]
        steps = [trial.steps for trial in trials if trial.steps]
        usual = round(sum(steps) / len(steps)) if steps else 0
        trials += [TrialStatus("", "waiting", steps=usual, left=usual)] * (total - len(trials))
        return SweepStatus(folder, tuple(trials), metric, goal, target, fault, len(others))

    def _read_trial(self, run: RunDirectory, metric: str) -> TrialStatus:
        try:
            changed = run.result_file.stat().st_mtime_ns if run.result_file.exists() else 0
            known = self._known.get(run.path)
            if changed and known and known[:2] == (changed, metric):
                return known[2]
            status = _finished(run, metric) if changed else _unfinished(run, metric)
            if status.state in ("interrupted", "failed") and run.result_file.exists():  # it has ended since
                status = _finished(run, metric)
            self._known[run.path] = (changed, metric, status)
        except (UserError, OSError) as error:
            fault = str(error) if isinstance(error, UserError) else f"{run.path}: cannot be read: {error.strerror}"
            return TrialStatus(run.path.name, "damaged", fault=fault)
        return status


class Brief:
    """The status of a sweep in a few words, for a progress bar; it is read again after a while."""

    def __init__(self, folder: Path) -> None:
        self._watcher, self._text, self._due = Watcher([folder]), "", -math.inf

    def __call__(self) -> str:
        """Return the numbers of trials that are done and have diverged, and the best value; "" if they are unknown."""
        if time.monotonic() > self._due:
            with contextlib.suppress(UserError, OSError):
                self._text = "".join(map(_brief, self._watcher.read()))
            self._due = time.monotonic() + SECONDS_BETWEEN_BRIEFS
        return self._text


def _brief(status: SweepStatus) -> str:
    diverged, best = status.counts["diverged"], status.best
    words = f"{status.done} of {len(status.trials)} done" + f", {diverged} diverged" * bool(diverged)
    return f"{words}, best {status.metric} {best.value:.4g}" if best else words


def summarize(status: SweepStatus) -> str:
    """Return the numbers of trials, and the best one, in a line."""
    counts = status.counts
    states = ", ".join(f"{counts[state]} {state}" for state in (*DONE, *OPEN, "damaged") if counts[state])
    line = f"{status.done} of {len(status.trials)} trials done: {states}"
    return f"{line}; {_best(status)}" if status.best else line


def describe(status: SweepStatus) -> Iterator[str]:
    """Yield lines that say how the trials in a folder stand: numbers, speed, the best, workers, what is damaged."""
    counts = status.counts
    states = ", ".join(f"{counts[state]} {state}" for state in (*DONE, *OPEN, "damaged") if counts[state])
    yield f"{status.folder}: {status.done} of {len(status.trials)} trials done"
    yield f"  {states}"
    if status.outside:
        yield f"  not of the sweep, and not counted: {status.outside} run{'s' * (status.outside > 1)}"
    workers, left = status.workers, status.seconds_left
    if workers:
        known = "" if left is None else f"{_rounded(status.updates_per_second)} updates/s, about {clock(left)} left"
        yield f"  {known or 'speed not known yet'}"
    elif status.target_met and not counts["interrupted"]:
        yield f"  the target of {status.target:g} is met, so those that wait do not start"
    elif any(counts[state] for state in OPEN):
        yield "  no process trains; the command that started them resumes"
    if status.metric:
        yield f"  {_best(status)}"
    for worker in workers:
        steps = f"step {worker.last}" if worker.first == worker.last else f"steps {worker.first} to {worker.last}"
        speed = f", {_rounded(worker.updates_per_second)} updates/s" if worker.updates_per_second else ""
        yield f"  worker {worker.name}: {worker.trials} trial{'s' * (worker.trials > 1)}, {steps}{speed}"
    faults: dict[tuple[State, str], list[str]] = {}
    for trial in status.trials:
        if trial.fault:
            faults.setdefault((trial.state, trial.fault), []).append(trial.name)
    if status.fault:
        yield f"  damaged: {status.fault}"
    for (state, fault), names in faults.items():
        more = f" and {len(names) - 1} more" if names[1:] else ""
        yield f"  {state}: " + (f"{names[0]}{more}: {fault}" if state == "failed" else fault)


def clock(seconds: float) -> str:
    """Return a duration as hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _best(status: SweepStatus) -> str:
    best = status.best
    return f"best {status.metric}: {best.value:.6g}, {best.name}" if best else f"no trial has {status.metric} yet"


def _rounded(speed: float) -> str:
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.2g}"


def _finished(run: RunDirectory, metric: str) -> TrialStatus:
    """Return the status that a result tells; its digests are not checked, which would read all records."""
    result = strict_json.read(run.result_file)
    status, summary, step = result.get("status"), result.get("summary"), result.get("steps", 0)
    if status not in ("finished", "stopped", "diverged") or not isinstance(summary, dict):
        raise UserError(f"{run.result_file}: must hold a status, and a summary of numbers")
    early = status == "stopped" or bool(result.get("stopped_early"))
    state: State = "diverged" if status == "diverged" else "stopped early" if early else "finished"
    step = step if type(step) is int else 0
    seconds = _number(summary, "train/seconds") or 0.0
    return TrialStatus(run.path.name, state, step, step, seconds, value=_number(summary, metric))


def _unfinished(run: RunDirectory, metric: str) -> TrialStatus:
    worker, options = run.holder(), run.options()
    records = strict_json.read_tail(run.path / f"{METRICS}.jsonl", TAIL)
    steps, limit = options.get("training.steps", 0), options.get("training.max_seconds", 0)
    step = records[-1]["step"] if records else 0
    seconds = next((x for record in records[::-1] if (x := _number(record, "train/seconds"))), 0.0)
    left = max(0.0, steps - step)
    if limit and seconds:
        left = min(left, max(0.0, limit - seconds) * step / seconds)
    value = next((x for record in records[::-1] if (x := _number(record, metric)) is not None), None)
    failure = "" if worker else run.failure()
    state: State = "failed" if failure else "interrupted" if records or run.checkpoints.exists() else "waiting"
    state = "running" if worker else state
    return TrialStatus(run.path.name, state, step, steps, seconds, left, value, worker or "", failure)


def _number(record: Mapping[str, Any], key: str) -> float | None:
    value: Any = strict_json.decode(record.get(key))
    return float(value) if is_number(value) else None
