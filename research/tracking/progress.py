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
SPEED_WINDOW = 60.0  # the remaining time is estimated from the last minute


class ProgressBar:
    """A progress bar for a whole sweep with the current activity; log lines if stderr is not a terminal.

    A thread writes the lines, so that they appear during long calls too. With `shown=False` nothing is displayed.
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
            expand=True,  # the description fills the rest of the line
            speed_estimate_period=SPEED_WINDOW,
            disable=not (shown and person),
        )
        self._progress.add_task("", total=None)
        (self._task,) = self._progress.tasks
        self._before = self._after = ""
        self._written: tuple[int, str] | None = None
        self._stopped = threading.Event()
        self._lines = None if person or not shown else threading.Thread(target=self._write_lines, daemon=True)

    def __enter__(self) -> "ProgressBar":
        self._progress.start()
        if self._lines:
            self._lines.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop the display, at 100% unless an error occurred."""
        if kind is None:
            self._progress.update(self._task.id, description="done", total=1, completed=1)
        self._progress.stop()
        if self._lines:
            self._stopped.set()
            self._lines.join()
            if kind is None or self._shown() != self._written:
                self._write_line()

    def expect(self, total: float) -> None:
        """Set the total amount of work, in any unit."""
        self._progress.update(self._task.id, total=total)

    def part(self, before: str = "", after: str = "") -> None:
        """Set the text before and after the current activity."""
        self._before, self._after = before, after

    def doing(self, what: str) -> None:
        first = not self._task.description
        self._progress.update(self._task.id, description=f"{self._before}{what}{self._after}")
        if first and self._lines:
            self._write_line()

    def advance(self, amount: float) -> None:
        self._progress.advance(self._task.id, amount)

    def _write_lines(self) -> None:
        while not self._stopped.wait(SECONDS_BETWEEN_LINES):
            self._write_line()

    def _write_line(self) -> None:
        task, (minutes, seconds) = self._task, divmod(int(self._task.elapsed or 0), 60)
        line = f"{task.percentage:3.0f}%  {minutes // 60}:{minutes % 60:02}:{seconds:02}  {task.description}"
        STDERR.print(line, highlight=False, markup=False, soft_wrap=True)
        self._written = self._shown()

    def _shown(self) -> tuple[int, str]:
        """Return what a line says, but for the time."""
        return round(self._task.percentage), self._task.description
