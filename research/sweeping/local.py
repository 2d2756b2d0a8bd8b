"""A sweep on this machine: its trials, packed by shape, in one process."""

import itertools
from dataclasses import dataclass
from pathlib import Path

from research.sweeping.spec import Sweep


@dataclass(frozen=True)
class Outcome:
    """How many trials ended how, and where they are."""

    directory: Path
    finished: int
    diverged: int
    skipped: int
    """Trials that were already done."""


def run(sweep: Sweep, runs_dir: Path, limit: int | None = None) -> Outcome:
    """Train the trials, the first `limit` of them if given, that have no result yet. Run again, it goes on.

    Raises:
        UserError: if a folder holds a run of another config.
    """
    from research.training.trainer import train_trials  # jax takes a second, which `--help` does not have

    directory = runs_dir / sweep.name
    trials = [(trial.name, trial.config) for trial in itertools.islice(sweep.trials, limit)]
    results = train_trials(trials, directory=directory)
    statuses = ["skipped" if result.skipped else result.status for result in results]
    return Outcome(directory, *(statuses.count(status) for status in ("finished", "diverged", "skipped")))
