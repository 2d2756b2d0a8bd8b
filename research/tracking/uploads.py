"""The end of uploads to W&B: all runs upload at the same time, and one deadline holds for all of them."""

import concurrent.futures
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from research.errors import Stopped
from research.tracking import wandb_session as session
from research.tracking.wandb import RUNS, SETTINGS, WandbOptions, WandbRun

STOP_SECONDS = 10.0
"""How long to wait for uploads after an error or a signal."""
abandoned: list[str] = []
"""Names of runs whose threads still wait for W&B; the process need not wait for them."""


def is_unsent(directory: Path, options: WandbOptions) -> bool:
    """Return whether W&B lacks a finished run: an agent asks for it, or an upload was not completed."""
    if session.by_agent():
        return session.mode_of(options.mode) != "disabled"
    unsynced = any(not any(folder.glob("*.synced")) for folder in (directory / "wandb").glob("*run-*"))
    return unsynced and session.mode_of(options.mode) == "online"


@contextlib.contextmanager
def uploading(show: Callable[[str], None]) -> Iterator[None]:
    """Wait for W&B at the end of a `with` block; after an error or a signal not for long.

    `show` gets a line, each second.

    Raises:
        Stopped: after a signal in the wait for a block that is complete.
    """
    try:
        yield
    except BaseException:
        wait_for_uploads(show, STOP_SECONDS)
        raise
    try:
        wait_for_uploads(show)
    except KeyboardInterrupt as error:
        kept = "; all trials are complete, and the same command sends W&B the rest"
        raise Stopped(getattr(error, "number", signal.SIGINT), kept) from error


def wait_for_uploads(show: Callable[[str], None] = lambda line: None, most: float = 0.0) -> None:
    """Close the runs that are open, and wait until W&B has all of them or the time is over; say what it lacks.

    `show` gets a line, each second; `most` is in seconds for all runs together, 0: as long as one run may take.
    """
    runs, limit = [run for run in RUNS if run.worker], most or _seconds()
    end = time.monotonic() + limit
    for run in RUNS:
        if not run.finished:
            run.stop()
    RUNS.clear()
    try:
        while (waiting := _waiting(runs)) and (left := end - time.monotonic()) > 0:
            what = f"uploading {_count(waiting)} to W&B, for at most {left:.0f} s more"
            show(f"{what}; Ctrl-C stops that, and the same command sends the rest")
            concurrent.futures.wait([run.last for run in waiting if run.last], min(1.0, left))
    finally:
        for run in _waiting(runs):
            run.abandon("stopped" if time.monotonic() < end else f"not sent within {limit:.0f} s")
            abandoned.append(run.name)
        unsent = [run for run in runs if run.failure]
        if unsent and not most:
            names = ", ".join(run.name for run in unsent[:2]) + (", …" if unsent[2:] else "")
            session.warn(
                f"W&B lacks part of {_count(unsent)} ({names}); the same command sends it: {unsent[0].failure}"
            )


def _seconds() -> float:
    """Return the seconds that the last uploads of a run may take, and the check that W&B has them."""
    seconds = os.environ.get("WANDB_FINISH_TIMEOUT", "")
    with contextlib.suppress(ValueError):
        return float(seconds) + session.ANSWER_SECONDS
    return float(SETTINGS["finish_timeout"]) + session.ANSWER_SECONDS


def _waiting(runs: Sequence[WandbRun]) -> list[WandbRun]:
    return [run for run in runs if run.last and not run.last.done()]


def _count(runs: Sequence[WandbRun]) -> str:
    return "1 run" if len(runs) == 1 else f"{len(runs)} runs"
