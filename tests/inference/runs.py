"""Runs as a training leaves them, made without one: drawn weights, and readers of made-up inputs."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np

from research.batch import FIRST_SYMBOL, Interface
from research.config import Config
from research.dotted import override
from research.errors import UserError
from research.tasks.pronunciation import Spelling
from research.tasks.reader import Axis, Reader
from research.tasks.task import Task
from research.tracking.runs import RunDirectory
from research.training import checkpoint, hparams
from research.training.step import Program, TrialState

TEXT = Interface("tokens", FIRST_SYMBOL + 4, 6, "tokens", FIRST_SYMBOL + 3, 8)
FILES = Interface("features", 2, 6, "tokens", FIRST_SYMBOL + 3, 8)
SPELLING = Spelling("abcd", ("X", "Y", "Z"))
FACTOR = 3
"""How much larger than at initialisation the weights are: outputs differ with the input."""
BASE = override(
    Config(),
    {
        "task.name": "pronunciation",
        "model.cell": "gru",
        "model.features": 6,
        "model.bidirectional": True,
        "model.attention": "dot",
        "init.recurrent": "normal",  # drawn in no time
        "training.steps": 5,
    },
)


class FileReader(Reader):
    """A file of numbers, two a line, which are the steps of a sound or an image."""

    def saved(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> "FileReader":
        return cls()

    def read(self, given: str) -> np.ndarray:
        try:
            return np.array([line.split() for line in Path(given).read_text().splitlines()], np.float32).reshape(-1, 2)
        except ValueError as error:
            raise UserError(f"{given}: holds no numbers\nbut something else") from error

    def text(self, tokens: Sequence[int]) -> str:
        return "".join(self.said(tokens))

    def said(self, tokens: Sequence[int]) -> list[str]:
        return ["XYZ"[token - FIRST_SYMBOL] for token in tokens]

    def axis(self, given: str) -> Axis:
        return Axis(picture=self.read(given).T, name="time (s)", extent=0.5 * len(self.read(given)))


class Sounds(FileReader):
    kind = "sound"


class Images(FileReader):
    kind = "image"


class Unknown(Task):
    """A task of which nothing but the interface is known, as on a machine without its data."""


def make(
    folder: Path,
    interface: Interface = TEXT,
    reader: Reader = SPELLING,
    *,
    seed: int = 3,
    finished: bool = True,
    **changes: Any,
) -> RunDirectory:
    """A run of drawn weights.

    Args:
        changes: of the config; `section__name` stands for the key `section.name`.
    """
    config = override(BASE, {"seed": seed, **{key.replace("__", "."): value for key, value in changes.items()}})
    run = RunDirectory.create(folder, config)
    run.keep_reader({"interface": asdict(interface), "reader": reader.saved()})
    save(run, state(config, interface))
    if finished:
        run.finish({"status": "finished", "steps": config.training.steps, "summary": {}})
    return run


def state(config: Config, interface: Interface) -> TrialState:
    """That of a trial whose task has this interface."""
    task = Unknown.__new__(Unknown)
    task.interface = interface
    drawn = Program(config, task).init(hparams.of(config, interface))
    return jax.tree.map(lambda x: np.asarray(FACTOR * x if x.dtype == np.float32 and x.ndim else x), drawn)


def save(run: RunDirectory, state: TrialState) -> None:
    """Put it in the place of the run's last checkpoint."""
    folder, step = run.path / "checkpoint", run.config().training.steps
    shutil.rmtree(folder, ignore_errors=True)
    checkpoint.save(folder, step, state)
