"""`report`: table and figures of trials."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from research.cli.parser import parse_command
from research.config.experiment import Column
from research.errors import UserError, visible
from research.options import require


@dataclass(frozen=True)
class Report:
    """Print the table of runs, and write tables (Markdown, LaTeX, HTML, CSV) and figures (PNG, PDF, SVG)."""

    runs: tuple[Path, ...]
    """Directories with runs in them, such as runs/gradient_norms, or single runs; several are reported together."""
    format: Literal["terminal", "markdown", "latex", "html"] = "terminal"
    """Form of the printed table."""
    output: Path | None = None
    """Folder of the files; by default report in the first of RUNS."""
    caption: str = ""
    """Caption of the LaTeX table; by default the claim of the experiment, or the description of the sweep."""
    label: str = ""
    """Label of the LaTeX table; by default tab:NAME."""
    columns: str = ""
    """Columns of the table, by default those of the experiment: METRIC or TITLE=METRIC, with commas between them; *
    stands for any text."""
    figure: str = ""
    """Figures to draw, by default those of the experiment, with commas between them; none: no figure."""
    at: str = ""
    """Training steps at which gradient_profiles, or the figures of --figure, are drawn, such as 0,100,last."""
    list_metrics: bool = False
    """Print the names of the metrics that the runs have, and nothing else."""
    strict: bool = False
    """Exit code 2 if a run cannot be read; otherwise such runs are named and left out."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise UserError("RUNS must be given: directories with runs in them, or single runs")
        allowed = "of letters, digits and : . _ + / -"
        require(re.fullmatch(r"[\w:.+/-]*", self.label) is not None, "label", self.label, allowed)


def run(args: Sequence[str]) -> None:
    """Print the table and write the figures."""
    options = parse_command(Report, args, "report")
    from research.reporting import page, runs  # pandas and matplotlib: `--help` need not wait for them
    from research.reporting.columns import metrics

    if options.list_metrics:
        trials, faults = runs.read(options.runs)
        for fault in faults:
            print(visible(f"left out: {fault}"), file=sys.stderr)
        print(*map(visible, metrics(trials)), sep="\n")
        return
    at: list[int | Literal["first", "last"]] = [_step(text.strip()) for text in options.at.split(",") if text.strip()]
    columns = [_column(text.strip()) for text in options.columns.split(",") if text.strip()]
    page.report(
        *options.runs,
        format=options.format,
        output=options.output,
        caption=options.caption,
        label=options.label,
        columns=columns,
        figure=[name.strip() for name in (options.figure or "gradient_profiles" * bool(at)).split(",") if name.strip()],
        at=at,
        strict=options.strict,
    )


def _step(text: str) -> int | Literal["first", "last"]:
    if text in ("first", "last"):
        return text
    require(text.isdecimal() and len(text) < 10, "--at", text, "a number of updates, first or last")
    return int(text)


def _column(text: str) -> Column:
    title, equals, key = text.rpartition("=")
    return Column(title if equals else key, key)
