"""`status`: how runs stand, from another shell."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.live import Live
from rich.text import Text

from research.cli.parser import parse_command
from research.errors import UserError, nearest, visible
from research.options import require
from research.sweep.status import DONE, SweepStatus, Watcher, describe, summarize
from research.tracking import strict_json
from research.tracking.directions import direction
from research.tracking.run_directory import RunDirectory

SECONDS_BETWEEN_LOOKS = 2.0


@dataclass(frozen=True)
class Status:
    """Print how many trials are done, run and wait, how fast they are, which is best, and who trains them."""

    runs: tuple[Path, ...]
    """Directories with runs in them, such as runs/gradient_norms, or single runs."""
    follow: bool = False
    """Go on until all trials are done; where the output is no terminal, print a line for each change."""
    metric: str = ""
    """Metric that decides which trial is best, by default the metric of the sweep file."""
    goal: Literal["minimize", "maximize", ""] = ""
    """What is better of --metric, by default what its name says."""
    format: Literal["text", "json"] = "text"
    """Form of the output; json has all numbers and all trials, for scripts."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise UserError("RUNS must be given: directories with runs in them, or single runs")
        require(bool(self.metric) or not self.goal, "--goal", self.goal, "absent without --metric")
        require(not self.follow or self.format == "text", "--format", self.format, "text with --follow")


def run(args: Sequence[str]) -> None:
    """Print the status once, or until all trials are done."""
    options = parse_command(Status, args, "status")
    goal = options.goal or ("maximize" if direction(options.metric) == "max" else "minimize")
    if options.metric.startswith("test/"):
        print("warning: test data choose nothing: take the best trial by a metric of validation/", file=sys.stderr)
    watcher = Watcher(options.runs, options.metric, goal)
    sweeps = watcher.read()
    _check_metric(options, sweeps)
    if options.follow:
        _follow(watcher, sweeps)
    elif options.format == "json":
        print(json.dumps(strict_json.encode([sweep.to_dict() for sweep in sweeps]), indent=1))
    else:
        print(_text(sweeps))


def _check_metric(options: Status, sweeps: Sequence[SweepStatus]) -> None:
    """Refuse a metric that no finished trial has, or of which nothing says what is better."""
    if not options.metric:
        return
    finished = [sweep.folder / trial.name for sweep in sweeps for trial in sweep.trials if trial.state in DONE]
    if finished and not any(sweep.best for sweep in sweeps):
        names = {name for path in finished for name in strict_json.read(RunDirectory(path).result_file)["summary"]}
        what = f"no run has this metric{nearest(options.metric, sorted(names))}"
        require(options.metric in names, "--metric", options.metric, f"that of a run; {what}")
    clear = bool(options.goal or direction(options.metric))
    require(clear, "--metric", options.metric, "given with --goal=minimize or --goal=maximize")


def _text(sweeps: Sequence[SweepStatus]) -> str:
    return "\n".join(visible(line) for sweep in sweeps for line in describe(sweep))


def _follow(watcher: Watcher, sweeps: list[SweepStatus]) -> None:
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        _follow_in_lines(watcher, sweeps)
        return
    with Live(Text(_text(sweeps)), console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while not _all_done(sweeps):
            time.sleep(SECONDS_BETWEEN_LOOKS)
            sweeps = watcher.read()
            live.update(Text(_text(sweeps)), refresh=True)


def _follow_in_lines(watcher: Watcher, sweeps: list[SweepStatus]) -> None:
    printed: dict[Path, str] = {}
    while True:
        for sweep in sweeps:
            line = summarize(sweep)
            if printed.get(sweep.folder) != line:
                print(visible(f"{time.strftime('%H:%M:%S')}  {sweep.folder}: {line}"), flush=True)
                printed[sweep.folder] = line
        if _all_done(sweeps):
            return
        time.sleep(SECONDS_BETWEEN_LOOKS)
        sweeps = watcher.read()


def _all_done(sweeps: Sequence[SweepStatus]) -> bool:
    return all(sweep.over for sweep in sweeps)
