"""Runs as a training leaves them, written without one: drawn weights, and processors of invented inputs."""

import functools
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.batch import FIRST_SYMBOL, TaskSpec
from research.config import Config
from research.config.flat import override
from research.data.field import Axis, Field
from research.data.processor import FIELDS, Processor
from research.data.text import Symbols
from research.errors import UserError
from research.seq2seq.budget import resolve_hidden_size
from research.tasks import TASKS
from research.tasks.task import Task
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint
from research.training.hparams import Hparams
from research.training.state import TrialState
from research.training.step import Program

TEXT = TaskSpec("tokens", FIRST_SYMBOL + 4, 6, "tokens", FIRST_SYMBOL + 3, 8)
FILES = TaskSpec("features", 2, 6, "tokens", FIRST_SYMBOL + 3, 8)
SPELLING = Processor(Symbols(("a", "b", "c", "d"), lowercase=True), Symbols(("X", "Y", "Z"), " "))
FACTOR = 3
"""How much larger than at initialization the weights are: outputs differ with the input."""
BASE = override(
    Config(),
    {
        "task.name": "speech_digits",
        "cell.name": "gru",
        "model.hidden_size": 6,
        "model.bidirectional": True,
        "attention.name": "dot",
        "init.recurrent": "normal",  # drawn in no time
        "training.steps": 5,
    },
)


class Numbers(Field):
    """A file of numbers, two a line, which are the steps of a recording or an image."""

    def load(self, source: str) -> np.ndarray:
        lines = Path(source).read_text().splitlines()
        try:
            return np.array([line.split() for line in lines], np.float32).reshape(-1, 2)
        except ValueError as error:
            raise UserError(f"{source}: holds no numbers\nbut something else") from error

    def encode(self, value: np.ndarray) -> np.ndarray:
        return value

    def axis(self, value: np.ndarray) -> Axis:
        return Axis(picture=value.T, name="time (s)", extent=0.5 * len(value))


class Recording(Numbers):
    name, kind = "numbers_of_audio", "audio"


class Image(Numbers):
    name, kind = "numbers_of_an_image", "image"


FIELDS.update({field.name: field for field in (Recording, Image)})
LETTERS = Symbols(("X", "Y", "Z"))
RECORDINGS, IMAGES = Processor(Recording(), LETTERS), Processor(Image(), LETTERS)


@dataclass(frozen=True)
class Unknown(Task):
    """A task of which nothing but the spec is known, as on a machine without its data."""

    sizes: TaskSpec = TEXT

    @functools.cached_property
    def spec(self) -> TaskSpec:
        return self.sizes


def write(
    folder: Path,
    spec: TaskSpec = TEXT,
    processor: Processor | None = SPELLING,
    *,
    seed: int = 3,
    finished: bool = True,
    **changes: Any,
) -> RunDirectory:
    """Write a run of drawn weights.

    Args:
        folder: of the run.
        spec: of its task.
        processor: that was saved with it; None: its task has none.
        seed: of the weights.
        finished: whether it has a result.
        changes: of the config; `section__name` stands for the key `section.name`.
    """
    config = override(BASE, {"seed": seed, **{key.replace("__", "."): value for key, value in changes.items()}})
    run = RunDirectory.create(folder, config)
    if processor:
        run.save_processor({"spec": asdict(spec), "processor": processor.to_dict()})
    save(run, state(config, spec))
    if finished:
        run.finish({"status": "finished", "steps": config.training.steps, "summary": {}})
    return run


def write_synthetic(folder: Path, task: str, **changes: Any) -> RunDirectory:
    """Write a run of a task that has no processor; its sizes are those of the task."""
    changes = {"task__name": task, **changes}
    if TASKS[task]().target_kind != "tokens":
        changes["attention__name"] = "none"
    config = override(BASE, {key.replace("__", "."): value for key, value in changes.items()})
    return write(folder, config.task.spec, None, **changes)


@functools.cache
def state(config: Config, spec: TaskSpec) -> TrialState:
    """Return that of a trial whose task has this spec."""
    options = resolve_hidden_size(config, spec)
    hparams = jax.tree.map(jnp.asarray, Hparams.of(options))
    initial = Program(options, Unknown(sizes=spec)).init(hparams)
    return jax.tree.map(lambda x: np.asarray(FACTOR * x if x.dtype == np.float32 and x.ndim else x), initial)


def save(run: RunDirectory, state: TrialState) -> None:
    """Put it in the place of the run's last checkpoint."""
    folder, step = run.path / "checkpoint", run.options()["training.steps"]
    shutil.rmtree(folder, ignore_errors=True)
    checkpoint.save(folder, step, state)
