"""`verdicts`: which published claims hold, by the runs of this project."""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from research.cli.parser import Positional, parse_command
from research.config import claim as claims
from research.config.claim import row_name
from research.errors import UserError, first_line, system_fault, visible
from research.options import flatten

if TYPE_CHECKING:
    from research.config.naming import NamedConfig
    from research.reporting.verdicts import Verdict
    from research.tracking.run_directory import RunDirectory


@dataclass(frozen=True)
class Verdicts:
    """Judge published claims by the runs of this project: published, ours, number of seeds, verdict."""

    names: Positional[tuple[str, ...]] = ()
    """Claims of experiments/claims/, such as attention; by default all."""
    run: bool = False
    """Train the trials that are missing or damaged first."""
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
    """Train what is missing, if asked, and print or write the table.

    Return 2 if a claim could not be trained or judged.
    """
    options = parse_command(Verdicts, args, "verdicts")
    names = options.names or claims.names()
    for name in names:
        claims.load(name)  # a wrong name is an error before anything is trained
    if options.update and options.output:
        _update(options.output, [])  # a wrong page, too
    failed = [name for name in names if options.run and not _train(name, options.runs_dir)]
    from research.reporting import verdict_page

    verdicts = [_judge(name, options.runs_dir) for name in names]
    output, page = options.output, options.format == "page"
    if options.update and output:
        text = _update(output, verdicts)
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
    failed += [verdict.name for verdict in verdicts if verdict.fault]
    if all(verdict.word == "not run" for verdict in verdicts) and not failed:
        folder = options.runs_dir / claims.FOLDER
        _say(f"no runs in {folder}: docs/verdicts.md has the numbers of this project; --run trains")
    return 2 if failed else 0


def _train(name: str, runs_dir: Path) -> bool:
    """Train the missing trials of a claim; return whether all of them ended."""
    from research.sweep import claims as trials
    from research.sweep.executors import Local

    start = time.monotonic()
    try:
        _clear_damaged(name, runs_dir)
        missing = sum(run is None for _, run in trials.find(name, runs_dir))
        if not missing:
            return True
        _say(f"{name}: {missing} trials to train")
        trials.train(name, runs_dir, Local(), _say)
    except UserError as error:
        _say(f"error: claim {name}: {error}")
        return False
    _say(f"{name}: took {(time.monotonic() - start) / 60:.1f} minutes")
    return True


def _clear_damaged(name: str, runs_dir: Path) -> None:
    """Remove what the trials whose results cannot be read have written, so that they are trained anew."""
    from research.sweep import claims as trials

    found = [*trials.find(name, runs_dir)]
    for run in [*(run for _, run in found if run), *_tuning(name, runs_dir, found)]:
        try:
            run.result()
            run.test_examples()
        except UserError as error:
            from research.training import checkpoint  # jax, which takes a second

            _say(f"trained anew: {_fault(error)}")
            with run.claimed():
                run.result_file.unlink(missing_ok=True)  # first: what a kill leaves is unfinished
                checkpoint.clear(run.checkpoints)
                run.clear(path.stem for path in run.path.glob("*.jsonl"))


def _judge(name: str, runs_dir: Path) -> "Verdict":
    """Return the verdict on a claim, with its fault if it cannot be judged."""
    from research.reporting.verdicts import CANNOT, Trial, judge
    from research.sweep import claims as trials

    claim = claims.load(name)
    try:
        found = [*trials.find(name, runs_dir)]
        listed = []
        for trial, run in found:
            flat = flatten(trial.config)
            tuned = {key: flat[key] for key in claim.tune if run}
            listed.append(Trial(_row(flat), trial.config.seed, _result(name, run), run, tuned))
        return judge(name, claim, listed, [_result(name, run) for run in _tuning(name, runs_dir, found)])
    except Exception as error:  # a run may hold anything
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        fault = f"{kind}{first_line(error)}".removeprefix(f"claim {name}: ")
        _say(f"error: claim {name}: {CANNOT}: {fault}")
        return replace(judge(name, claim, ()), fault=fault)


def _tuning(
    name: str, runs_dir: Path, found: "Sequence[tuple[NamedConfig, RunDirectory | None]]"
) -> "Iterator[RunDirectory]":
    """Yield the finished runs that differ from the trials of a claim in their seed and in what is tuned alone."""
    from research.sweep import claims as trials
    from research.tracking.run_directory import RunDirectory

    tune, folder = claims.load(name).tune, trials.folder_of(name, runs_dir)
    rows = {_row(flat): flat for flat in (flatten(trial.config) for trial, _ in found)}
    for path in sorted(folder.with_name(f"{folder.name}-tuning").glob("*/result.json")) if tune else ():
        run = RunDirectory(path.parent)
        with contextlib.suppress(UserError, KeyError):  # of another version of the claim
            known = run.options()
            run.check_config(rows[_row(known)] | {key: known[key] for key in (*tune, "seed")})
            yield run


def _row(flat: "Mapping[str, Any]") -> str:
    """Return the row of a trial with these options."""
    return row_name(flat["setting"], flat["variant"])


def _result(name: str, run: "RunDirectory | None") -> "Mapping[str, Any] | None":
    """Return the result of a finished run; None, with a warning, if it cannot be read."""
    try:
        return run.result() if run else None
    except UserError as error:
        _say(f"left out: {_fault(error)}; research verdicts {name} --run trains it anew")
        return None


def _fault(error: UserError) -> str:
    """Return what is wrong with a run, without the advice to use options that `verdicts` does not have."""
    return str(error).rpartition("; ")[0] or str(error)


def _update(path: Path, verdicts: "Sequence[Verdict]") -> str:
    """Return the page in the file with other verdicts."""
    from research.reporting import verdict_page

    try:
        page = path.read_text(encoding="utf-8")
        return verdict_page.update(page, verdicts, {name: claims.load(name) for name in claims.names()})
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--update: {path}: cannot be read") from error
    except UserError as error:
        raise UserError(f"--update: {path}: {error}") from error


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(system_fault(error, "the file cannot be written") or str(error)) from error


def _say(line: str) -> None:
    print(visible(line), file=sys.stderr, flush=True)
