"""Progress in the terminal: a bar for a person, a line every few seconds for a log file."""

import threading
import time
from types import TracebackType

from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from research.terminal import STDERR

SECONDS_BETWEEN_LINES = 10.0
BAR_WIDTH = 16
SPEED_WINDOW = 60.0  # seconds of progress that the remaining time is estimated from


class _Display:
    """A display of nothing, for a process that another one speaks for; what the others are."""

    def start(self) -> None: ...

    def stop(self, done: bool) -> None: ...

    def expect(self, total: float) -> None: ...

    def doing(self, what: str) -> None: ...

    def advance(self, amount: float) -> None: ...


class _Bar(_Display):
    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=BAR_WIDTH),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
            console=STDERR,
            expand=True,  # the description gets the rest of the line, and is cut where that is too short
            speed_estimate_period=SPEED_WINDOW,
        )
        self._task = self._progress.add_task("", total=None)

    def start(self) -> None:
        self._progress.start()

    def stop(self, done: bool) -> None:
        if done:
            self._progress.update(self._task, description="done", total=1, completed=1)
        self._progress.stop()

    def expect(self, total: float) -> None:
        self._progress.update(self._task, total=total)

    def doing(self, what: str) -> None:
        self._progress.update(self._task, description=what)

    def advance(self, amount: float) -> None:
        self._progress.advance(self._task, amount)


class _Lines(_Display):
    """Lines that a thread writes, so that a long call does not look like a standstill."""

    def __init__(self) -> None:
        self._total = 0.0
        self._done = 0.0
        self._doing = ""
        self._started = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._write_lines, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, done: bool) -> None:
        self._stopped.set()
        self._thread.join()
        if done:
            self._done = self._total = 1.0
            self._doing = "done"
        self._write()

    def expect(self, total: float) -> None:
        self._total = total

    def doing(self, what: str) -> None:
        first, self._doing = not self._doing, what
        if first:
            self._write()

    def advance(self, amount: float) -> None:
        self._done += amount

    def _write_lines(self) -> None:
        while not self._stopped.wait(SECONDS_BETWEEN_LINES):
            self._write()

    def _write(self) -> None:
        fraction = min(self._done / self._total, 1.0) if self._total else 0.0
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        line = f"{fraction:4.0%}  {minutes // 60}:{minutes % 60:02}:{seconds:02}  {self._doing}"
        STDERR.print(line, highlight=False, markup=False, soft_wrap=True)


class ProgressBar:
    """A bar over a whole sweep, next to what is being done; lines instead where stderr is no terminal."""

    def __init__(self, shown: bool = True) -> None:
        """Choose the display.

        Args:
            shown: False: none, for a process that another one speaks for.
        """
        person = STDERR.is_terminal and not STDERR.is_dumb_terminal
        self._display = (_Bar() if person else _Lines()) if shown else _Display()
        self._before = self._after = ""

    def __enter__(self) -> "ProgressBar":
        """Start the display."""
        self._display.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop the display, at 100% unless there was an error."""
        self._display.stop(done=kind is None)

    def expect(self, total: float) -> None:
        """Set how much there is to do, in any unit."""
        self._display.expect(total)

    def part(self, before: str = "", after: str = "") -> None:
        """Set the words before and after what is being done, such as which part of the whole it is of."""
        self._before, self._after = before, after

    def doing(self, what: str) -> None:
        """Show what is being done."""
        self._display.doing(f"{self._before}{what}{self._after}")

    def advance(self, amount: float) -> None:
        """Count this much as done."""
        self._display.advance(amount)
