"""The training loop: trials to finished run directories.

Trials with the same static config are trained as a pack. Between two calls of the compiled program the loop does what
is due: writes records, evaluates, saves checkpoints. Calls end where any of these is due, at the same steps whether a
run is resumed or not. While one call computes, the records of the call before are fetched and written.
"""

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from research.config import Config
from research.recurrent.cell import create as create_cell
from research.tasks import task as tasks
from research.tracking.progress import ProgressBar
from research.tracking.runs import RunDirectory
from research.training import checkpoint, devices, hparams
from research.training.evaluate import evaluate
from research.training.journal import Journal, Trial
from research.training.pack import Pack
from research.training.step import Program, TrialState


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


def train_trials(trials: Sequence[tuple[str, Config]], directory: Path) -> list[TrialResult]:
    """Train each (name, config) in `directory/name`; finished trials are skipped, begun ones go on where they stood.

    Raises:
        UserError: if a directory holds a run of another config.
    """
    devices.use_all_cores()
    opened = [Trial(name, config, RunDirectory.create(directory / name, config)) for name, config in trials]
    skipped = {trial.name for trial in opened if trial.run.result()}
    waiting = [trial for trial in opened if trial.name not in skipped]
    programs = [list(group) for _, group in _grouped(waiting)]
    with ProgressBar(sum(_cost(trial.config) * trial.config.training.steps for trial in waiting)) as bar:
        for number, group in enumerate(programs, start=1):
            _train_group(group, bar, f"program {number} of {len(programs)}")
    return [_result(trial, trial.name in skipped) for trial in opened]


def _result(trial: Trial, skipped: bool) -> TrialResult:
    result = trial.run.result()
    assert result is not None
    return TrialResult(trial.name, trial.run.path, result["status"], result["summary"], skipped)


def _grouped(trials: Iterable[Trial]) -> Iterator[tuple[Any, Iterator[Trial]]]:
    """Trials that one program can train, in the order of first appearance."""
    order: dict[Any, int] = {}
    for trial in trials:
        order.setdefault(hparams.static_of(trial.config), len(order))
    placed = sorted(trials, key=lambda trial: order[hparams.static_of(trial.config)])
    return itertools.groupby(placed, key=lambda trial: hparams.static_of(trial.config))


def _train_group(trials: list[Trial], bar: ProgressBar, label: str) -> None:
    """Train trials of one program; those that stand at the same step form a pack."""
    config = trials[0].config
    what = f"{config.model.cell} on {config.task.name}, {len(trials)} trial{'s'[: len(trials) > 1]}"
    bar.doing(f"{label}: {what}: preparing")
    program = Program(config, tasks.create(config.task))
    interface = program.interface
    template = jax.eval_shape(program.init, hparams.of(config, interface))
    found = {trial.name: checkpoint.restore(trial.checkpoints, template) for trial in trials}
    step_of = {name: restored[0] if restored else 0 for name, restored in found.items()}
    for step, members in itertools.groupby(sorted(trials, key=lambda t: step_of[t.name]), lambda t: step_of[t.name]):
        pack_trials = list(members)
        pack = Pack(program, [hparams.of(trial.config, interface) for trial in pack_trials])
        restored = [found[trial.name] for trial in pack_trials]
        states = [state for _, state in restored] if step else None
        bar.advance(step * sum(_cost(trial.config) for trial in pack_trials))
        _train_pack(pack, pack_trials, step, pack.place(states) if states else pack.init(), bar, f"{label}: {what}")


def _train_pack(pack: Pack, trials: list[Trial], start: int, state: TrialState, bar: ProgressBar, label: str) -> None:
    config, task = pack.program.config, pack.program.task
    training = config.training
    held_out = task.held_out(training.eval_examples)
    bar.doing(f"{label}: " + (f"resuming at step {start}" if start else "compiling"))
    journal = Journal(trials, config, start)
    began = saved = time.monotonic()
    step = start
    for stop in _stops(config, start):
        state, record = pack.run(state, stop - step)
        bar.advance(journal.collect() * _cost(config))
        journal.pend(step, stop, record)
        step = stop
        bar.doing(f"{label}: step {step} of {training.steps}")
        if step < training.steps and training.eval_every and step % training.eval_every == 0:
            bar.advance(journal.collect() * _cost(config))
            journal.evaluations(step, evaluate(pack, state, task, held_out))
        due = time.monotonic() - saved > training.checkpoint_seconds and step % training.log_every == 0
        if due and step < training.steps:  # at whole records only, so that a resumed run writes the same ones
            bar.advance(journal.collect() * _cost(config))
            _save(pack, trials, step, state)
            saved = time.monotonic()
    bar.advance(journal.collect() * _cost(config))
    bar.doing(f"{label}: evaluating")
    evaluations = evaluate(pack, state, task, held_out)
    _save(pack, trials, step, state)
    journal.finish(evaluations, time.monotonic() - began)


def _save(pack: Pack, trials: list[Trial], step: int, state: TrialState) -> None:
    for trial, own in zip(trials, pack.fetch(state), strict=True):
        checkpoint.save(trial.checkpoints, step, own)


def _stops(config: Config, start: int) -> list[int]:
    """Where calls of the program end, after `start`: wherever a record, an evaluation or a profile is due."""
    training, flow_every = config.training, config.probes.gradient_flow_every
    periods = [training.log_every, training.eval_every, flow_every]
    stops = {training.steps}.union(*(range(every, training.steps, every) for every in periods if every))
    if flow_every:
        stops.add(training.steps - 1)  # so that the last update has its profile recorded
    return sorted(stop for stop in stops if stop > start)


def _cost(config: Config) -> float:
    """About how long an update takes, in any unit: what the progress bar counts in."""
    steps = tasks.create(config.task).interface.input_length
    return steps * create_cell(config.model.cell).gates * config.model.features**2
