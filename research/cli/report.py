"""`report`: table and figures of trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from research.cli.parser import parse_command
from research.errors import UserError


@dataclass(frozen=True)
class Report:
    """Print the table of trials, and write tables and figures."""

    runs: Path
    """a directory with run directories in it, such as runs/gradient_norms"""
    format: Literal["terminal", "markdown", "latex", "html"] = "terminal"
    """of the table"""
    output: Path | None = None
    """where figures and pages go; None: RUNS/report"""


def run(args: Sequence[str]) -> None:
    """Print the table and write the figures."""
    options = parse_command(Report, args, "report")
    if not options.runs.is_dir():
        raise UserError(f"{options.runs}: no such directory; `sweep` and `train` make runs/NAME")
    from research.reporting import page  # pandas and matplotlib: `--help` need not wait for them

    page.report(options.runs, options.format, options.output)
