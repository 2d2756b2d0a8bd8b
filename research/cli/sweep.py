"""`sweep`: all trials of a sweep file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from research.cli.parser import parse_command
from research.cli.train import writable
from research.options import require
from research.sweep import local, spec


@dataclass(frozen=True)
class Sweep:
    """Train all trials of a sweep file; run again, it resumes."""

    file: Path
    """a sweep in W&B's format, such as sweeps/gradient_norms.yaml"""
    runs_dir: Path = Path("runs")
    """where run directories go"""
    limit: int = 0
    """train the first N trials only; 0: all"""
    executor: Literal["local"] = "local"
    """where trials run"""

    def __post_init__(self) -> None:
        require(self.limit >= 0, "limit", self.limit, "at least 0")


def run(args: Sequence[str]) -> None:
    """Train the trials, then print how they ended and how to report on them.

    Raises:
        UserError: for a wrong flag, a mistake in the file, or a trial that cannot be trained.
    """
    options = parse_command(Sweep, args, "sweep")
    if options is None:
        return
    sweep = spec.read(options.file)
    outcome = local.run(sweep, writable(options.runs_dir), options.limit or None)
    print(f"{outcome.finished} finished, {outcome.diverged} diverged, {outcome.skipped} skipped (done before)")
    print(f"python -m research report {outcome.directory}")
