"""The contract of an executor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from research.config.naming import NamedConfig

if TYPE_CHECKING:
    from research.training.trial import TrialResult


@dataclass(frozen=True)
class Executor:
    """Trains trials. Each has a `name` and its own options."""

    def train(
        self,
        trials: Sequence[NamedConfig],
        directory: Path,
        pause: Mapping[str, int],
        enough: Callable[[], bool],
        rerun: bool = False,
        restart: bool = False,
    ) -> Sequence["TrialResult"]:
        """Return how each trial ended, paused, or that it is busy (another process trains it) or still waits.

        Args:
            trials: of a sweep.
            directory: of the run directories.
            pause: step at which trials pause, by name; the others train to their end.
            enough: returns whether no more trials need to be started.
            rerun: train finished trials anew.
            restart: train unfinished trials from step 0.
        """
        raise NotImplementedError
