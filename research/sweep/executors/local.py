"""Train in this process, on all its devices."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from research.sweep.executors.executor import Executor, Work
from research.sweep.status import Brief

if TYPE_CHECKING:
    from research.training.pack import PackCache
    from research.training.trial import TrialResult


@dataclass(frozen=True)
class Local(Executor):
    """This process, on all its devices: nothing to install."""

    name: ClassVar[str] = "local"

    def train(self, work: Work) -> Sequence["TrialResult"]:
        from research.training.pack import Sharing
        from research.training.trainer import train_trials  # imports wandb and orbax, which `--help` does not need

        sharing = Sharing(
            self._packs,
            work.pack_size,
            work.pause,
            work.peers,
            leave_busy=True,
            enough=work.enough,
            standing=Brief(work.directory),
        )
        return train_trials(work.trials, work.directory, work.rerun, work.restart, sharing)

    @functools.cached_property
    def _packs(self) -> "PackCache":
        from research.training.pack import PackCache

        return PackCache()
