"""Signals to a process that trains.

SIGINT (Ctrl-C), SIGTERM and SIGHUP stop training after the next complete record: a checkpoint is saved and `Stopped` is
raised. A second one of them ends the process at once. SIGUSR1, which Slurm sends as a warning, saves and continues.
"""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from research.errors import STOPPING, Stopped


class Signals:
    """The signals that have arrived while `watching`."""

    def __init__(self) -> None:
        self.stop = 0
        """Number of the signal that asks to stop; 0: none has arrived."""
        self.save = False
        """Whether SIGUSR1 has arrived since the last save."""

    @contextlib.contextmanager
    def watching(self) -> Iterator["Signals"]:
        """Note signals instead of acting on them. Python delivers them to the main thread; in others, do nothing."""
        previous: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (*STOPPING, signal.SIGUSR1):
                if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
                    previous[number] = signal.signal(number, self._note)
        try:
            yield self
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGUSR1:
            self.save = True
            return
        if self.stop:
            raise Stopped(number)
        self.stop = number
        print("stopping: saving after the current updates; once more to end at once", file=sys.stderr, flush=True)
