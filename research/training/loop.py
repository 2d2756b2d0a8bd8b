"""The training loop of a pack: updates, records, evaluations and checkpoints.

Each call of the compiled program runs the updates until the next record, evaluation or checkpoint. These steps do not
depend on whether a run is resumed. While one call computes, the loop fetches and writes the records of the previous
call. With a time limit, training ends with the first complete record after the limit; only updates count.

The loop evaluates on validation data during training and at the end, on test data only at the end. Validation decides
which weights are scored on test data, and when a trial stops early (`monitor`).
"""

import time
from collections.abc import Iterator, Sequence
from typing import get_args

import jax
import numpy as np

from research.errors import Stopped
from research.tasks import task as tasks
from research.tasks.task import EvalExamples, Evaluation, Split
from research.tracking.progress import ProgressBar
from research.training import origin, processes
from research.training.evaluation import evaluate
from research.training.journal import Journal
from research.training.loader import Loader
from research.training.monitor import PackMonitor
from research.training.options import TrainingOptions, TrialOptions
from research.training.pack import Pack
from research.training.result import PackResult
from research.training.signals import Signals
from research.training.state import TrialState
from research.training.stopwatch import Stopwatch
from research.training.trial import Start, Trial, TrialResult


class PackLoop:
    """A pack that trains: its states, and who watches them."""

    def __init__(
        self, pack: Pack, source: Loader, trials: Sequence[Trial], starts: Sequence[Start], bar: ProgressBar
    ) -> None:
        """Place the states from which the trials start, and compile the updates."""
        self.pack, self.source, self.options, self.task = pack, source, pack.program.options, pack.program.task
        self.step, training = starts[0].step, self.options.training
        self.examples: dict[Split, EvalExamples] = {
            split: tasks.eval_examples(self.task, split, training.eval_examples) for split in get_args(Split)
        }
        self.watch = Stopwatch(training.max_seconds)
        self.journal = Journal(trials, starts, self.watch) if processes.is_first() else Journal((), (), self.watch)
        self.monitor = PackMonitor(pack, processes.from_first(self.journal.monitors))
        self.state = self.monitor.retire_stopped(_first_state(pack, starts))
        self.progress = PackProgress(bar, training, len(trials), self.step, self.watch.seconds)
        if self.step < training.steps:
            self.progress.doing("compiling")
            self.state, _ = source.run(self.state, self.step, self.step)  # 0 updates: outside the measured time
            self.progress.doing()
        self.started = time.monotonic()

    def train(self, end: int, signals: Signals) -> list[TrialResult]:
        """Train to `end`; pause there, or write the results if it is the last step."""
        training, monitor, saved = self.options.training, self.monitor, self.started
        if not monitor.has_metric:
            monitor.find_metric(self._evaluate("validation", self.state))  # now, so that a wrong name is told at once
        for stop in () if self._over() or monitor.all_stopped else _stops(self.options, self.step, self.source.span):
            if self._update(stop):
                break
            if training.eval_every and self.step % training.eval_every == 0 and monitor.needs_evaluation(self.state):
                self._halt()
                validation = self._evaluate("validation", self.state)
                self.state = monitor.observe(self.state, self.step, validation)
                self.journal.log_evaluations(self.step, {"validation": validation})
                if monitor.all_stopped:
                    break
            if not self.options.completes_record(self.step):
                continue  # saved only with complete records: resumed runs write the same
            interrupted = processes.from_first(lambda: signals.stop)
            due = signals.save or time.monotonic() - saved > training.checkpoint_seconds
            if self.step == end or interrupted or due:
                self._halt()
                self.journal.save(self.step, monitor.fetch(self.state))
                saved, signals.save = time.monotonic(), False
            if self.step == end:
                return self.journal.pause()
            if interrupted:
                raise Stopped(interrupted)
        self._halt()
        return self._finish()

    def _update(self, stop: int) -> bool:
        """Start the updates up to `stop`, write the record of those before; return whether they are the last."""
        training = self.options.training
        self.state, record = self.watch.time(self.source.run, self.state, self.step, stop)
        last = stop == training.steps or (stop % training.log_every == 0 and self._over())
        self.journal.collect()
        self.progress.to(self.step, self.watch.seconds)
        self.journal.hold(self.step, stop, record, last)
        self.step = stop
        return last

    def _finish(self) -> list[TrialResult]:
        """Evaluate, save, and write the results."""
        evaluations: dict[Split, list[Evaluation]] = {}
        if not self.monitor.all_stopped:
            evaluations["validation"] = self._evaluate("validation", self.state)
            self.monitor.observe(self.state, self.step, evaluations["validation"], last=True)
        fetched = self.monitor.fetch(self.state)
        evaluations["test"] = self._evaluate("test", self.monitor.kept(self.state, fetched))
        self.progress.doing("saving")
        self.journal.log_evaluations(self.step, evaluations)
        self.journal.save(self.step, fetched)
        seconds, program = time.monotonic() - self.started, self.pack.program
        self.progress.finish()
        waited, shards = self.source.waited, program.batch_shards
        return self.journal.finish(
            PackResult(self.step, fetched, evaluations["test"], seconds, waited, shards, program.kernel)
        )

    def _evaluate(self, split: Split, state: TrialState) -> list[Evaluation]:
        self.progress.doing(f"evaluating on {split} data")
        return evaluate(self.pack, state, self.task, self.examples[split])

    def _halt(self) -> None:
        """Write the record that was kept; the time until the next update does not count."""
        self.journal.collect()
        self.watch.pause()

    def _over(self) -> bool:
        """Return whether the time limit is reached or all trials have diverged, as the first process decides."""
        if not self.options.training.max_seconds:
            return False
        return processes.from_first(lambda: self.watch.over or not np.any(jax.device_get(self.state.ok)))


