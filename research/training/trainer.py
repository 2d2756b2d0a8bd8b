"""Train trials and write their run directories.

Trials with the same static options train together, as a pack (`loop`); idle devices compute shards of their batches. A
trial with a time limit trains alone.

A sweep can have trials pause at a step, to decide which of them continue (`research.sweep.runner`).
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path

import jax

from research.errors import Stopped, UserError, first_line, system_fault, visible
from research.tracking.lock import BusyError
from research.tracking.progress import ProgressBar
from research.tracking.uploads import is_unsent, uploading
from research.training import compilation, devices, loader, processes
from research.training.ending import send_finished
from research.training.hparams import Hparams
from research.training.loop import PackLoop
from research.training.opening import create_runs, open_runs, resolve
from research.training.options import TrialOptions, group_by_program
from research.training.pack import Sharing, build_pack
from research.training.signals import Signals
from research.training.step import Program
from research.training.trial import Trial, TrialResult, find_starts


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
    """Train all trials; where some fail, train the others first."""
    results: list[TrialResult] = []
    failures: list[Exception] = []
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
                try:
                    with _noting_failures(claimed):
                        results += _train_group(claimed, sharing, signals, bar)
                except Exception as error:
                    # A full disk or memory fails the others too, and of several processes all must go the same way.
                    if number == len(groups) or system_fault(error, claimed[0].run.path) or jax.process_count() > 1:
                        raise
                    failures.append(error)
                    more = f" and {len(claimed) - 1} more" if claimed[1:] else ""
                    print(
                        visible(f"failed: {claimed[0].name}{more}: {first_line(error)}; other trials go on"),
                        file=sys.stderr,
                    )
    bar.part()
    if failures:
        raise failures[0]
    return results


@contextlib.contextmanager
def _noting_failures(trials: Sequence[Trial]) -> Iterator[None]:
    """Write in the run directories of unfinished trials that an error has ended their training."""
    runs = [trial.run for trial in trials] if processes.is_first() else []
    for run in runs:
        run.failure_file.unlink(missing_ok=True)
    try:
        yield
    except Exception as error:
        for run in runs:
            if not run.result_file.exists():
                run.fail(f"{'' if isinstance(error, UserError) else type(error).__name__ + ': '}{first_line(error)}")
        raise


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
            results += PackLoop(pack, source, members, first, bar).train(end, signals)
        if stop := processes.from_first(lambda: signals.stop):
            raise Stopped(stop)
    return results


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
