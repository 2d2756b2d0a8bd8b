"""How JAX and the shape annotations are set up under test, before any module of `research` is imported.

Two CPU devices, so that what is sharded is sharded; an array of lower rank is never broadcast in silence; and the
shapes and types that public functions promise are checked at each call.
"""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", "")  # tests leave nothing in the user's cache, nor take from it
os.environ.pop("PYTHONUNBUFFERED", None)  # children write as they do by default

import jax
import jaxtyping
import pytest

from tests import typechecking

TASKS = sorted((Path(__file__).parent.parent / "research" / "tasks").glob("*.py"))
CHECKED = [
    *("research.recurrent", "research.seq2seq", "research.batch", "research.training", "research.tasks.audio"),
    *(f"research.tasks.{path.stem}" for path in TASKS),  # beartype cannot check `Self`, which the corpora return
]

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")

register_dataclass = jax.tree_util.register_dataclass


def register_unchecked(nodetype, *args, **kwargs):
    """JAX rebuilds trees through `__init__` with more than arrays in them: shapes, placements, a trial axis."""
    nodetype.__no_type_check__ = True
    return register_dataclass(nodetype, *args, **kwargs)


jax.tree_util.register_dataclass = register_unchecked
jaxtyping.install_import_hook(CHECKED, f"{typechecking.__name__}.typechecker")


@pytest.fixture(autouse=True, scope="module")
def release_programs() -> Iterator[None]:
    """Let go of a file's compiled programs: each holds memory maps, of which Linux grants a process 65,530."""
    yield
    jax.clear_caches()
