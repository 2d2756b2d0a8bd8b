"""Checkpoints of one trial (orbax), with a hash of their own: orbax restores a flipped byte without complaint.

The state is written as a flat dictionary, from the path of each leaf to its array, so that a checkpoint can be read
without the classes that made it. A save that is cut off leaves nothing that counts; a damaged checkpoint is passed over
for the one before it.
"""

import hashlib
import logging
import sys
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp

Tree = TypeVar("Tree")
KEPT = 2
logging.getLogger("absl").setLevel(logging.ERROR)  # orbax narrates each save


def save(directory: Path, step: int, state: Any) -> None:
    """Write the state after `step` updates and keep the newest two; returns when it is on disk."""
    leaves = {name: np.asarray(leaf) for name, leaf in _flatten(state).items()}
    meta = {"step": step, "sha256": _hash(leaves)}
    with _manager(directory) as manager:
        manager.save(step, args=ocp.args.Composite(state=ocp.args.StandardSave(leaves), meta=ocp.args.JsonSave(meta)))


def restore(directory: Path, template: Tree) -> tuple[int, Tree] | None:
    """The newest sound checkpoint as (step, state); None if there is none.

    Args:
        template: shapes and types of the state.

    A damaged checkpoint gets a line on stderr and is set aside beside the folder, so that its step can be saved again.
    """
    if not directory.is_dir():
        return None
    with _manager(directory) as manager:
        for step in sorted(manager.all_steps(), reverse=True):
            try:
                return step, _read(manager, step, template)
            except Exception as error:  # a truncated file raises a bare Exception, a missing one ValueError or KeyError
                aside = _vacant(directory.with_name(f"damaged_checkpoint_{step}"))
                (directory / str(step)).rename(aside)
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
                print(
                    f"warning: {directory / str(step)}: damaged ({reason}); set aside as {aside.name}", file=sys.stderr
                )
    return None


def _read(manager: ocp.CheckpointManager, step: int, template: Tree) -> Tree:
    shapes = _flatten(template)
    wanted = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in shapes.items()}
    args = ocp.args.Composite(state=ocp.args.StandardRestore(wanted), meta=ocp.args.JsonRestore())
    found = manager.restore(step, args=args)
    leaves = {name: np.asarray(found["state"][name]) for name in shapes}
    if found["meta"]["sha256"] != _hash(leaves):
        raise ValueError("the weights do not match their hash")
    return jax.tree.unflatten(jax.tree.structure(template), [leaves[name] for name in shapes])


def _vacant(path: Path) -> Path:
    names = (path.with_name(f"{path.name}{suffix}") for suffix in ("", *(f"_{n}" for n in range(2, 1000))))
    return next(name for name in names if not name.exists())


def _manager(directory: Path) -> ocp.CheckpointManager:
    options = ocp.CheckpointManagerOptions(
        max_to_keep=KEPT, enable_async_checkpointing=False, save_root_metadata=False, cleanup_tmp_directories=True
    )
    return ocp.CheckpointManager(directory.absolute(), options=options)


def _flatten(tree: Any) -> dict[str, Any]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _hash(leaves: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, leaf in sorted(leaves.items()):
        digest.update(f"{name} {leaf.dtype} {leaf.shape}".encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()
