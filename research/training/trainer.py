"""The training loop: trials to finished run directories.

Trials with the same static config are trained as a pack; the devices that they leave idle take parts of their batches.
Between two calls of the compiled program the loop does what is due: writes records, evaluates, saves checkpoints. Calls
end where any of these is due, at the same steps whether a run is resumed or not. While one call computes, the records
of the call before are fetched and written.

A trial with a budget of time has the machine for itself. It ends with the first whole record after its time is over;
only the calls of its program count, and they are waited for.
"""

import contextlib
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from research.config import Config
from research.errors import UserError
from research.recurrent import cudnn
from research.recurrent.cell import create as create_cell
from research.tasks import task as tasks
from research.tasks.task import Evaluation
from research.tracking.progress import ProgressBar
from research.tracking.runs import RunDirectory
from research.tracking.wandb import wait_for_uploads
from research.training import budget, compilation, devices, feed, hparams, processes, start
from research.training.budget import Stopwatch
from research.training.evaluate import evaluate
from research.training.feed import Feed
from research.training.journal import Bystander, Journal, Trial
from research.training.pack import Pack
from research.training.start import Start
from research.training.step import Program, TrialState

WORK_OF_A_SECOND = 1e10
"""What a CPU does in about a second, in the unit of `_work`, for sweeps of trials with a budget of time and without."""


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended."""

    name: str
    path: Path
    status: str
    """finished, or diverged."""
    summary: dict[str, Any]
    skipped: bool = False
    """The run directory held a result already."""
    signatures: dict[str, str] = field(default_factory=dict)
    """Of metrics whose definition has variants: which one it is."""


def train_trials(trials: Sequence[tuple[str, Config]], directory: Path) -> list[TrialResult]:
    """Train each (name, config) in `directory/name`; finished trials are skipped, begun ones go on where they stood.

    Where several processes train together, the first one's trials count, and only it touches the directory.

    Raises:
        UserError: if two trials have one name, if a directory holds a run of another config, if there are too few
            devices, or if a file cannot be read or written.
    """
    processes.start()
    devices.use_all_cores()
    devices.require()
    compilation.keep_programs()
    opened, skipped, new = processes.agreed(lambda: _open(trials, directory))
    waiting = [trial for trial in opened if trial.name not in skipped]
    if waiting:
        with _trouble_in_one_line(directory), ProgressBar(shown=processes.is_first()) as bar:
            with _forgotten_if_refused(new):
                _read_data(waiting, bar)
            _train_all(waiting, bar)
    return processes.agreed(lambda: [_result(trial, trial.name in skipped) for trial in opened])


def _open(trials: Sequence[tuple[str, Config]], directory: Path) -> tuple[list[Trial], set[str], list[RunDirectory]]:
    """All trials, the names of those that are finished, and the directories that were not there before."""
    for name, count in Counter(name for name, _ in trials).items():
        if count > 1:
            raise UserError(f"{directory / name}: {count} trials of this name; names must differ")
    runs = [RunDirectory(directory / name) for name, _ in trials]
    new = [run for run in runs if not run.config_file.exists()]
    with _forgotten_if_refused(new):
        opened = [Trial(name, config, RunDirectory.create(directory / name, config)) for name, config in trials]
        skipped = {trial.name for trial in opened if trial.run.result()}
        for trial in opened:
            if trial.name not in skipped:
                trial.check_records()
                start.check(trial)
                with trial.run.claimed():  # see now, not after hours, that no other process trains it
                    pass
    return opened, skipped, new


@contextlib.contextmanager
def _forgotten_if_refused(runs: Sequence[RunDirectory]) -> Iterator[None]:
    """Leave none of these directories behind, if a trial cannot be trained."""
    try:
        yield
    except UserError:
        for run in runs if processes.is_first() else ():
            run.forget()
        raise


def _read_data(trials: list[Trial], bar: ProgressBar) -> None:
    """The corpora of all trials, and the checks that need them: see now, not after hours, that all can be trained."""
    for options in dict.fromkeys(trial.config.task for trial in trials):
        bar.doing(f"reading the data of {options.name}")
        processes.agreed(lambda options=options: bool(tasks.create(options)))  # the first prepares it, once
        tasks.create(options)
    for trial in trials:
        start.check_sizes(trial.config, tasks.create(trial.config.task).interface)


def _train_all(trials: list[Trial], bar: ProgressBar) -> None:
    bar.expect(sum(_work(trial.config, trial.config.training.steps) for trial in trials))
    groups = _groups(trials)
    for number, group in enumerate(groups, start=1):
        config = group[0].config
        what = f"{config.model.cell} on {config.task.name}"
        bar.part(f"{number}/{len(groups)} · ", f" · {len(group)} × {what}")
        with contextlib.ExitStack() as claims:
            processes.agreed(lambda group=group, claims=claims: _claim(group, claims))
            _train_group(group, bar)
    bar.part()
    bar.doing("uploading to W&B")
    wait_for_uploads()


def _claim(trials: list[Trial], claims: contextlib.ExitStack) -> None:
    for trial in trials:
        claims.enter_context(trial.run.claimed())


def _groups(trials: Sequence[Trial]) -> list[list[Trial]]:
    """Trials that are trained together, by one program, in the order of first appearance."""
    groups: dict[Any, list[Trial]] = {}
    for trial in trials:
        alone = trial.name if trial.config.training.seconds else None
        groups.setdefault((alone, hparams.static_of(trial.config)), []).append(trial)
    return list(groups.values())


def _train_group(trials: list[Trial], bar: ProgressBar) -> None:
    """Train trials of one static config; those that stand at the same step form a pack."""
    config = trials[0].config
    bar.doing("preparing")
    task = tasks.create(config.task)
    template = jax.eval_shape(Program(config, task).init, hparams.of(config, task.interface))
    packs: dict[tuple[int, int], list[Start]] = {}
    for one in processes.agreed(lambda: start.starts(trials, template)):
        packs.setdefault((one.step, one.batch_shards), []).append(one)
    for (step, batch_shards), members in sorted(packs.items()):
        own = [one.trial for one in members]
        bar.advance(sum(_work(config, step, one.seconds) for one in members))
        bar.doing(f"{len(own)} at step {step}, compiling" if len(packs) > 1 else "compiling")
        side_by_side = jax.device_count() // batch_shards
        program = Program(cudnn.settled(config, len(own), side_by_side), task, batch_shards)
        pack = Pack(program, [hparams.of(trial.config, task.interface) for trial in own])
        states = [one.state for one in members if one.state is not None]
        with contextlib.closing(feed.of(pack, config, step)) as source:
            _train_pack(pack, source, members, pack.place(states) if states else pack.init(), bar)


def _train_pack(pack: Pack, source: Feed, members: list[Start], state: TrialState, bar: ProgressBar) -> None:
    """Train from where the trials stand to the end, and finish their run directories."""
    config, task = pack.program.config, pack.program.task
    training, start = config.training, members[0].step
    held_out = task.held_out(training.eval_examples)
    trials = [one.trial for one in members]
    watch = Stopwatch(training.seconds, sum(one.seconds for one in members))
    journal = Journal(trials, config, start, watch) if processes.is_first() else Bystander()
    if start < training.steps:
        state, _ = source.run(state, start, start)  # compiles the program, which does not count
    began = saved = time.monotonic()
    step = start

    def collect() -> None:
        bar.advance(journal.collect() * _update_work(config))

    def evaluate_at(step: int) -> list[Evaluation]:
        bar.doing(f"{_place(config, step, watch.seconds)}, evaluating")
        evaluations = evaluate(pack, state, task, held_out)
        bar.advance(len(trials) * _evaluation_work(config))
        return evaluations

    def over() -> bool:
        """Whether the time is, or nothing is left that goes on: as the first process sees it."""
        return training.seconds > 0 and processes.agreed(lambda: watch.over or not np.any(jax.device_get(state.ok)))

    for stop in () if over() else _stops(config, start, source.span):
        before = watch.seconds
        state, record = watch.time(source.run, state, step, stop)
        last = stop == training.steps or (stop % training.log_every == 0 and over())
        bar.doing(_place(config, step, before))
        collect()
        bar.advance(_time_work(config, math.inf if last else watch.seconds) - _time_work(config, before))
        journal.pend(step, stop, record, last)
        step = stop
        if last:
            break
        if training.eval_every and step % training.eval_every == 0:
            collect()
            watch.pause()
            journal.log_evaluations(step, evaluate_at(step))
        due = time.monotonic() - saved > training.checkpoint_seconds
        if due and step % training.log_every == 0:  # at whole records only, so that a resumed run writes the same ones
            collect()
            journal.save(step, pack.fetch(state))
            saved = time.monotonic()
    collect()
    watch.pause()
    evaluations = evaluate_at(step)
    states = pack.fetch(state)
    bar.doing("saving")
    if start < step:  # else the run was ended after this, and resumes here
        journal.log_evaluations(step, evaluations)
        journal.save(step, states)
    seconds = time.monotonic() - began
    waited = None if source.waited is None else source.waited / seconds
    journal.finish(step, states, evaluations, seconds, {"padding": task.padding, "input_wait": waited})


def _stops(config: Config, start: int, span: int = 0) -> Iterator[int]:
    """Where calls of the program end, after `start`: wherever a record, an evaluation or a profile is due.

    Args:
        span: of a window of batches, which a call does not go beyond; 0: there are none.
    """
    training, flow_every = config.training, config.probes.gradient_flow_every
    periods = [every for every in (training.log_every, training.eval_every, flow_every, span) if every]
    once = [training.steps, training.steps - 1] if flow_every else [training.steps]  # the last update's profile
    step = start
    while step < training.steps:
        due = [step - step % every + every for every in periods] + [stop for stop in once if stop > step]
        if flow_every and training.seconds:  # any record can turn out to be the last
            due.append((step + 1) // training.log_every * training.log_every + training.log_every - 1)
        step = min(due)
        yield step


def _place(config: Config, step: int, seconds: float) -> str:
    training = config.training
    if training.seconds:
        return f"step {step}, {seconds:.0f}/{training.seconds:g} s"
    return f"step {step}/{training.steps}"


def _work(config: Config, steps: int, seconds: float = math.inf) -> float:
    """What a trial's first `steps` updates, and the evaluations that come with them, take: the bar's unit.

    Args:
        seconds: of training that they have taken; with a budget of time, they count and the steps do not.
    """
    training = config.training
    if training.seconds:
        return _time_work(config, seconds)
    evaluations = steps // training.eval_every if training.eval_every else 0
    if steps == training.steps and not (training.eval_every and steps % training.eval_every == 0):
        evaluations += 1
    return steps * _update_work(config) + evaluations * _evaluation_work(config)


def _time_work(config: Config, seconds: float) -> float:
    """So many seconds of the budget, in the bar's unit; 0 if there is none."""
    return WORK_OF_A_SECOND * min(seconds, config.training.seconds)


