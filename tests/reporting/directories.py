"""Run directories written by hand."""

from pathlib import Path

from research.config import Config
from research.tracking.runs import RunDirectory


def write(path: Path, config: Config, **summary: float) -> RunDirectory:
    """A finished run of that config."""
    run = RunDirectory.create(path, config)
    result = {"status": "finished", "steps": config.training.steps, "diverged_at": None, "seconds": 1.0}
    run.finish({**result, "summary": summary})
    return run
