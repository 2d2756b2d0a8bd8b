"""What probes recorded, as one pandas DataFrame in long form."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from research.errors import UserError
from research.probes import PROBES
from research.tracking.find import find_some
from research.tracking.run_directory import METRICS, RunDirectory

COLUMNS = ("run", "probe", "profile", "step", "axis", "index", "value")


def load_profiles(*runs: Path | str) -> pd.DataFrame:
    """Return what probes recorded in the runs at or under some directories, one row per number.

    The columns are

        run      path of the run directory, as in the column `path` of `load`
        probe    such as "gates"
        profile  such as "encoder/layer_1/forward/f/mean"
        step     number of updates before the measurement
        axis     what the entries of the profile are: "t" (step of the sequence), "unit", "rank", ...; "" of one number;
                 "index" where the module of a probe of yours is not imported
        index    index of the entry, from 0
        value    the number

        profiles = research.load_profiles("runs/gradient_norms")
        f = profiles[profiles["profile"] == "encoder/layer_1/forward/f/mean"]
        f.pivot_table("value", index="index", columns="step")

    A file that cannot be read is left out with a warning.

    Raises:
        UserError: for a directory without runs.
    """
    frames: list[pd.DataFrame] = []
    known: set[Path] = set()
    for directory in runs:
        for run in find_some(directory):
            if run.path.resolve() not in known:
                known.add(run.path.resolve())
                frames += _profiles_of(run)
    if not frames:
        return pd.DataFrame({name: [] for name in COLUMNS})
    words = ["run", "probe", "profile", "axis"]
    return pd.concat(frames, ignore_index=True).astype(dict.fromkeys(words, "category"))


def _profiles_of(run: RunDirectory) -> Iterator[pd.DataFrame]:
    """Yield the numbers of each record."""
    for path in sorted(run.path.glob("*.jsonl")):
        probe = path.stem
        if probe == METRICS:
            continue
        try:
            records = run.records(probe)
        except UserError as error:
            warnings.warn(f"left out: {error}", stacklevel=4)
            continue
        kind = PROBES.get(probe)
        for record in records:
            for profile, values in record.items():
                if profile != "step":
                    axis = "" if np.ndim(values) == 0 else kind().axis(profile) if kind else "index"
                    yield _rows(run, probe, profile, record["step"], axis, np.atleast_1d(values))


def _rows(run: RunDirectory, probe: str, profile: str, step: int, axis: str, values: Any) -> pd.DataFrame:
    index, numbers = np.arange(len(values)), np.asarray(values, np.float64)
    columns = (str(run.path), probe, profile, step, axis, index, numbers)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
