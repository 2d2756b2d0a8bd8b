"""Train in Python: `train(experiment, options)` does what the command `train` does, and returns the result."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from research.config import Config
from research.config import experiment as experiments
from research.config.flat import draft, override
from research.config.naming import folder_name, name_config, name_trial
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
    summary: dict[str, Any] = field(repr=False)
    """The last value of each metric, such as `test/accuracy`."""

    @property
    def metrics(self) -> pd.DataFrame:
        """All metrics by step; NaN at steps where a metric was not recorded."""
        return pd.DataFrame(RunDirectory(self.path).records(METRICS)).groupby("step").first()


def train(
    experiment: str | Config,
    options: Mapping[str, Any] | None = None,
    runs_dir: Path | str = "runs",
    *,
    rerun: bool = False,
    restart: bool = False,
) -> TrainResult:
    """Train one trial, as the command `train` does with the same options: a finished one is not trained again.

    A warning says if a finished trial was trained by other code than today's. W&B is off unless the options, or the
    config, set `wandb.mode`.

    Args:
        experiment: name of an experiment, such as "attention", the path of an experiment file, or a `Config`.
        options: keys of the config and their values: `{"training.steps": 100, "attention.name": "additive"}`. The keys
            "setting" and "variant" stand for the experiment's named options.
        runs_dir: where run directories go.
        rerun: train a finished trial anew.
        restart: start an unfinished trial at step 0, not at its last checkpoint.

    Raises:
        UserError: for an unknown key, a value that is not allowed, or a run that cannot be trained here.
    """
    options = dict(options or {})
    if isinstance(experiment, Config):
        config = override(experiment, options)
        trial = name_config(config, _changes(config))
    else:
        trial = name_trial(experiment, {key: str(value) for key, value in options.items()})
    name, config = trial
    if config.wandb.mode == "auto" and "wandb.mode" not in options:
        config = override(config, {"wandb.mode": "disabled"})
    folder = folder_name(Path(config.experiment or config.task.name).stem)
    (result,) = train_trials([(name, config)], Path(runs_dir) / folder, rerun=rerun, restart=restart)
    if result.outdated:
        warnings.warn(f"{result.path}: finished before, {result.outdated}; rerun=True trains anew", stacklevel=2)
    return TrainResult(result.path, result.status, result.summary)


def _changes(config: Config) -> list[str]:
    """Return the keys in which a config differs from its experiment's base, or from the defaults of its choices."""
    base = experiments.load(config.experiment).base if config.experiment else Config()
    flat = flatten(config)
    names = {key: value for key, value in flat.items() if key.endswith(".name")}
    former = flatten(base)
    defaults = flatten(draft(base, names)) | {key: former[key] for key in names}
    return [key for key, value in flat.items() if defaults.get(key) != value]
