"""TensorBoard: the rows of `metrics.jsonl` as scalars, and the gradient profile as a heat map.

The run directory is the record: a run that is resumed writes its events anew from the records, so that TensorBoard has
each of them once. Only this module imports tensorboardX, and only when a run needs it.
"""

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.tracking import charts
from research.tracking.charts import Profiles

FOLDER = "tensorboard"


@dataclass(frozen=True)
class TrackingOptions:
    """Other places than W&B that get the metrics of a trial."""

    tensorboard: bool = False
    """Whether to write files for TensorBoard, to `tensorboard/` of the run directory."""


class TensorBoardRun:
    """The events of one trial."""

    def __init__(self, directory: Path, records: Sequence[Mapping[str, Any]] = ()) -> None:
        """Start with the records of `metrics.jsonl`, instead of the events that there are."""
        from tensorboardX import SummaryWriter

        shutil.rmtree(directory / FOLDER, ignore_errors=True)
        self._writer = SummaryWriter(str(directory / FOLDER), flush_secs=10)
        for record in records:
            self.log(record["step"], {key: value for key, value in record.items() if key != "step"})

    def log(self, step: int, metrics: Mapping[str, Any], profiles: Profiles | None = None) -> None:
        """Write the metrics of a step, and a heat map of the profiles."""
        for key, value in metrics.items():
            if isinstance(value, int | float) and not math.isnan(value):
                self._writer.add_scalar(key, value, step)
        if profiles:
            pixels, _ = charts.image(profiles)
            self._writer.add_image(f"gradient/heatmap/{profiles.name}", pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is waiting."""
        self._writer.close()
