"""The contract of an executor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from research.config.naming import NamedConfig

if TYPE_CHECKING:
    from research.training.trial import TrialResult


def never() -> bool:
    return False


@dataclass(frozen=True)
class Work:
    """Trials of a sweep to train, and how far."""

    trials: Sequence[NamedConfig]
    directory: Path
    """Of the run directories."""
    pause: Mapping[str, int]
    """Step at which trials pause, by name; the others train to their end."""
    peers: Mapping[str, int]
    """Number of trials of the sweep that one program trains, by name."""
    enough: Callable[[], bool] = never
    """Returns whether no more trials need to be started."""
    rerun: bool = False
    """Train finished trials anew."""
    restart: bool = False
    """Train unfinished trials from step 0."""
    pack_size: int = 0
    """Largest number of trials of a pack; 0: as the executor decides."""


@dataclass(frozen=True)
class Executor:
    """Trains trials. Each has a `name` and its own options."""

    name: ClassVar[str]

    def launch(self, command: Sequence[str], directory: Path) -> Mapping[str, str]:
        """Start processes that train the sweep without this one; return what to show of them; empty: `train` does it.

        `command` has the words after `python -m research` that train the sweep in a process.
        """
        return {}

    def describe(self, pack_size: int) -> str:
        """Return a line for a dry run: who trains the packs, and on what; "": this process."""
        return ""

    def train(self, work: Work) -> Sequence["TrialResult"]:
        """Return how each trial ended, paused, or that it is busy (another process trains it) or still waits."""
        raise NotImplementedError
