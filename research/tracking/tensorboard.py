"""TensorBoard: the rows of `metrics.jsonl` as scalars, and gradient profiles as heat maps.

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

    def __init__(
        self, directory: Path, records: Sequence[Mapping[str, Any]] = (), profiles: Profiles | None = None
    ) -> None:
        """Start with the records of `metrics.jsonl` and the profiles so far, instead of the events that there are."""
        from tensorboardX import SummaryWriter

        shutil.rmtree(directory / FOLDER, ignore_errors=True)
        self._writer = SummaryWriter(str(directory / FOLDER), flush_secs=10)
        self._steps: dict[str, int] = {}
        for record in records:
            self.log(record["step"], {key: value for key, value in record.items() if key != "step"})
        if profiles:
            parts = (Profiles(profiles.records[: n + 1], profiles.name) for n in range(len(profiles.records)))
            for part in parts:
                if part.drawn:
                    self._draw(part)

    def log(self, step: int, metrics: Mapping[str, Any], profiles: Profiles | None = None) -> None:
        """Write the metrics of a step that are finite, each once, and a heat map of the profiles."""
        for key, value in metrics.items():
            if isinstance(value, int | float) and math.isfinite(value) and self._steps.get(key) != step:
                self._writer.add_scalar(key, value, step)
                self._steps[key] = step
        if profiles:
            self._draw(profiles)

    def close(self, profiles: Profiles | None = None) -> None:
        """Draw the profiles of the end, and write what is waiting."""
        if profiles and not profiles.drawn:
            self._draw(profiles)
        self._writer.close()

    def _draw(self, profiles: Profiles) -> None:
        for name in profiles.names:
            pixels, caption = charts.image(Profiles(profiles.records, name))
            step = int(profiles.records[-1]["step"])
            self._writer.add_image(f"gradient/heatmap/{name}", pixels, step, dataformats="HWC")
            self._writer.add_text(f"gradient/heatmap/{name}", caption, step)
