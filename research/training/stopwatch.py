"""How long trials have trained."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import jax

T = TypeVar("T")


class Stopwatch:
    """Seconds of updates; compiling, evaluating and saving do not count."""

    def __init__(self, budget: float) -> None:
        """Start at 0; the budget is in seconds, 0: no limit."""
        self.budget, self.seconds = budget, 0.0
        self._since: float | None = None

    @property
    def over(self) -> bool:
        return 0 < self.budget <= self.seconds

    @property
    def elapsed(self) -> float:
        """Seconds until now, also while the stopwatch runs."""
        return self.seconds + (0.0 if self._since is None else time.monotonic() - self._since)

    def time(self, call: Callable[..., T], *arguments: Any) -> T:
        """Call a function that starts updates, and return its result.

        With a budget, wait until the result is computed, then stop. Without one, return at once and run until `pause`.
        """
        if self._since is None:
            self._since = time.monotonic()
        result = call(*arguments)
        if self.budget:
            jax.block_until_ready(result)
            self.pause()
        return result

    def pause(self) -> None:
        """Stop until the next call. The caller must have waited for the last result."""
        self.seconds, self._since = self.elapsed, None
