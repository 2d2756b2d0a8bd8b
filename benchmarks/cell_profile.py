"""Time of a recurrent layer by kind of operation, for one forward and backward pass.

    python -m benchmarks.cell_profile [CELL T B D H]

JAX's profiler measures several passes per call on all cores, as in `cell_speed`; times are milliseconds of one core,
averaged over the passes. Products are the operations that XLA delegates to a library: matrix products and a few sums
over an axis. Buffers are large arrays that are filled with zeros. The sum over cores includes waiting for the slowest.
All other traced operations are elementwise arithmetic and copies. Two things are not traced: the time between
operations, and the largest products, gradients of wide weights, which run in Eigen's threads.
"""

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import cell_speed
from research.cells import CELLS
from research.training import devices

CALLS = 3
KINDS = {
    "products": ("ynn_fusion", "dot"),
    "buffers": ("wrapped_broadcast", "broadcast"),
    "sum over cores": ("all-reduce",),
}
NO_OPERATIONS = ("while", "Thunk", "$", "Rendez", "Wait", "end", "Pjit", "Common", "conditional", "call", "tsl")
REST = "not traced"
LARGEST = 12


def main() -> None:
    """Print the operations of a layer by kind, and the longest ones."""
    words = sys.argv[1:] or ["lstm", "1000", "32", "64", "128"]
    sizes = [int(size) for size in words[1:] if size.isdecimal() and int(size)]
    if len(words) != 5 or len(sizes) != 4 or words[0] not in cell_speed.FLAX:
        print(f"error: {' '.join(words)}: must be a cell ({', '.join(cell_speed.FLAX)}) and T B D H", file=sys.stderr)
        sys.exit(2)
    devices.use_all_cores()
    if sizes[1] % jax.device_count():
        print(f"error: B = {sizes[1]}: must be a multiple of {jax.device_count()}, the cores", file=sys.stderr)
        sys.exit(2)
    operations = profile(words[0], *sizes)
    kinds: dict[str, float] = defaultdict(float)
    for operation in operations:
        kinds[operation["kind"]] += operation["ms"]
    console, whole = Console(), sum(kinds.values())
    table = Table("kind", "ms", "share", title=" ".join(words))
    for kind, ms in sorted(kinds.items(), key=lambda item: -item[1]):
        table.add_row(kind, f"{ms:.1f}", f"{ms / whole:.0%}")
    console.print(table)
    table = Table("operation", "calls", "µs a call", "ms")
    for operation in operations[:LARGEST]:
        columns = (f"{operation['calls']:.0f}", f"{operation['us']:.1f}", f"{operation['ms']:.1f}")
        table.add_row(operation["operation"], *columns)
    console.print(table)


def profile(name: str, steps: int, batch: int, inputs: int, hidden_size: int) -> list[dict[str, Any]]:
    """Return the operations of one pass on one core, the longest first."""
    xs = np.random.default_rng(0).normal(size=(batch, steps, inputs)).astype(np.float32)
    call = cell_speed.ours(CELLS[name](), xs, hidden_size)
    call()
    durations: dict[str, list[int]] = defaultdict(list)
    passes = []
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(CALLS):
                began = time.perf_counter()
                call()
                passes.append((time.perf_counter() - began) / cell_speed.PASSES)
        (path,) = Path(folder).rglob("*.xplane.pb")
        for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
            for event in (event for line in plane.lines for event in line.events):
                if not event.name.startswith(NO_OPERATIONS):
                    durations[event.name].append(event.duration_ns)
    operations = []
    for operation, spans in durations.items():
        calls, mean = len(spans) / CALLS / cell_speed.PASSES / jax.device_count(), statistics.mean(spans)
        kind = next((kind for kind, starts in KINDS.items() if operation.startswith(starts)), "elementwise and copies")
        operations.append(
            {"operation": operation, "kind": kind, "calls": calls, "us": mean / 1e3, "ms": calls * mean / 1e6}
        )
    rest = 1e3 * statistics.mean(passes) - sum(operation["ms"] for operation in operations)
    operations.append({"operation": REST, "kind": REST, "calls": 1, "us": 1e3 * rest, "ms": rest})
    return sorted(operations, key=lambda operation: -operation["ms"])


if __name__ == "__main__":
    main()
