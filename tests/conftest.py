"""JAX and the shape annotations under test, set up before any module of `research` is imported.

There are two CPU devices, so that what is sharded is sharded; an array of lower rank is never broadcast silently; the
shapes and types that public functions promise are checked at each call; programs are compiled quickly, but for those of
`tests/production.py`, and kept for the next run of the tests (`make clean` removes them).
"""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

# Nothing is left in the user's cache, nor taken from it.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
# A process that is killed while it writes leaves half a file: others compile the program again, without a word.
os.environ.setdefault("PYTHONWARNINGS", "ignore:Error reading persistent compilation cache:UserWarning")
os.environ.pop("PYTHONUNBUFFERED", None)  # children write as they do by default
# Programs that run once are compiled in a third of the time, for slower code that computes the same: LLVM does not
# optimize, XLA's older emitters hand it less, and a program is one piece, as 32 pieces for 32 threads take longer where
# other tests wait for the cores.
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_backend_optimization_level=0",
        "--xla_cpu_use_fusion_emitters=false",
        "--xla_llvm_disable_expensive_passes=true",
        "--xla_cpu_parallel_codegen_split_count=1",
    ]
)

import jax
import jaxtyping
import pytest

from tests import typechecking

CHECKED = [
    *("research.batch", "research.cells", "research.recurrence", "research.seq2seq", "research.tasks"),
    *(f"research.data.{name}" for name in ("audio", "batching", "images", "order", "processor", "streaming", "text")),
    "research.training",
]

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")

register_dataclass = jax.tree_util.register_dataclass


def register_unchecked(nodetype, *args, **kwargs):
    """Leave a registered class unchecked: JAX rebuilds trees through `__init__` with more than arrays in them."""
    nodetype.__no_type_check__ = True
    return register_dataclass(nodetype, *args, **kwargs)


jax.tree_util.register_dataclass = register_unchecked
jaxtyping.install_import_hook(CHECKED, f"{typechecking.__name__}.typechecker")


def pytest_collection_finish() -> None:
    """Look for garbage less often, and not among what is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(autouse=True, scope="module")
def release_programs() -> Iterator[None]:
    """Release compiled programs in time: each holds memory maps, of which Linux grants a process 65,530."""
    yield
    maps = Path("/proc/self/maps")
    if not maps.exists() or maps.read_bytes().count(b"\n") > 30_000:
        jax.clear_caches()
