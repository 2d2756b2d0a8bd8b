"""Run commands in forks of one process that has imported everything, but has not started JAX."""

import contextlib
import gc
import importlib
import io
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.cli.main import main, script

HANGS = 300.0
"""Seconds after which a command hangs."""
TINY = {
    "task.name": "adding",
    "task.length": 8,
    "cell.name": "rnn",
    "model.hidden_size": 8,
    "training.batch_size": 4,
    "training.batch_shards": 1,
    "training.log_every": 10,
    "training.eval_examples": 20,
    "probes.gradient_flow.every": 20,
    "wandb.mode": "disabled",
}


IMPORTED = (
    *("drills.damage", "drills.fuzz", "research.inference.predict", "research.training.trainer"),
    *(f"research.cli.{name}" for name in ("data", "evaluate", "list", "predict", "report", "sweep", "train")),
    *(f"research.reporting.{name}" for name in ("comparison", "page", "runs")),
)
"""Modules that the commands import."""


def warm() -> None:
    """Import what the commands import."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()


def train_args(runs_dir: Path, **changes: Any) -> list[str]:
    """Return the command that trains a tiny trial; `section__name` stands for the key `section.name`."""
    options = {**TINY, **{key.replace("__", "."): value for key, value in changes.items()}}
    flags = [f"--{key}={value}" for key, value in options.items()]
    return ["train", "gradient_norms", *flags, f"--runs-dir={runs_dir}"]


@dataclass(frozen=True)
class Ended:
    """How a command has ended."""

    code: int
    """Exit code; -N for a signal N that the process did not catch."""
    out: str
    err: str
    seconds: float

    @property
    def fault(self) -> str:
        """What no command may do: a traceback, or an exit code other than 0, 2 and those of signals."""
        if "Traceback" in self.err:
            return " | ".join(self.err.strip().splitlines()[-3:])
        return "" if self.code in (0, 2) or self.code > 128 else f"exit code {self.code}: {self.err[-300:]}"


class Process:
    """A fork of this process that runs a command, or a function."""

    def __init__(self, work: Sequence[str] | Callable[[], Any], place: Path, before: Callable[[], Any] = int) -> None:
        """Start it.

        Args:
            work: the words of a command, or a function.
            place: start of the paths of its two outputs.
            before: called before, in the fork.
        """
        self._out, self._err = place.with_suffix(".out"), place.with_suffix(".err")
        self._started, self._seconds = time.monotonic(), float("inf") if callable(work) else HANGS
        self.pid = os.fork()
        if self.pid:
            return
        code = 1
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            for number, path in ((1, self._out), (2, self._err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
            sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(n, "w"), write_through=True) for n in (1, 2))
            before()
            if callable(work):
                work()
                code = 0
            else:
                sys.argv = ["research", *work]
                signal.signal(signal.SIGINT, signal.default_int_handler)
                script()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(bool(error.code))
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
            os._exit(code)

    def kill(self, number: int) -> None:
        """Send a signal, if the process has not ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Wait for the end; a command that hangs is killed."""
        done, status, deadline = 0, 0, self._started + self._seconds
        while not done:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if not done and time.monotonic() > deadline:
                self.kill(signal.SIGKILL)
            time.sleep(0 if done else 0.01)
        out, err = (path.read_text(errors="replace") for path in (self._out, self._err))
        return Ended(os.waitstatus_to_exitcode(status), out, err, time.monotonic() - self._started)


def run(work: Sequence[str] | Callable[[], Any], place: Path, before: Callable[[], Any] = int) -> Ended:
    """Run a command or a function in a fork."""
    return Process(work, place, before).wait()


def call(*words: str) -> Ended:
    """Run a command in this process, which must be a fork: it starts JAX."""
    out, err, code = io.StringIO(), io.StringIO(), 1
    started = time.monotonic()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
    return Ended(code, out.getvalue(), err.getvalue(), time.monotonic() - started)
