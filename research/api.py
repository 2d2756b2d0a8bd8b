"""Train in Python: `train(experiment, options)` is the command `train`, and gives its result back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from research.config import Config, experiment
from research.config.flat import override
from research.config.naming import name_trial
from research.options import flatten
from research.tracking.run_directory import METRICS, RunDirectory
from research.training.trainer import train_trials


@dataclass(frozen=True)
class TrainResult:
    """How a training ended."""

    path: Path
    """The run directory, for `research.load`."""
    status: str
    """finished, or diverged."""
    summary: dict[str, Any]
    """The last value of each metric, such as "test/accuracy"."""

    @property
    def metrics(self) -> pd.DataFrame:
        """All metrics by step; NaN where a metric was not recorded."""
        return pd.DataFrame(RunDirectory(self.path).records(METRICS)).groupby("step").first()
