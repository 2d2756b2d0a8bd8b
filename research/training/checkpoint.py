"""Checkpoints of one trial (orbax), with hashes of their own: orbax restores a flipped byte without complaint.

The state is written as a flat dictionary, from the path of each leaf to its array, so that a checkpoint can be read
without the classes that made it. When orbax is done, the hashes of all its files are put beside them, in the format of
`sha256sum`. A checkpoint counts if it has them and they are right, so neither a save that is cut off nor a damaged file
does any harm: the checkpoint before it is taken.
"""

import hashlib
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
KEPT = 2
HASHES = "sha256sums.txt"
ALONE = ocp.options.MultiprocessingOptions(active_processes={0}, barrier_sync_key_prefix="first")
"""Of several processes only the first saves and restores: orbax must not wait for the others."""
logging.getLogger("absl").setLevel(logging.ERROR)  # orbax narrates each save


def save(directory: Path, step: int, state: Any) -> None:
    """Write the state after `step` updates and keep the newest two; returns when it is on disk."""
    leaves = {name: np.asarray(leaf) for name, leaf in _flatten(state).items()}
    directory.mkdir(parents=True, exist_ok=True)
    with _manager(directory) as manager:
        manager.save(step, args=ocp.args.StandardSave(leaves))
    folder = directory / str(step)
    temporary = folder / f".{HASHES}"
    temporary.write_text("".join(f"{digest}  {name}\n" for name, digest in _hashes(folder).items()))
    os.replace(temporary, folder / HASHES)


def restore(directory: Path, template: Tree) -> tuple[int, Tree] | None:
    """The newest sound checkpoint as (step, state); None if there is none.

    Args:
        template: shapes and types of the state.

    One that is not sound gets a line on stderr and is set aside beside the folder, so that its step can be saved again.
    """
    if not directory.exists():
        return None
    if not directory.is_dir():
        raise UserError(f"{directory}: is no folder of checkpoints; remove it")
    for folder in directory.iterdir():
        if folder.is_dir() and not (folder / HASHES).exists():  # the save was cut off
            shutil.rmtree(folder)
    with _manager(directory) as manager:
        for step in sorted(manager.all_steps(), reverse=True):
            try:
                _check(directory / str(step))
                return step, _read(manager, step, template)
            except Exception as error:  # orbax raises ValueError, KeyError, FileNotFoundError and bare Exceptions
                aside = _vacant(directory.with_name(f"damaged_checkpoint_{step}"))
                (directory / str(step)).rename(aside)
                print(f"warning: {directory / str(step)}: {_reason(error)}; set aside as {aside.name}", file=sys.stderr)
    return None


def read(directory: Path, template: Tree) -> tuple[int, Tree]:
    """The newest whole checkpoint as (step, state), with every file left as it is: the run may be under way.

    Args:
        template: shapes and types of what is wanted of the state.

    Raises:
        UserError: if there is none, if it is damaged, or if it is of another model.
    """
    folders = directory.iterdir() if directory.is_dir() else ()
    steps = [int(folder.name) for folder in folders if folder.name.isdecimal() and (folder / HASHES).exists()]
    if not steps:
        raise UserError(f"{directory}: holds no checkpoint")
    step = max(steps)
    try:
        _check(directory / str(step))
        with _manager(directory, read_only=True) as manager:
            return step, _read(manager, step, template, whole=False)
    except Exception as error:  # see `restore`
        raise UserError(f"{directory / str(step)}: {_reason(error)}") from error


def _check(folder: Path) -> None:
    """Compare the files with their hashes, before orbax's threads complain loudly of what they cannot read."""
    lines = (folder / HASHES).read_text(errors="replace").splitlines()
    expected = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    found = _hashes(folder)
    wrong = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
    if wrong:
        raise ValueError(f"damaged: {wrong[0] or HASHES} is not as it was written")


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def _read(manager: ocp.CheckpointManager, step: int, template: Tree, whole: bool = True) -> Tree:
    """The state as in the template.

    Args:
        whole: whether there must be nothing else in the checkpoint.
    """
    wanted = _flatten(template)
    found = manager.restore(step, args=ocp.args.StandardRestore())  # a template would cast types and pass over shapes
    for name in {**wanted, **found} if whole else wanted:
        kinds = [(leaf.dtype, leaf.shape) if leaf is not None else None for leaf in (wanted.get(name), found.get(name))]
        if kinds[0] != kinds[1]:
            raise ValueError(f"not of this model: {name} is {kinds[1]}, not {kinds[0]}")
    return jax.tree.unflatten(jax.tree.structure(template), [np.asarray(found[name]) for name in wanted])


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file, by its path in the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (HASHES, f".{HASHES}"))
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _vacant(path: Path) -> Path:
    names = (path.with_name(f"{path.name}{suffix}") for suffix in ("", *(f"_{n}" for n in range(2, 1000))))
    return next(name for name in names if not name.exists())


def _manager(directory: Path, read_only: bool = False) -> ocp.CheckpointManager:
    options = ocp.CheckpointManagerOptions(
        max_to_keep=None if read_only else KEPT,
        create=False,
        enable_async_checkpointing=False,
        save_root_metadata=False,
        cleanup_tmp_directories=not read_only,
        read_only=read_only,
        multiprocessing_options=ALONE,
    )
    return ocp.CheckpointManager(directory.absolute(), options=options)


def _flatten(tree: Any) -> dict[str, Any]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
