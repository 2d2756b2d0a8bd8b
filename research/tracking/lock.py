"""The lock of a run directory: one process at a time trains a trial. The operating system releases it if that dies."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from research.errors import UserError

LOCK = ".lock"
LOCK_SECONDS = 0.2
"""How long to wait for another process that only looks whether a trial is locked."""
MAX_HOLDER = 300  # letters of a host's name and a process id


class BusyError(UserError):
    """Another process trains the trial."""


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Lock a run directory, and name this process in the lock file.

    Raises:
        BusyError: if another process holds the lock.
    """
    lock = folder / LOCK
    if lock.is_fifo():
        raise UserError(f"{lock}: must be a file")
    try:
        file = lock.open("a")  # keeps the name of a process that holds the lock
    except OSError as error:  # of another user, or not a file
        raise UserError(f"{lock}: cannot be opened: {error.strerror}") from error
    with file:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BusyError(f"{folder}: another process is training this trial") from None
                time.sleep(0.01)
        file.truncate(0)
        file.write(f"{socket.gethostname()} {os.getpid()}\n")
        file.flush()
        yield


def holder(folder: Path) -> str | None:
    """Return the host and process id of the process that has `claimed` a run directory; None if there is none.

    It never waits. Whoever wants the lock at the same moment gets it: `claimed` waits for those who look.
    """
    lock = folder / LOCK
    if lock.is_fifo():  # nobody has locked it
        return None
    with contextlib.suppress(OSError), lock.open(errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read(MAX_HOLDER).strip() or "unknown process"
    return None