class PackProgress:
    """Progress of one pack: updates of all trials or, with a time limit, the fraction of the time used."""

    def __init__(self, bar: ProgressBar, training: TrainingOptions, trials: int, step: int, seconds: float) -> None:
        self._bar, self._training, self._trials, self._done = bar, training, trials, 0.0
        self.to(step, seconds)

    def to(self, step: float, seconds: float) -> None:
        """Advance to a step, or to the fraction of the time limit."""
        training = self._training
        self._place = f"step {step}/{training.steps}"
        if training.max_seconds:
            self._place = f"step {step}, {seconds:.0f}/{training.max_seconds:g} s"
            step = training.steps * min(1.0, max(step / training.steps, seconds / training.max_seconds))
        self._bar.advance((step - self._done) * self._trials)
        self._done = step
        self.doing()

    def doing(self, what: str = "") -> None:
        """Show the current activity next to the step."""
        self._bar.doing(f"{self._place}, {what}" if what else self._place)

    def finish(self) -> None:
        self._bar.advance((self._training.steps - self._done) * self._trials)


def _first_state(pack: Pack, starts: Sequence[Start]) -> TrialState:
    states = [start.state for start in starts if start.state is not None]
    if states:
        return pack.place(states)
    if not any(start.weights for start in starts):
        return pack.init()
    initial = zip(pack.fetch(pack.init()), starts, strict=True)
    return pack.place([origin.with_weights(state, start.weights) for state, start in initial])


def _stops(options: TrialOptions, start: int, span: int = 0) -> Iterator[int]:
    """Yield the steps after `start` at which calls of the program end.

    `span` is the number of updates per window of batches, which a call must not exceed; 0: there are no windows.
    """
    training = options.training
    probes = [probe.every for probe in options.probes.enabled().values()]
    periods = [every for every in (training.log_every, training.eval_every, span, *probes) if every]
    once = [training.steps, training.steps - 1] if probes else [training.steps]  # probes measure the last update too
    step = start
    while step < training.steps:
        due = [step - step % every + every for every in periods] + [stop for stop in once if stop > step]
        if probes and training.max_seconds:  # any record can turn out to be the last
            due.append((step + 1) // training.log_every * training.log_every + training.log_every - 1)
        step = min(due)
        yield step