def _update_work(config: Config) -> float:
    """About how long an update takes, in any unit: what a time step does beside its gates counts as two gates more.

    0 with a budget of time.
    """
    if config.training.seconds:
        return 0.0
    interface = tasks.create(config.task).interface
    model = budget.settled(config, interface).model
    steps = interface.input_length * model.layers * (1 + model.bidirectional)
    gates = len(create_cell(model.cell, config.cell).gates)
    return steps * config.training.batch_size * (gates + 2) * model.features**2


def _evaluation_work(config: Config) -> float:
    """About how long an evaluation takes, in the same unit: the forward pass is a third of an update."""
    return _update_work(config) / config.training.batch_size * config.training.eval_examples / 3


def _result(trial: Trial, skipped: bool) -> TrialResult:
    result = trial.run.result()
    assert result is not None
    signatures = result.get("signatures", {})
    return TrialResult(trial.name, trial.run.path, result["status"], result["summary"], skipped, signatures)


@contextlib.contextmanager
def _trouble_in_one_line(directory: Path) -> Iterator[None]:
    """Disk and memory that run out are not the program's mistake."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) and "Out of memory" not in str(error):
            raise
        needs = str(error).partition("\n")[0]
        raise UserError(f"out of memory: {needs}; a smaller model.features, batch_size or sweep needs less") from error
    except OSError as error:
        place = error.filename or directory
        raise UserError(
            f"{place}: {error.strerror or error}; the same command goes on from the last checkpoint"
        ) from error
