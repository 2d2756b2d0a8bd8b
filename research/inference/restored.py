"""A trained model out of its run directory, which is all that is read: no corpus, no network."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import jax
import numpy as np
from flax import nnx

from research import catalogue
from research.batch import Interface
from research.config import Config
from research.errors import UserError
from research.recurrent.cell import create
from research.recurrent.dropout import Rates
from research.seq2seq.model import Seq2seq
from research.tasks.reader import Reader
from research.tracking.runs import RunDirectory, find
from research.training import budget, checkpoint, hparams
from research.training.step import TrialState


@dataclass(frozen=True)
class Restored:
    """A model as its last checkpoint has it, and what reads and says for it."""

    config: Config
    """With the width that a budget of weights stands for."""
    interface: Interface
    reader: Reader
    graphdef: Any
    params: Any
    """Their moving average where the run has one, as in evaluation."""
    rates: Rates
    """Of dropout and zoneout; the expectation of zoneout holds in evaluation, too."""
    step: int
    """Updates made."""
    finished: bool
    """Whether the run has come to its end."""


def restore(path: Path) -> Restored:
    """The model of a run.

    Raises:
        UserError: if there is no run, if nothing can be predicted with it, or if a file is broken.
    """
    run = _opened(path)
    config, result = run.config(), run.result()
    if result and result["status"] == "diverged":
        raise _diverged(run, result.get("diverged_at"))
    interface, reader = _kept(run, config)
    config = _runnable(budget.settled(config, interface))
    step, state, graphdef = _state(run, config, interface)
    if result and step != result.get("steps", step):
        raise UserError(f"{run.path}: its last checkpoint, of step {result['steps']}, is missing or was cut off")
    if not state.ok:
        raise _diverged(run, int(state.step) + 1)
    params = jax.device_put(state.params if state.average is None else state.average)
    rates = jax.device_put(hparams.of(config, interface).rates)
    return Restored(config, interface, reader, graphdef, params, rates, step, result is not None)


def _opened(path: Path) -> RunDirectory:
    run = RunDirectory(path)
    if not run.config_file.exists():
        within = [str(one.path) for one in find(path)]
        more = ", ..." if len(within) > 3 else ""
        hint = (
            f"; runs in it: {', '.join(within[:3])}{more}" if within else "; `train` and `sweep` make runs/NAME/TRIAL"
        )
        raise UserError(f"{path}: is no run directory{hint}")
    return run


def _kept(run: RunDirectory, config: Config) -> tuple[Interface, Reader]:
    """What was saved when the run began."""
    kind = catalogue.load("tasks", config.task.name).reader
    if kind is None or not config.task.decodes:
        raise UserError(f"{run.path}: its task, {config.task.name}, has no reader: nothing can be given to it")
    if not run.reader_file.exists():
        raise UserError(
            f"{run.path}: holds no {run.reader_file.name}, as it was begun before runs had one; train it anew"
        )
    saved = run.reader()
    interface = _interface(run, saved.get("interface"))
    try:
        reader = kind.restored(saved["reader"])
        reader.said([interface.target_size - 1])  # the last symbol that the model can say
        return interface, reader
    except UserError:
        raise
    except Exception as error:  # whatever a reader makes of values of another kind than it has saved
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise UserError(f"{run.reader_file}: is no reader of the task {config.task.name} ({reason})") from error


def _interface(run: RunDirectory, saved: Any) -> Interface:
    """The numbers that were saved, if they are such."""
    values: Mapping[str, Any] = saved if isinstance(saved, dict) else {}
    hints = get_type_hints(Interface)
    for item in fields(Interface):
        value, allowed = values.get(item.name), get_args(hints[item.name])
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        if not (value in allowed if allowed else whole):
            wanted = f"one of {', '.join(allowed)}" if allowed else "a whole number, at least 1"
            raise UserError(f"{run.reader_file}: interface.{item.name}={value}: must be {wanted}")
    return Interface(**{item.name: values[item.name] for item in fields(Interface)})


def _runnable(config: Config) -> Config:
    """The config for the devices that are here: the weights of cuDNN are those of the scan."""
    if config.model.backend != "cudnn":
        return config
    return replace(config, model=replace(config.model, backend="auto"))


def _state(run: RunDirectory, config: Config, interface: Interface) -> tuple[int, TrialState, Any]:
    """Step and state of the newest checkpoint, without what only training reads; and the model without weights."""
    cell = create(config.model.cell, config.cell)

    def build() -> Seq2seq:
        return Seq2seq(config, cell, interface, budget.CHEAP, nnx.Rngs(params=jax.random.key(0)))

    graphdef, params = nnx.split(nnx.eval_shape(build), nnx.Param)
    average = params if config.training.ema_decay else None
    step, ok = jax.ShapeDtypeStruct((), np.int32), jax.ShapeDtypeStruct((), np.bool_)
    template: Any = TrialState(params, None, step, ok, average)  # pyright: ignore[reportArgumentType]
    found, state = checkpoint.read(run.path / "checkpoint", template)
    return found, state, graphdef


def _diverged(run: RunDirectory, step: int | None) -> UserError:
    when = f" in update {step}" if step else ""
    return UserError(f"{run.path}: the run has diverged{when}: there is no trained model in it")
