"""The trials of a claim as a sweep: train what is missing, and find what is there.

The runs of a claim are in RUNS/claims/NAME, with a sweep file, so `research sweep`, `status` and `report` read them as
those of any other sweep.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from research.config import claim as claims
from research.config.claim import FOLDER, Claim
from research.config.naming import NamedConfig
from research.errors import UserError
from research.sweep import spec
from research.sweep.executors import Executor, Local
from research.sweep.runner import Runner
from research.sweep.spec import COPY, Sweep
from research.sweep.tuning import tuning_of
from research.tracking.run_directory import RunDirectory


def folder_of(name: str, runs_dir: Path) -> Path:
    """Return the folder of the runs that decide a claim."""
    return runs_dir / FOLDER / (claims.load(name).runs_of or name)


def train(name: str, runs_dir: Path, executor: Executor, say: Callable[[str], None]) -> None:
    """Train the trials of a claim that are not finished; `say` gets a line while others are waited for."""
    folder = folder_of(name, runs_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / COPY).write_text(sweep_file(folder.name))
    Runner(spec.read(folder / COPY), folder, executor, say=say).run()


def find(name: str, runs_dir: Path) -> Iterator[tuple[NamedConfig, RunDirectory | None]]:
    """Yield each trial of a claim, with its run if it is finished and was trained with the claim's present options.

    Where options are tuned, there are no runs before the trials that choose are finished.
    """
    folder = folder_of(name, runs_dir)
    sweep = _read(folder.name)
    tuning = tuning_of(sweep)
    if tuning:
        tuner = Runner(sweep, folder, Local()).tuner(tuning)
        if not all(_finished(trial, tuner.directory) for trial in tuner.sweep.trials):
            yield from ((trial, None) for trial in sweep.trials)
            return
        sweep = tuner.choose(tuning)
    yield from ((trial, _finished(trial, folder)) for trial in sweep.trials)


def sweep_file(name: str) -> str:
    """Return the sweep file of a claim's trials: YAML in the form of JSON."""
    claim = claims.load(name)
    return json.dumps(_content(name, claim), indent=1, ensure_ascii=False) + "\n"


def _content(name: str, claim: Claim) -> Mapping[str, Any]:
    values = {"setting": [*claim.settings], "variant": [*claim.variants], "seed": [*range(claim.seeds)]}
    command = ["${env}", "${interpreter}", "-m", "research", "train", f"{FOLDER}/{name}", "${args}"]
    return {
        "name": name,
        "description": claim.claim,
        "program": "research/__main__.py",
        "command": command,
        "method": "grid",
        **({"metric": {"name": claim.tuned_by, "goal": "minimize"}} if claim.tuned_by else {}),
        "parameters": {key: {"values": listed} for key, listed in values.items() if listed},
    }


def _read(name: str) -> Sweep:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / COPY
        path.write_text(sweep_file(name))
        return spec.read(path)


def _finished(trial: NamedConfig, folder: Path) -> RunDirectory | None:
    """Return the run of a trial; None if it is not finished, or has other options."""
    run = RunDirectory(folder / trial.name)
    if not run.result_file.exists():
        return None
    try:
        run.check_config(trial.config)
    except UserError:
        return None
    return run
