"""`sweep`: all trials of a sweep file, packed by shape: in this process, on workers of Ray, or in jobs of Slurm."""

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from research.cli.parser import Section, parse_command
from research.cli.train import print_lines, warn_of_finished, writable
from research.errors import UserError, program, visible
from research.options import require
from research.sweep import spec
from research.sweep.duplicates import describe_duplicates
from research.sweep.executors import EXECUTORS, Executor, Local, Ray, Slurm
from research.sweep.runner import Runner
from research.tracking import wandb_session as session

if TYPE_CHECKING:
    from research.tracking.wandb import WandbOptions


@dataclass(frozen=True)
class Sweep:
    """Train all trials of a sweep; the same command again resumes it."""

    sweep: Path
    """Path of a file in W&B's sweep format, or the name of one in sweeps/, such as gradient_norms."""
    experiment: str = ""
    """Name or path of the experiment, for a file that does not name one."""
    runs_dir: Path = Path("runs")
    """Where run directories go."""
    limit: int | None = None
    """Train the first N trials only."""
    pack_size: int = 0
    """Largest number of trials that train together; 0: all that one program trains."""
    executor: Literal["local", "ray", "slurm"] = "local"
    """Where trials train: here, on workers of Ray, or in a job array of Slurm."""
    local: Section[Local] = field(default_factory=Local)
    ray: Section[Ray] = field(default_factory=Ray)
    slurm: Section[Slurm] = field(default_factory=Slurm)
    dry_run: bool = False
    """Print the trials, packs, programs, time and memory, and start nothing."""
    rerun: bool = False
    """Train finished trials anew."""
    restart: bool = False
    """Start unfinished trials at step 0, instead of at their last checkpoint."""

    def __post_init__(self) -> None:
        require(self.limit is None or 0 < self.limit < 2**31, "limit", self.limit, f"between 1 and {2**31 - 1}")
        require(0 <= self.pack_size < 2**31, "pack_size", self.pack_size, "at least 0")
        for name in EXECUTORS.keys() - {self.executor}:
            for item in fields(section := getattr(self, name)):
                if getattr(section, item.name) != item.default:
                    raise UserError(f"--{item.name.replace('_', '-')}: needs --executor={name}")
        if self.executor == "slurm" and self.pack_size == 0:
            raise UserError("--executor=slurm: needs --pack-size, the number of trials that a job trains at a time")
        if self.executor == "slurm" and (self.rerun or self.restart):
            raise UserError(
                "--executor=slurm: takes no --rerun or --restart: each job would train what another has trained; "
                "remove the run directories instead"
            )

    def command(self) -> list[str]:
        """Return the words of the command that trains the sweep in a process."""
        words = ["sweep", str(self.sweep), f"--runs-dir={self.runs_dir}", f"--pack-size={self.pack_size}"]
        optional = {"experiment": self.experiment, "limit": self.limit}
        return [*words, *(f"--{name}={value}" for name, value in optional.items() if value)]


def run(args: Sequence[str]) -> None:
    """Warn of trials that compute the same, train all trials, and print how they ended and how to report on them."""
    options = parse_command(Sweep, args, "sweep")
    file = spec.find(options.sweep)
    sweep = spec.read(file, options.experiment, options.limit)
    directory = options.runs_dir / sweep.name
    for line in describe_duplicates(sweep.trials):
        print(f"warning: {line}", file=sys.stderr)
    executor: Executor = getattr(options, options.executor)
    runner = Runner(sweep, directory, executor, options.rerun, options.restart, _say, options.pack_size)
    runner.check()
    if options.dry_run:
        _dry_run(runner, options)
        return
    spec.save_copy(file, writable(directory))
    if launched := executor.launch(options.command(), directory):
        print_lines(launched)
        return
    results = runner.run(options.limit)
    from research.training import processes

    if options.limit is None and results and processes.is_first():
        _send_table(directory, runner.wandb, any(not result.skipped for result in results))
    for result in results:
        if result.divergence:
            print(f"{result.name}: {result.divergence}")
    count = Counter("skipped" if result.skipped else result.status for result in results)
    stopped = f", {count['stopped']} stopped early" if sweep.early_terminate else ""
    ended = f"{count['finished']} finished, {count['diverged']} diverged{stopped}"
    print(f"{ended}, {count['skipped']} skipped (done before)")
    warn_of_finished([result for result in results if result.outdated])
    print(visible(f"{program()} report {shlex.quote(str(directory))}"))


def _dry_run(runner: Runner, options: Sweep) -> None:
    from research.sweep import plan  # imports wandb and orbax, which `--help` does not need

    planned = plan.make(runner.sweep, runner.directory, options.pack_size, options.limit, options.rerun)
    for line in plan.describe(planned):
        print(visible(line))
    if not planned.packs:
        print("nothing is left to do")
    elif line := runner.executor.describe(options.pack_size):
        print(visible(f"{line}; time and memory are those of this machine"))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _send_table(directory: Path, options: "WandbOptions", is_new: bool) -> None:
    """Send the table of a finished sweep to W&B, unless it has it."""
    if (mode := session.mode_of(options.mode)) == "disabled":
        return
    from research.reporting import wandb_report
    from research.tracking.progress import ProgressBar
    from research.tracking.uploads import is_unsent, uploading

    if is_new or is_unsent(directory, options) or not wandb_report.is_sent(directory):
        with ProgressBar(shown=mode == "online") as bar, uploading(bar.doing):
            wandb_report.send(directory, options)
