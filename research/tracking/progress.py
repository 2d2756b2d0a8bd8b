"""Progress in the terminal: a bar for a person, a line every few seconds for a log file."""

import threading
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


class ProgressBar:
    """A bar over a whole sweep, next to what is being done; lines instead where stderr is no terminal.

    A thread writes the lines, so that a long call does not look like a standstill. Not `shown`, there is neither, for a
    process that another one speaks for.
    """

    def __init__(self, shown: bool = True) -> None:
        person = STDERR.is_terminal and not STDERR.is_dumb_terminal
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
            disable=not (shown and person),
        )
        self._progress.add_task("", total=None)
        (self._task,) = self._progress.tasks
        self._before = self._after = ""
        self._stopped = threading.Event()
        self._lines = None if person or not shown else threading.Thread(target=self._write_lines, daemon=True)

    def __enter__(self) -> "ProgressBar":
        """Start the display."""
        self._progress.start()
        if self._lines:
            self._lines.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop the display, at 100% unless there was an error."""
        if kind is None:
            self._progress.update(self._task.id, description="done", total=1, completed=1)
        self._progress.stop()
        if self._lines:
            self._stopped.set()
            self._lines.join()
            self._write_line()

    def expect(self, total: float) -> None:
        """Set how much there is to do, in any unit."""
        self._progress.update(self._task.id, total=total)

    def part(self, before: str = "", after: str = "") -> None:
        """Set the words before and after what is being done, such as which part of the whole it is of."""
        self._before, self._after = before, after

    def doing(self, what: str) -> None:
        """Show what is being done."""
        first = not self._task.description
        self._progress.update(self._task.id, description=f"{self._before}{what}{self._after}")
        if first and self._lines:
            self._write_line()

    def advance(self, amount: float) -> None:
        """Count this much as done."""
        self._progress.advance(self._task.id, amount)

    def _write_lines(self) -> None:
        while not self._stopped.wait(SECONDS_BETWEEN_LINES):
            self._write_line()

    def _write_line(self) -> None:
        task, (minutes, seconds) = self._task, divmod(int(self._task.elapsed or 0), 60)
        line = f"{task.percentage:3.0f}%  {minutes // 60}:{minutes % 60:02}:{seconds:02}  {task.description}"
        STDERR.print(line, highlight=False, markup=False, soft_wrap=True)
