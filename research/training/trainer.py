"""The training loop: train trials and write their run directories.

Trials with the same static options train together, as a pack; idle devices compute shards of their batches. Each call
of the compiled program runs the updates until the next record, evaluation or checkpoint. These steps do not depend on
whether a run is resumed. While one call computes, the loop fetches and writes the records of the previous call.

A trial with a time limit trains alone. It ends with the first complete record after the limit; only updates count.

The loop evaluates on validation data during training and at the end, on test data only at the end.
Validation decides which weights are scored on test data, and when a trial stops early (`monitor`).

A sweep can have trials pause at a step, to decide which of them continue (`research.sweep.runner`).
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import get_args

import jax
import numpy as np

from research.errors import Stopped, UserError, system_fault
from research.tasks import task as tasks
from research.tasks.task import EvalExamples, Evaluation, Split
from research.tracking.progress import ProgressBar
from research.tracking.run_directory import BusyError
from research.tracking.uploads import is_unsent, uploading
from research.training import compilation, devices, loader, origin, processes
from research.training.ending import send_finished
from research.training.evaluation import evaluate
from research.training.hparams import Hparams
from research.training.journal import Journal
from research.training.loader import Loader
from research.training.monitor import PackMonitor
from research.training.opening import create_runs, open_runs, resolve
from research.training.options import TrialOptions, group_by_program
from research.training.pack import Pack, build_pack
from research.training.progress import PackProgress
from research.training.result import PackResult
from research.training.sharing import Sharing
from research.training.signals import Signals
from research.training.state import TrialState
from research.training.step import Program
from research.training.stopwatch import Stopwatch
from research.training.trial import Start, Trial, TrialResult, find_starts


def train_trials(
    trials: Sequence[tuple[str, TrialOptions]],
    directory: Path,
    rerun: bool = False,
    restart: bool = False,
    sharing: Sharing | None = None,
) -> list[TrialResult]:
    """Train each (name, config) in `directory/name`; skip finished trials, resume started ones.

    Of several processes that train together, only the first one writes; the others use its trials.

    Args:
        trials: name and options of each trial.
        directory: of the run directories.
        rerun: train finished trials anew.
        restart: train unfinished trials anew from step 0, instead of from their last checkpoint.
        sharing: of a sweep; by default all trials train to their end, here.

    Returns:
        How each trial ended, in the order of `trials`.

    Raises:
        Stopped: after a signal, when the checkpoints are saved.
        UserError: if two trials have the same name, a directory holds a run of another config, there are too few
            devices, or a file cannot be read or written.
    """
    sharing = sharing or Sharing()
    processes.start()
    devices.use_all_cores()
    devices.require()
    compilation.enable_cache()
    with _one_line_for_system_faults(directory):
        entries = processes.from_first(lambda: open_runs(trials, directory, rerun, restart, sharing))
        results = {entry.name: entry.result for entry in entries if entry.result}
        ended = [entry for entry in entries if entry.result and entry.result.ended]
        unsent = [entry for entry in ended if is_unsent(entry.run.path, entry.config.wandb)]
        waiting = [entry for entry in entries if not entry.result]
        if waiting or unsent:
            with ProgressBar(shown=processes.is_first()) as bar, uploading(bar.doing):
                for entry in unsent if processes.is_first() else ():
                    send_finished(entry.name, entry.config, entry.run)
                resolved = resolve(waiting, bar)
                processes.from_first(lambda: create_runs(resolved, rerun, restart))
                with Signals().watching() as signals:
                    results |= {result.name: result for result in _train_all(resolved, sharing, signals, bar)}
        return processes.from_first(lambda: [results[entry.name] for entry in entries])


def _train_all(trials: Sequence[Trial], sharing: Sharing, signals: Signals, bar: ProgressBar) -> list[TrialResult]:
    results: list[TrialResult] = []
    bar.expect(sum(sharing.pause.get(trial.name, trial.options.training.steps) for trial in trials))
    groups = group_by_program(trials, attrgetter("name", "options"), sharing.pack_size)
    for number, group in enumerate(groups, start=1):
        if processes.from_first(sharing.enough):
            results += [TrialResult.unfinished(trial.name, trial.run, "waiting") for trial in group]
            continue
        parts = f"{len(group)} × {group[0].options.cell.name} on {group[0].task.name}", sharing.standing()
        bar.part(f"{number}/{len(groups)} · ", "".join(f" · {part}" for part in parts if part))
        with contextlib.ExitStack() as claims:
            busy = processes.from_first(lambda group=group, claims=claims: _claim(group, claims, sharing))
            results += [TrialResult.unfinished(trial.name, trial.run, "busy") for trial in group if trial.name in busy]
            if claimed := [trial for trial in group if trial.name not in busy]:
                results += _train_group(claimed, sharing, signals, bar)
    bar.part()
    return results


def _claim(trials: Sequence[Trial], claims: contextlib.ExitStack, sharing: Sharing) -> set[str]:
    """Lock the trials; return the names of those that another process trains."""
    busy: set[str] = set()
    for trial in trials:
        try:
            claims.enter_context(trial.run.claimed())
        except BusyError:
            if not sharing.leave_busy:
                raise
            busy.add(trial.name)
    return busy


def _train_group(trials: Sequence[Trial], sharing: Sharing, signals: Signals, bar: ProgressBar) -> list[TrialResult]:
    """Train trials with the same static options; those at the same step, with the same end, form a pack."""
    options, task = trials[0].options, trials[0].task
    bar.doing("preparing")
    template = jax.eval_shape(Program(options, task).init, Hparams.of(options))
    starts, results = processes.from_first(
        lambda: find_starts(trials, template, sharing.peers.get(trials[0].name, len(trials)))
    )
    bar.advance(options.training.steps * len(results))
    packs: dict[tuple[int, int, int], list[Trial]] = {}
    for member in trials:
        if start := starts.get(member.name):
            end = sharing.pause.get(member.name, options.training.steps)
            if start.step < end or end == options.training.steps:
                packs.setdefault((start.step, start.batch_shards, end), []).append(member)
            else:
                results.append(TrialResult.unfinished(member.name, member.run, "paused"))
                bar.advance(end)
    for (step, batch_shards, end), members in sorted(packs.items(), key=lambda item: item[0]):
        bar.doing(f"{len(members)} at step {step}, compiling" if len(packs) > 1 else "compiling")
        pack = build_pack(members, batch_shards, sharing.packs)
        with contextlib.closing(loader.create(pack, step)) as source:
            first = [starts[member.name] for member in members]
            results += _train_pack(pack, source, members, first, end, signals, bar)
        if stop := processes.from_first(lambda: signals.stop):
            raise Stopped(stop)
    return results


def _train_pack(
    pack: Pack,
    source: Loader,
    trials: Sequence[Trial],
    starts: Sequence[Start],
    end: int,
    signals: Signals,
    bar: ProgressBar,
) -> list[TrialResult]:
    """Train from the current step to `end`; pause there, or write the results if it is the last step."""
    options, task = pack.program.options, pack.program.task
    training = options.training
    step = start = starts[0].step
    examples: dict[Split, EvalExamples] = {
        split: tasks.eval_examples(task, split, training.eval_examples) for split in get_args(Split)
    }
    watch = Stopwatch(training.max_seconds)
    journal = Journal(trials, starts, watch) if processes.is_first() else Journal((), (), watch)
    monitor = PackMonitor(pack, processes.from_first(journal.monitors))
    state = monitor.retire_stopped(_first_state(pack, starts))
    progress = PackProgress(bar, training, len(trials), start, watch.seconds)
    if start < training.steps:
        progress.doing("compiling")
        state, _ = source.run(state, start, start)  # 0 updates: compiles the program outside the measured time
        progress.doing()
    started = saved = time.monotonic()

    def halt() -> None:
        """Write the record that was kept; the time until the next update does not count."""
        journal.collect()
        watch.pause()

    def evaluate_on(split: Split, state: TrialState) -> list[Evaluation]:
        progress.doing(f"evaluating on {split} data")
        return evaluate(pack, state, task, examples[split])

    def over() -> bool:
        """Return whether the time limit is reached or all trials have diverged, as the first process decides."""
        if not training.max_seconds:
            return False
        return processes.from_first(lambda: watch.over or not np.any(jax.device_get(state.ok)))

    if not monitor.has_metric:
        monitor.find_metric(evaluate_on("validation", state))  # now, so that a wrong name is told at once
    for stop in () if over() or monitor.all_stopped else _stops(options, start, source.span):
        state, record = watch.time(source.run, state, step, stop)
        last = stop == training.steps or (stop % training.log_every == 0 and over())
        journal.collect()
        progress.to(step, watch.seconds)
        journal.hold(step, stop, record, last)
        step = stop
        if last:
            break
        if training.eval_every and step % training.eval_every == 0 and monitor.needs_evaluation(state):
            halt()
            validation = evaluate_on("validation", state)
            state = monitor.observe(state, step, validation)
            journal.log_evaluations(step, {"validation": validation})
            if monitor.all_stopped:
                break
        if not options.completes_record(step):
            continue  # saved only with complete records: resumed runs write the same
        interrupted = processes.from_first(lambda: signals.stop)
        due = signals.save or time.monotonic() - saved > training.checkpoint_seconds
        if step == end or interrupted or due:
            halt()
            journal.save(step, monitor.fetch(state))
            saved, signals.save = time.monotonic(), False
        if step == end:
            return journal.pause()
        if interrupted:
            raise Stopped(interrupted)
    halt()
    evaluations: dict[Split, list[Evaluation]] = {}
    if not monitor.all_stopped:
        evaluations["validation"] = evaluate_on("validation", state)
        monitor.observe(state, step, evaluations["validation"], last=True)
    fetched = monitor.fetch(state)
    evaluations["test"] = evaluate_on("test", monitor.kept(state, fetched))
    progress.doing("saving")
    journal.log_evaluations(step, evaluations)
    journal.save(step, fetched)
    seconds, program = time.monotonic() - started, pack.program
    progress.finish()
    return journal.finish(
        PackResult(step, fetched, evaluations["test"], seconds, source.waited, program.batch_shards, program.kernel)
    )


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


@contextlib.contextmanager
def _one_line_for_system_faults(directory: Path) -> Iterator[None]:
    """Turn a full disk or memory into a one-line error: neither is a mistake of the program."""
    try:
        yield
    except Exception as error:
        fault = system_fault(error, directory)
        if fault is None:
            raise
        more = "; a smaller model.hidden_size, training.batch_size or sweep needs less" if "memory" in fault else ""
        raise UserError(f"{fault}; the same command resumes from the last checkpoint{more}") from error
