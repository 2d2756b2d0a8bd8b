"""Progress in the terminal: a bar for a person, a line every few seconds for a log file."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0


class ProgressBar:
    """One bar over a whole sweep, with what is going on beside it."""

    def __init__(self, total: float) -> None:
        self._total = total
        self._done = 0.0
        self._doing = ""
        self._next_line = 0.0
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        if self._console.is_terminal:
            columns = (SpinnerColumn(), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, TextColumn("{task.description}"), console=self._console)
            self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> "ProgressBar":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def doing(self, what: str) -> None:
        """Say what is going on."""
        self._doing = what
        if self._bar:
            self._bar.update(self._task, description=what)
        else:
            self._line(now=True)

    def advance(self, amount: float) -> None:
        self._done += amount
        if self._bar:
            self._bar.advance(self._task, amount)
        else:
            self._line(now=False)

    def _line(self, now: bool) -> None:
        if now or time.monotonic() > self._next_line:
            self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
            share = self._done / self._total if self._total else 1.0
            self._console.print(f"{share:4.0%}  {self._doing}", highlight=False, soft_wrap=True)
