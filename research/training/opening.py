"""Before trials train: look at their run directories, read their data, and create the directories."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from research.errors import UserError
from research.tasks import task as tasks
from research.tasks.task import Split, Task
from research.tracking import wandb_session as session
from research.tracking.lock import BusyError
from research.tracking.progress import ProgressBar
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint, processes
from research.training.options import TrialOptions
from research.training.pack import Sharing
from research.training.trial import Trial, TrialResult, check, record_stems


class Entry(NamedTuple):
    """A trial before its data are loaded."""

    name: str
    config: TrialOptions
    run: RunDirectory
    result: TrialResult | None
    """Of a run that was finished before; None: it must be trained."""


def open_runs(
    trials: Sequence[tuple[str, TrialOptions]], directory: Path, rerun: bool, restart: bool, sharing: Sharing
) -> list[Entry]:
    """Return all trials, after a look at the run directories that exist. Write nothing."""
    for name, count in Counter(name for name, _ in trials).items():
        if count > 1:
            raise UserError(f"{directory / name}: {count} trials of this name; names must differ")
    entries: list[Entry] = []
    for name, config in trials:
        run = RunDirectory(directory / name)
        run.check_config(config)
        entries.append(Entry(name, config, run, None if rerun else TrialResult.read(name, run, config)))
    return [entry if entry.result else _check(entry, restart, sharing) for entry in entries]


def _check(entry: Entry, restart: bool, sharing: Sharing) -> Entry:
    """Check that a trial can start or resume here, and that no other process trains it."""
    if entry.config.wandb.mode == "online":
        session.mode_of("online")  # fails at once without a login
    try:
        if entry.run.holder() is None:
            check(entry.config, entry.run, restart or entry.run.result_file.exists())
        if entry.run.config_file.exists():
            with entry.run.claimed():  # fails at once if another process trains it
                pass
    except BusyError:
        if not sharing.leave_busy:
            raise
        return entry._replace(result=TrialResult.unfinished(entry.name, entry.run, "busy"))
    return entry


def create_runs(trials: Sequence[Trial], rerun: bool, restart: bool) -> None:
    """Create the run directories; on `rerun` clear those of finished trials, on `restart` those of unfinished ones."""
    for trial in trials:
        RunDirectory.create(trial.run.path, trial.config)
        if rerun or restart:
            with trial.run.claimed():
                if rerun if trial.run.result_file.exists() else restart:
                    trial.run.result_file.unlink(missing_ok=True)  # first: what a kill leaves is unfinished
                    checkpoint.clear(trial.run.checkpoints)
                    trial.run.clear(record_stems(trial.options))


def resolve(entries: Sequence[Entry], bar: ProgressBar) -> list[Trial]:
    """Load the data and resolve the sizes of all trials, so that mistakes are found before any training."""
    for task, count in dict.fromkeys((entry.config.task, entry.config.training.eval_examples) for entry in entries):
        bar.doing(f"reading the data of {task.name}")
        processes.from_first(lambda task=task, count=count: _read(task, count))  # it prepares the data
    return [Trial.resolve(entry.name, entry.config, entry.run) for entry in entries]


def _read(task: Task, count: int) -> None:
    loaded = tasks.load(task)
    assert loaded.spec
    for split in get_args(Split):
        tasks.eval_examples(loaded, split, count)
