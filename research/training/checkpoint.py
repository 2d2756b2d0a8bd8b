"""Checkpoints of one trial: orbax, plus the SHA-256 of its files, as orbax restores flipped bytes without an error.

The state is saved as a flat dictionary, from the path of each leaf to its array, so that reading it does not need the
classes that wrote it. The digest is written last. A checkpoint without its digest, or with a wrong one, is not used:
after an interrupted save or damage to a file, training resumes from the previous checkpoint.

A save in the experiment `attention` (6.4 MB) takes 729 ms with the digest and 710 ms without. At one checkpoint per
minute, the digest costs 0.03% of the training time.
"""

import hashlib
import itertools
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp

from research.errors import UserError

Tree = TypeVar("Tree")
MAX_TO_KEEP = 2
DIGEST = "sha256"
FIRST_PROCESS = ocp.options.MultiprocessingOptions(active_processes={0}, barrier_sync_key_prefix="first")
"""Only the first process saves and restores, so orbax must not wait for the others."""
logging.getLogger("absl").setLevel(logging.ERROR)  # orbax logs each save


def save(directory: Path, step: int, state: Any) -> None:
    """Save the state after `step` updates, keep the newest two, and return when the files are complete."""
    leaves = {name: np.asarray(leaf) for name, leaf in _flatten(state).items()}
    directory.mkdir(parents=True, exist_ok=True)
    with _manager(directory) as manager:
        manager.save(step, args=ocp.args.StandardSave(leaves))
    folder = directory / str(step)
    temporary = folder / f".{DIGEST}"
    temporary.write_text(_digest(folder) + "\n")
    os.replace(temporary, folder / DIGEST)


def restore(directory: Path, template: Tree) -> tuple[int, Tree] | None:
    """Return the newest valid checkpoint as (step, state); None if there is none.

    An invalid checkpoint is moved next to the folder, with a warning, so that its step can be saved again.

    Args:
        directory: of the checkpoints.
        template: shapes and types of the state.

    Raises:
        UserError: if the directory is a file.
    """
    if not directory.exists():
        return None
    if not directory.is_dir():
        raise UserError(f"{directory}: must be a folder of checkpoints; remove the file")
    for folder in directory.iterdir():
        if folder.is_dir() and not (folder / DIGEST).exists():  # the save was interrupted
            shutil.rmtree(folder)
    with _manager(directory) as manager:
        for step in sorted(manager.all_steps(), reverse=True):
            folder = directory / str(step)
            try:
                return step, _read(manager, folder, template)
            except Exception as error:  # orbax raises ValueError, KeyError, FileNotFoundError and bare Exceptions
                suffixes = itertools.chain([""], (f"_{number}" for number in itertools.count(2)))
                names = (f"damaged_checkpoint_{step}{suffix}" for suffix in suffixes)
                aside = next(path for name in names if not (path := directory.with_name(name)).exists())
                folder.rename(aside)
                print(f"warning: {folder}: {_reason(error)}; set aside as {aside.name}", file=sys.stderr)
    return None


def read(directory: Path, template: Tree) -> tuple[int, Tree]:
    """Return the newest complete checkpoint as (step, state). Change no file, as the run may still be training.

    Args:
        directory: of the checkpoints.
        template: shapes and types of the part of the state to read.

    Raises:
        UserError: if there is no checkpoint, or it is damaged or of another model.
    """
    folders = directory.iterdir() if directory.is_dir() else ()
    steps = [int(folder.name) for folder in folders if folder.name.isdecimal() and (folder / DIGEST).exists()]
    if not steps:
        raise UserError(f"{directory}: holds no checkpoint")
    folder = directory / str(max(steps))
    try:
        with _manager(directory, read_only=True) as manager:
            return max(steps), _read(manager, folder, template, only_part=True)
    except Exception as error:  # see `restore`
        raise UserError(f"{folder}: {_reason(error)}") from error


def _read(manager: ocp.CheckpointManager, folder: Path, template: Tree, only_part: bool = False) -> Tree:
    """Return the state of a checkpoint, with the structure of the template.

    Args:
        manager: of all checkpoints.
        folder: of this checkpoint; its name is the step.
        template: shapes and types.
        only_part: whether the checkpoint may hold more than the template.

    Raises:
        ValueError: if the digest is wrong, or the names, shapes or types of the arrays differ.
    """
    if (folder / DIGEST).read_text(errors="replace").strip() != _digest(folder):
        raise ValueError("damaged: the files have changed since they were written")
    wanted = _flatten(template)
    # Given a template, orbax would cast types and ignore shapes.
    leaves = manager.restore(int(folder.name), args=ocp.args.StandardRestore())
    for name in wanted if only_part else {**wanted, **leaves}:
        kinds = [
            (leaf.dtype, leaf.shape) if leaf is not None else None for leaf in (wanted.get(name), leaves.get(name))
        ]
        if kinds[0] != kinds[1]:
            raise ValueError(f"not of this model: {name} is {kinds[1]}, not {kinds[0]}")
    return jax.tree.unflatten(jax.tree.structure(template), [np.asarray(leaves[name]) for name in wanted])


def _digest(folder: Path) -> str:
    """Return the SHA-256 of the names and contents of all files in the folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in (DIGEST, f".{DIGEST}"):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\0".encode())
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def _manager(directory: Path, read_only: bool = False) -> ocp.CheckpointManager:
    options = ocp.CheckpointManagerOptions(
        max_to_keep=None if read_only else MAX_TO_KEEP,
        create=False,
        enable_async_checkpointing=False,
        save_root_metadata=False,
        cleanup_tmp_directories=not read_only,
        read_only=read_only,
        multiprocessing_options=FIRST_PROCESS,
    )
    return ocp.CheckpointManager(directory.absolute(), options=options)


def _flatten(tree: Any) -> dict[str, Any]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
