"""`verdicts`: which published claims hold, by the runs of this project."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from research.cli.parser import Positional, parse_command
from research.config import claim as claims
from research.config.claim import row_name
from research.errors import UserError, system_fault, visible

if TYPE_CHECKING:
    from research.reporting.verdicts import Verdict
    from research.tracking.run_directory import RunDirectory


@dataclass(frozen=True)
class Verdicts:
    """Judge published claims by the runs of this project: published, ours, number of seeds, verdict."""

    names: Positional[tuple[str, ...]] = ()
    """Claims of experiments/claims/, such as attention; by default all."""
    run: bool = False
    """Train the trials that are missing first."""
    runs_dir: Path = Path("runs")
    """Where run directories are: those of a claim in claims/NAME."""
    format: Literal["terminal", "markdown", "page"] = "terminal"
    """Form of the table; page: that of the terminal, and an interactive page is written."""
    output: Path | None = None
    """File to write in place of the standard output, such as docs/verdicts.md; of the page, by default
    claims/page.html in RUNS_DIR."""
    update: bool = False
    """Replace NAMES in the Markdown file OUTPUT, and keep its verdicts on other claims."""

    def __post_init__(self) -> None:
        if self.update and not (self.names and self.output and self.format == "markdown"):
            raise UserError("--update needs NAMES, --format=markdown and --output=FILE")


def run(args: Sequence[str]) -> int:
    """Train what is missing, if asked, and print or write the table; return 2 if a claim could not be trained."""
    options = parse_command(Verdicts, args, "verdicts")
    names = options.names or claims.names()
    for name in names:
        claims.load(name)  # a wrong name is an error before anything is trained
    failed = [name for name in names if options.run and not _train(name, options.runs_dir)]
    from research.reporting import verdict_page

    verdicts = [_judge(name, options.runs_dir) for name in names]
    output, page = options.output, options.format == "page"
    if options.update and output:
        text = verdict_page.update(_read(output), verdicts, {name: claims.load(name) for name in claims.names()})
    else:
        text = verdict_page.render(verdicts, "markdown" if options.format == "markdown" else "terminal")
    if page or output is None:
        print(text, end="")
    if page:
        from research.reporting.interactive import verdicts as interactive  # matplotlib, which takes a second

        output, text = output or options.runs_dir / claims.FOLDER / "page.html", interactive.render(verdicts)
    if output:
        _write(output, text)
        print(output)
    if all(verdict.word == "not run" for verdict in verdicts) and not failed:
        folder = options.runs_dir / claims.FOLDER
        _say(f"no runs in {folder}: docs/verdicts.md has the numbers of this project; --run trains")
    return 2 if failed else 0


def _train(name: str, runs_dir: Path) -> bool:
    """Train the missing trials of a claim; return whether all of them ended."""
    from research.sweep import claims as trials
    from research.sweep.executors import Local

    missing = sum(run is None for _, run in trials.find(name, runs_dir))
    if not missing:
        return True
    _say(f"{name}: {missing} trials to train")
    start = time.monotonic()
    try:
        trials.train(name, runs_dir, Local(), _say)
    except UserError as error:
        _say(f"error: claim {name}: {error}")
        return False
    _say(f"{name}: took {(time.monotonic() - start) / 60:.1f} minutes")
    return True


def _judge(name: str, runs_dir: Path) -> "Verdict":
    from research.reporting.verdicts import Trial, judge
    from research.sweep import claims as trials

    found = [
        Trial(row_name(trial.config.setting, trial.config.variant), trial.config.seed, _result(run), run)
        for trial, run in trials.find(name, runs_dir)
    ]
    return judge(name, claims.load(name), found)


def _result(run: "RunDirectory | None") -> "Mapping[str, Any] | None":
    """Return the result of a finished run; None, with a warning, if it cannot be read."""
    try:
        return run.result() if run else None
    except UserError as error:
        _say(f"left out: {error}")
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--update: {path}: cannot be read") from error


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(system_fault(error, "the file cannot be written") or str(error)) from error


def _say(line: str) -> None:
    print(visible(line), file=sys.stderr, flush=True)
