"""The run that a trial starts from, if any.

`resume_from` takes the whole state of a run, to go on with more updates or with other options of the training;
`init_from` takes its weights alone. Both are read once: from then on the trial has checkpoints of its own.
"""

import functools
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from research.errors import UserError, shorten, visible
from research.options import flatten
from research.tracking import strict_json
from research.tracking.find import find_one
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint
from research.training.options import TrialOptions
from research.training.state import TrialState

FIXED = ("task.", "cell.", "attention.", "model.", "optimizer.name", "schedule.name")
"""Prefixes of keys that a run that is gone on from and the new one have in common."""
FREE = ("task.on_error", "model.backend", "model.compute_dtype", "model.remat_every", "model.tbptt_steps")
"""Keys among them that may differ."""


def kept_step(run: RunDirectory, result: Mapping[str, Any] | None) -> int | None:
    """Return the step of the weights that a run keeps; None: those of its newest checkpoint.

    Raises:
        UserError: if the run has diverged and keeps no weights from before.
    """
    if result is None:
        return checkpoint.newest_details(run.checkpoints).get("best")
    weights = result.get("weights") or {"kept": "last", "step": result.get("steps")}
    if result["status"] == "diverged" and weights["kept"] == "last":
        raise diverged(run, result.get("diverged_at"))
    return weights["step"]


def diverged(run: RunDirectory, step: int | None) -> UserError:
    """Return the error that a run has no trained model."""
    when = f" in update {step}" if step else ""
    return UserError(f"{run.path}: the run has diverged{when}: there is no trained model in it")


def first_state(config: TrialOptions, template: TrialState) -> dict[str, Any]:
    """Return with which step, state and weights a trial starts, and from which run: fields of `trial.Start`.

    `template` has the shapes and types of its state.

    Raises:
        UserError: if the run cannot be read or does not fit.
    """
    if not (config.resume_from or config.init_from):
        return {"step": 0, "state": None}
    run, step = find(config)
    path = run.path.resolve()
    found = {"path": str(path), "run": path.name, "seed": run.options().get("seed")}
    if config.resume_from:
        step, state = checkpoint.read(run.checkpoints, template, step)
        return {"step": step, "state": state, "origin": {"option": "resume_from", **found, "step": step}}
    weights, left_out = _fitting(run, checkpoint.read_arrays(run.checkpoints, step), template)
    found = {"option": "init_from", **found, "step": step, "weights": len(weights), "left_out": left_out}
    return {"step": 0, "state": None, "weights": weights, "origin": found}


def with_weights(state: TrialState, weights: Mapping[str, np.ndarray]) -> TrialState:
    """Return the state with some of its weights replaced, by their paths."""
    params = jax.tree_util.tree_map_with_path(lambda path, x: weights.get(jax.tree_util.keystr(path), x), state.params)
    return replace(state, params=params, average=None if state.average is None else params)


def find(config: TrialOptions) -> tuple[RunDirectory, int | None]:
    """Return the run that a trial starts from, and the step of its checkpoint.

    Raises:
        UserError: if it is not there, or does not fit.
    """
    key = "resume_from" if config.resume_from else "init_from"
    path = getattr(config, key)
    run = find_one(path)
    options, result = run.options(), run.result()
    if result is None:
        raise UserError(f"{key}={path}: must be a finished run; the command that started this one resumes it")
    step = kept_step(run, result)
    if not config.resume_from:
        return run, step
    if options.get("checkpoint.keep") != "best" and result["status"] == "finished":
        step = result.get("steps")
    if flags := _differing(options, strict_json.encode(flatten(config))):
        raise UserError(
            f"resume_from={path}: that run has {shorten(flags, 200)}, which must stay; "
            f"--init-from={path} takes its weights alone"
        )
    if step is not None and config.training.steps <= step:
        raise UserError(f"training.steps={config.training.steps}: must be more than {step}, the steps of {path}")
    return run, step


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return flags for what must be as in the old run and is not; of another choice, its name alone."""
    keys = [key for key in old if key.startswith(FIXED) and key not in FREE and old[key] != new.get(key)]
    others = {key.removesuffix("name") for key in keys if key.endswith(".name")}
    keys = [key for key in keys if key.endswith(".name") or not key.startswith(tuple(others))]
    return " ".join(shlex.quote(f"--{key}={old[key]}") for key in keys)


def _fitting(
    run: RunDirectory, arrays: Mapping[str, np.ndarray], template: TrialState
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the weights of a run that fit, and the names of the weights that stay as they are; say which and why."""
    part = "average" if any(name.startswith(".average") for name in arrays) else "params"
    saved = {name.removeprefix(f".{part}"): array for name, array in arrays.items() if name.startswith(f".{part}")}
    weights, left_out = {}, []
    for path, leaf in jax.tree_util.tree_leaves_with_path(template.params):
        name = jax.tree_util.keystr(path)
        array = saved.pop(name, None)
        if array is not None and (array.shape, array.dtype) == (leaf.shape, leaf.dtype):
            weights[name] = array
            continue
        left_out.append(_readable(name))
        there = "is missing" if array is None else f"has the shape {list(array.shape)}"
        _say(f"init_from: {left_out[-1]} {there} in {run.path}, and {list(leaf.shape)} here; it stays as initialized")
    for name in saved:
        _say(f"init_from: {_readable(name)} of {run.path} is not used: this model has no such weights")
    if not weights:
        raise UserError(f"init_from={run.path}: none of its weights fits this model")
    return weights, left_out


def _readable(name: str) -> str:
    """Return the name of weights as PyTorch writes it: head.linear.bias for ['head']['linear']['bias'].value."""
    return re.sub(r"\W+", ".", name).strip(".").removesuffix(".value")


@functools.cache
def _say(line: str) -> None:
    """Print a line, once: the trials of a sweep start from the same run."""
    print(visible(line), file=sys.stderr)
