"""A trained model from its run directory, which is all that is read: no corpus, no network.

A task without a processor tells the sizes of its model itself.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from research.batch import FIRST_SYMBOL, TaskSpec
from research.cells.initializers import InitScheme
from research.config import Config
from research.config.flat import unflatten
from research.data.processor import Processor
from research.errors import UserError, shorten
from research.inference.arrays import check_length, read_array
from research.options import numbers
from research.recurrence.dropout import Rates
from research.seq2seq.budget import resolve_hidden_size
from research.seq2seq.model import Seq2seq
from research.tasks import task as tasks
from research.tasks.task import Task
from research.tracking.find import find_one
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint, origin
from research.training.state import TrialState


@dataclass(frozen=True)
class TrainedModel:
    """A model of the checkpoint that a run keeps, and the processor of its inputs and outputs."""

    config: Config
    """The run's config, with the hidden size that a parameter budget stands for."""
    spec: TaskSpec
    processor: Processor | None
    """None: inputs are arrays, and outputs are numbers."""
    graphdef: Any
    params: Any
    """Their moving average where the run has one, as in evaluation."""
    rates: Rates
    """The expectation of zoneout applies in evaluation, too."""
    step: int
    finished: bool

    def encode(self, source: str) -> np.ndarray:
        """Return what the model reads of a text or a file, features [S, D] or tokens [S].

        Raises:
            UserError: if it cannot be read, or if it is far longer than those of training.
            OSError: if a file cannot be read.
        """
        if self.processor is None:
            return read_array(source, self.spec)
        encoded = self.processor.encode(source)
        check_length(encoded, self.spec, shorten(source) if self.processor.kind == "text" else source)
        return encoded

    def merge(self, params: Any = None) -> Seq2seq:
        """Return the model with its own or other parameters."""
        return nnx.merge(self.graphdef, self.params if params is None else params)


def restore(path: Path) -> TrainedModel:
    """Return the model of a run.

    Raises:
        UserError: if there is no run, if it has diverged or has no checkpoint, or if a file is broken.
    """
    run = find_one(path)
    config, result = _config(run), run.result()
    kept = origin.kept_step(run, result)
    spec, processor = _load_processor(run, config)
    config = resolve_hidden_size(config, spec)
    if config.model.backend == "cudnn":  # its weights are those of the scan, which every machine has
        config = replace(config, model=replace(config.model, backend="auto"))
    step, state, graphdef = _load_state(run, config, spec, kept)
    if not state.ok:
        raise origin.diverged(run, int(state.step) + 1)
    params = jax.device_put(state.params if state.average is None else state.average)
    rates = jax.device_put(Rates.of(numbers(config.dropout), numbers(config.zoneout)))
    return TrainedModel(config, spec, processor, graphdef, params, rates, step, result is not None)


def _config(run: RunDirectory) -> Config:
    options = run.options()
    try:
        return unflatten(options)
    except UserError as error:  # a choice that was removed since
        own = ".name=" in str(error) and "--import" not in str(error)
        hint = "; one of your own needs --import, or its module imported" if own else ""
        raise UserError(f"{run.config_file}: {error}{hint}") from error


def _load_processor(run: RunDirectory, config: Config) -> tuple[TaskSpec, Processor | None]:
    """Return what was saved when the run started."""
    task = config.task
    if not run.processor_file.exists() and (type(task).processor is Task.processor or task.target_kind != "tokens"):
        task = tasks.load(task)
        return task.spec, task.processor()
    saved = run.processor()
    try:
        spec, processor = TaskSpec(**saved["spec"]), Processor.from_dict(saved["processor"])
        if spec.target == "value":
            processor.values(np.zeros(spec.target_size))
        else:
            last = spec.target_size - 1 + (0 if spec.target == "tokens" else FIRST_SYMBOL)
            processor.symbols([last])  # the last symbol that the model can predict
        return spec, processor
    except UserError:
        raise
    except Exception as error:  # whatever a processor makes of values of another kind than it has saved
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise UserError(f"{run.processor_file}: is no processor of the task {config.task.name} ({reason})") from error


def _load_state(run: RunDirectory, config: Config, spec: TaskSpec, kept: int | None) -> tuple[int, TrialState, Any]:
    """Return step and state of the checkpoint that is kept, without what only training reads, and the model's graph."""

    def build() -> Seq2seq:
        return Seq2seq(config, spec, InitScheme.of(config.init), nnx.Rngs(params=jax.random.key(0)))

    with jax.enable_x64(False):  # runs are of float32
        graphdef, params = nnx.split(nnx.eval_shape(build), nnx.Param)
    average = params if config.training.ema_decay else None
    step, ok = jax.ShapeDtypeStruct((), np.int32), jax.ShapeDtypeStruct((), np.bool_)
    unread: Any = None
    template = TrialState(params, optimizer=unread, step=step, ok=ok, average=average, schedule=unread)  # pyright: ignore
    number, state = checkpoint.read(run.checkpoints, template, kept)
    return number, state, graphdef
