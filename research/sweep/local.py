"""A sweep on this machine: its trials, packed by shape, in one process."""

import sys
from dataclasses import dataclass
from pathlib import Path

from research.sweep.duplicates import describe_duplicates
from research.sweep.spec import Sweep


@dataclass(frozen=True)
class Outcome:
    """How many trials ended how, and where they are."""

    directory: Path
    finished: int
    diverged: int
    skipped: int
    """Trials that were already done."""


def run(sweep: Sweep, runs_dir: Path, limit: int | None = None) -> Outcome:
    """Train the trials that have no result yet; run again, it resumes.

    A line on stderr warns of trials that compute the same as earlier ones.

    Args:
        sweep: the trials.
        runs_dir: where the folder of the sweep goes.
        limit: train the first so many trials only; None: all.

    Raises:
        UserError: if a folder holds a run of another config.
    """
    from research.training.trainer import train_trials  # wandb, orbax: `--help` need not wait for them

    directory = runs_dir / sweep.name
    trials = sweep.trials[:limit]
    for line in describe_duplicates(trials):
        print(f"warning: {line}", file=sys.stderr)
    results = train_trials(trials, directory=directory)
    statuses = ["skipped" if result.skipped else result.status for result in results]
    return Outcome(directory, *(statuses.count(status) for status in ("finished", "diverged", "skipped")))
