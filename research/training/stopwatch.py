"""The time that trials have trained, of the time that they may."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import jax

T = TypeVar("T")


class Stopwatch:
    """Seconds of training; with a budget, evaluations and whatever else a process does between updates do not count."""

    def __init__(self, budget: float, seconds: float = 0.0) -> None:
        """Start from the seconds of the run that is resumed.

        Args:
            budget: in seconds; 0: there is none.
            seconds: trained so far.
        """
        self.budget, self.seconds = budget, seconds
        self._since: float | None = None

    @property
    def over(self) -> bool:
        """Whether the budget is spent."""
        return 0 < self.budget <= self.seconds

    @property
    def elapsed(self) -> float:
        """The seconds until now; while it is stopped, `seconds`."""
        return self.seconds + (0.0 if self._since is None else time.monotonic() - self._since)

    def time(self, call: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a call: with a budget after it is computed, as that time counts; else at once.

        Without a budget the time runs on until `pause`.
        """
        if self._since is None:
            self._since = time.monotonic()
        result = call(*arguments)
        if self.budget:
            jax.block_until_ready(result)
            self.pause()
        return result

    def pause(self) -> None:
        """Stop until the next call; the result of the last one must be computed."""
        self.seconds, self._since = self.elapsed, None
