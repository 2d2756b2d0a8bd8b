"""Run a sweep: its rounds of trials, and within a round the bands of early termination, with an executor.

All that is decided here follows from the sweep file and from the records of the runs. So any number of processes can
run the same sweep in the same folder: each trains the trials that no other one trains, waits where a decision needs the
metrics of the others, and decides the same. A process that dies leaves its trials to the others.
"""

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from research.config.naming import NamedConfig, name_in_wandb
from research.errors import UserError, suggest
from research.sweep import early_terminate, metric_names, search
from research.sweep.executors.executor import Executor, Work, never
from research.sweep.spec import Sweep
from research.sweep.tuning import Tuning, tuning_of
from research.tracking.lock import BusyError
from research.tracking.run_directory import METRICS, RunDirectory
from research.tracking.strict_json import LAST
from research.training.options import group_by_program

if TYPE_CHECKING:
    from research.tracking.wandb import WandbOptions
    from research.training.trial import TrialResult

T = TypeVar("T")
POLL_SECONDS = 1.0
"""How long to wait for trials that other processes train, before looking again."""
SPLITS = ("train/", "validation/", "gradient/")
"""Sections of metrics that a sweep may decide by: test data are scored once, at the end, and decide nothing."""


@dataclass
class Runner:
    """A sweep that runs in a folder."""

    sweep: Sweep
    directory: Path
    executor: Executor
    rerun: bool = False
    """Train finished trials anew."""
    restart: bool = False
    """Train unfinished trials from step 0."""
    say: Callable[[str], None] = lambda line: None
    """Gets a line when trials stop, and while others are waited for."""
    pack_size: int = 0
    """Largest number of trials that train together; 0: as the executor decides."""
    results: dict[str, "TrialResult"] = field(default_factory=dict)
    """By name, in the order of the sweep."""
    _trials: list[NamedConfig] = field(default_factory=list)
    """All trials so far."""

    _peers: dict[str, int] = field(default_factory=dict)
    """Number of trials of the round that one program trains, by name."""

    def run(self, limit: int | None = None) -> list["TrialResult"]:
        """Train all trials, at most `limit`, and return how each ended.

        Those that are not started once the target is met are left out.
        """
        if tuning := self.check():
            self.sweep = self._tune(tuning)
        for trials in search.rounds(self.sweep, self._value, limit):
            self._trials += name_in_wandb(trials, self.sweep.varied)
            alive = self._trials[-len(trials) :]
            groups = group_by_program(alive, lambda trial: (trial.name, trial.config))
            self._peers = {trial.name: len(group) for group in groups for trial in group}
            for band in early_terminate.bands(self.sweep.early_terminate) if self.sweep.early_terminate else ():
                alive = self._to_band(band, alive)
            self._execute(alive, {})
            if self._target_is_met():
                self._say_target()
                break
        return [self.results[trial.name] for trial in self._trials if trial.name in self.results]

    def check(self) -> Tuning | None:
        """Check that the metric can decide, before anything starts; return what it decides before all others.

        Raises:
            UserError: naming the line of the sweep file.
        """
        sweep, tuning = self.sweep, tuning_of(self.sweep)
        self._check_name()
        decides = sweep.metric and (sweep.method == "bayes" or sweep.early_terminate or sweep.metric.target is not None)
        if not (sweep.metric and (decides or tuning)):
            return None
        if not sweep.metric.name.startswith(SPLITS):
            allowed = "a metric of validation/, train/ or gradient/: test data are scored once, at the end"
            (sweep.place / "metric" / "name").require(False, sweep.metric.name, allowed)
        for _, config in sweep.trials if sweep.early_terminate else ():
            try:
                early_terminate.step_of(1, config, sweep.metric)
            except UserError as error:
                raise (sweep.place / "early_terminate").located(error) from error
        if sweep.early_terminate and sweep.trials:
            band = early_terminate.bands(sweep.early_terminate)[0]
            first, last = min((self._step(band, trial), trial.config.training.steps) for trial in sweep.trials)
            if all(self._step(band, trial) >= trial.config.training.steps for trial in sweep.trials):
                every = f"trials can pause every training.log_every={sweep.trials[0].config.training.log_every} updates"
                lower = "lower it, training.eval_every or min_iter"
                place = sweep.place / "early_terminate"
                raise place.error(
                    f"compares no trials: the first band is at update {first} of {last}; {every}; {lower}"
                )
        return tuning

    def _check_name(self) -> None:
        """Reject a metric that the first trial will not have; those of probes are only known when they are measured."""
        sweep, metric = self.sweep, self.sweep.metric
        if metric is None or not metric.name.startswith(SPLITS):
            return
        values = sweep.points[0] if sweep.points else [item.ends()[0] for item in sweep.parameters]
        config = sweep.trial(values).config
        if metric.name.startswith("gradient/") and config.probes.enabled():
            return
        known: list[str] = []
        for name in metric_names.known_names(config):
            if name == metric.name:
                return
            known.append(name)
        raise (sweep.place / "metric" / "name").located(f"metric.name={metric.name}: {suggest(metric.name, known)}")

    @property
    def wandb(self) -> "WandbOptions":
        """W&B's options of the first trial, which stand for the sweep."""
        return self._trials[0].config.wandb

    def _tune(self, tuning: Tuning) -> Sweep:
        """Train the trials that decide, and return the sweep with the options that they choose."""
        runner = self.tuner(tuning)
        runner.directory.mkdir(exist_ok=True)
        count = len(runner.run())
        keys = ", ".join(tuning.choices[0])
        self.say(f"{keys}: chosen for each variant by {count} trials in {runner.directory}")
        return runner.choose(tuning)

    def tuner(self, tuning: Tuning) -> "Runner":
        """Return the sweep of the trials that decide, in the folder next to that of this sweep."""
        folder = self.directory.with_name(f"{self.directory.name}-tuning")
        return Runner(tuning.trials(), folder, self.executor, self.rerun, self.restart, self.say, self.pack_size)

    def choose(self, tuning: Tuning) -> Sweep:
        """Return the sweep with the options that the finished trials of this one choose."""
        return tuning.chosen(lambda trial: _from_first(lambda: (self.history(trial) or [math.nan])[-1]))

    def _to_band(self, band: int, trials: Sequence[NamedConfig]) -> list[NamedConfig]:
        """Train to a band; return the trials that continue."""
        hyperband, metric = self.sweep.early_terminate, self.sweep.metric
        assert hyperband and metric
        steps = {trial.name: self._step(band, trial) for trial in trials}
        pausing = [trial for trial in trials if steps[trial.name] < trial.config.training.steps]
        if not pausing:
            return list(trials)
        self._execute(pausing, steps)
        paused = {name for name, result in self.results.items() if result.status == "paused"}
        if self._target_is_met():
            return [trial for trial in trials if trial not in pausing or trial.name in paused]
        # Those that end before the band may have ended or not: they never count.
        compared = [trial for trial in self._trials if self._step(band, trial) < trial.config.training.steps]
        histories = _from_first(lambda: [self.history(trial) for trial in compared])
        decision = early_terminate.decide(hyperband, band, histories)
        stopped = {compared[index].name for index in decision.stopped}
        alive = [trial for trial in trials if trial not in pausing or trial.name in paused]
        stopping = [trial for trial in alive if trial.name in stopped]
        for trial in stopping:
            value = self._sign * histories[compared.index(trial)][band - 1]
            reason = {"step": steps[trial.name], "metric": metric.name, "value": value, "band": band}
            self._stop(trial, {**reason, "threshold": self._sign * decision.threshold})
        if stopping:
            compared_now = len(paused & {trial.name for trial in pausing})
            place = f"band at {band} record{'s' * (band > 1)}"
            self.say(f"{place}: {len(stopping)} of {compared_now} trials stop, by {metric.name}")
        return [trial for trial in alive if trial.name not in stopped]

    def _step(self, band: int, trial: NamedConfig) -> int:
        assert self.sweep.metric
        return early_terminate.step_of(band, trial.config, self.sweep.metric)

    def _execute(self, trials: Sequence[NamedConfig], pause: Mapping[str, int]) -> None:
        """Train trials to their pause or end, those that are started for the first time as the command asks."""
        anew = [trial for trial in trials if trial.name not in self.results] if self.rerun or self.restart else []
        if anew:
            self._train(anew, pause, rerun=self.rerun, restart=self.restart)
        if others := [trial for trial in trials if trial not in anew]:
            self._train(others, pause)

    def _train(self, trials: Sequence[NamedConfig], pause: Mapping[str, int], **anew: bool) -> None:
        """Train trials here, and wait for those that other processes train; once the target is met, start no others."""
        told = ""
        while trials:
            met = self._target_is_met()
            if met and not (trials := [trial for trial in trials if self._has_started(trial)]):
                return
            enough = never if met else self._target_is_met
            work = Work(
                trials, self.directory, {} if met else pause, self._peers, enough, **anew, pack_size=self.pack_size
            )
            found = self.executor.train(work)
            self.results |= {result.name: result for result in found if result.status not in ("busy", "waiting")}
            busy = {result.name for result in found if result.status == "busy"}
            trials, anew = [trial for trial in trials if trial.name in busy], {}
            if line := f"waiting for {len(busy)} trials that other processes train" if busy else "":
                if line != told:
                    self.say(line)
                told = line
                time.sleep(POLL_SECONDS)

    def _stop(self, trial: NamedConfig, reason: Mapping[str, Any]) -> None:
        from research.training.ending import stop_early  # imports wandb, which `--help` does not need

        run = RunDirectory(self.directory / trial.name)
        while True:
            try:
                stop = functools.partial(stop_early, trial.name, trial.config, run, reason)
                self.results[trial.name] = _from_first(stop)
                return
            except BusyError:  # another process writes the same
                time.sleep(POLL_SECONDS)

    def history(self, trial: NamedConfig) -> list[float]:
        """Return the recorded values of the metric, the less the better."""
        assert self.sweep.metric
        name, sign = self.sweep.metric.name, self._sign
        run = RunDirectory(self.directory / trial.name)
        values = [sign * record[name] for record in run.records(METRICS, key=name) if name in record]
        if not values and trial.name in self.results:
            known = {key for record in run.records(METRICS) for key in record if key.startswith(SPLITS)}
            if known and name not in known:
                raise (self.sweep.place / "metric" / "name").located(
                    f"metric.name={name}: {suggest(name, sorted(known))}"
                )
        return values

    def _value(self, trial: NamedConfig) -> float:
        """Return the best value of the metric, as W&B does; NaN if there is none, or if the trial has diverged."""
        if trial.name in self.results and self.results[trial.name].status == "diverged":
            return math.nan
        return _from_first(lambda: min(filter(math.isfinite, self.history(trial)), default=math.nan))

    @property
    def _sign(self) -> int:
        return -1 if self.sweep.metric and self.sweep.metric.goal == "maximize" else 1

    def _say_target(self) -> None:
        metric = self.sweep.metric
        assert metric
        left = sum(trial.name not in self.results for trial in self._trials)
        others = f"; {left} trials do not start" if left else ""
        self.say(f"target met: a trial has {metric.name} of {metric.target:g} or better{others}")

    def _has_started(self, trial: NamedConfig) -> bool:
        run = RunDirectory(self.directory / trial.name)
        return _from_first(lambda: run.result_file.exists() or bool(run.records(METRICS, chosen=LAST)))

    def _target_is_met(self) -> bool:
        metric = self.sweep.metric
        if metric is None or metric.target is None:
            return False
        return any(self._value(trial) <= self._sign * metric.target for trial in self._trials)


def _from_first(make: Callable[[], T]) -> T:
    """Return what the first of several processes that train together has found."""
    from research.training import processes  # imports jax, which `--help` does not need

    return processes.from_first(make)
