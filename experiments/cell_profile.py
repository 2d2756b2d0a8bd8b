"""Where the time of a recurrent layer goes: the operations of one forward and backward pass, by kind.

    python -m experiments.cell_profile [CELL T B D H]

From JAX's own profiler, on all cores as in `cell_speed`; milliseconds of one core, the median call times the number of
calls. Products are matrix products; buffers are large arrays that are filled with zeros, which is when the system hands
out their pages; the sum over cores includes waiting for the slower one; what is left is elementwise arithmetic and
copies.
"""

import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from experiments import cell_speed
from research.recurrent.cell import create
from research.training import devices

CALLS = 8
KINDS = {
    "products": ("ynn_fusion", "dot"),
    "buffers": ("wrapped_broadcast", "broadcast"),
    "sum over cores": ("all-reduce",),
}
NO_OPERATIONS = ("while", "Thunk", "$", "Rendez", "Wait", "end", "Pjit", "Common", "conditional", "call", "tsl")
LARGEST = 12


def main() -> None:
    given = sys.argv[1:] or ["lstm", "1000", "32", "64", "128"]
    if (
        len(given) != 5
        or given[0] not in cell_speed.FLAX
        or not all(size.isdecimal() and int(size) for size in given[1:])
    ):
        print(f"error: {' '.join(given)}: must be a cell ({', '.join(cell_speed.FLAX)}) and T B D H", file=sys.stderr)
        sys.exit(2)
    devices.use_all_cores()
    name, (steps, batch, inputs, features) = given[0], map(int, given[1:])
    operations = profile(name, steps, batch, inputs, features)
    kinds: dict[str, float] = defaultdict(float)
    for operation in operations:
        kinds[operation["kind"]] += operation["ms"]
    console, whole = Console(), sum(kinds.values())
    table = Table("kind", "ms", "share", title=" ".join(given))
    for kind, ms in sorted(kinds.items(), key=lambda item: -item[1]):
        table.add_row(kind, f"{ms:.1f}", f"{ms / whole:.0%}")
    console.print(table)
    table = Table("operation", "calls", "µs a call", "ms")
    for operation in operations[:LARGEST]:
        calls, each = f"{operation['calls']:.0f}", f"{operation['us']:.1f}"
        table.add_row(operation["operation"], calls, each, f"{operation['ms']:.1f}")
    console.print(table)


def profile(name: str, steps: int, batch: int, inputs: int, features: int) -> list[dict[str, Any]]:
    """The operations of one pass on one core, the longest first."""
    xs = np.random.default_rng(0).normal(size=(batch, steps, inputs)).astype(np.float32)
    step = cell_speed.ours(create(name), xs, features)
    step()
    durations: dict[str, list[int]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(CALLS):
                step()
        (path,) = Path(folder).rglob("*.xplane.pb")
        for plane in jax.profiler.ProfileData.from_file(str(path)).planes:
            for event in (event for line in plane.lines for event in line.events):
                if not event.name.startswith(NO_OPERATIONS):
                    durations[event.name].append(event.duration_ns)
    found = []
    for operation, spans in durations.items():
        calls, median = len(spans) / CALLS / jax.device_count(), statistics.median(spans)
        kind = next((kind for kind, starts in KINDS.items() if operation.startswith(starts)), "elementwise and copies")
        found.append(
            {"operation": operation, "kind": kind, "calls": calls, "us": median / 1e3, "ms": calls * median / 1e6}
        )
    return sorted(found, key=lambda operation: -operation["ms"])


if __name__ == "__main__":
    main()
