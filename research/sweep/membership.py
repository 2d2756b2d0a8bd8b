"""Which runs in the folder of a sweep are its trials: `train` may have put others next to them."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from research.config import experiment as experiments
from research.errors import UserError
from research.sweep import spec
from research.sweep.spec import COPY, Sweep
from research.tracking.run_directory import RunDirectory


def outside(folder: Path, runs: Sequence[RunDirectory]) -> list[RunDirectory]:
    """Return the runs in a folder that are no trials of the sweep whose file has its copy there.

    There are none without a copy, nor if it, or the experiment, cannot be read any more. If no run is a trial, the
    experiment or the file has been changed since, and all count as trials.
    """
    copy = folder / COPY
    if not copy.exists():
        return []
    changed = copy.stat().st_mtime_ns
    known = [_is_trial(copy, changed, run.path) for run in runs]
    return [run for run, inside in zip(runs, known, strict=True) if inside is False] if True in known else []


@functools.cache
def _is_trial(copy: Path, changed: int, run: Path) -> bool | None:
    """Return whether a run is what the sweep makes of its values of the parameters.

    None: that is unknown, as the run cannot be read, or has a class of the user that is not imported.
    """
    sweep = _sweep(copy, changed)
    if sweep is None:
        return None
    try:
        options = RunDirectory(run).options()
    except (UserError, OSError):
        return None
    try:
        values = [
            next(listed for listed in item.values or [options[item.key]] if _same(listed, options[item.key]))
            for item in sweep.parameters
        ]
        tuned = experiments.load(options["experiment"]).tune.keys() - {item.key for item in sweep.parameters}
        return sweep.trial(values, {key: options[key] for key in tuned}).name == run.name
    except (KeyError, StopIteration):
        return False
    except UserError:
        return None


@functools.cache
def _sweep(copy: Path, changed: int) -> Sweep | None:
    try:
        return spec.read(copy, limit=0)
    except Exception:  # the file of an experiment may raise anything
        return None


def _same(listed: Any, value: Any) -> bool:
    """Return whether a value is the listed one; YAML reads 1e-3 as a word."""
    try:
        return listed == value or float(listed) == value
    except (TypeError, ValueError):
        return False
