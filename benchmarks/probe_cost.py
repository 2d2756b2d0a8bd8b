"""The cost of each probe: a measured update, run alternately with an update without probes; ratios of medians.

    python -m benchmarks.probe_cost                  all probes
    python -m benchmarks.probe_cost gates jacobian   some
    python -m benchmarks.probe_cost together         all that any model can have, at once

A call makes one update, so a probe with `every=1` measures in it; for `together`, 50 updates and one record.
"""

import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from rich.console import Console

from benchmarks import timing
from research.config import Config
from research.config.flat import override
from research.tasks import task as tasks
from research.training import devices, shards
from research.training.compilation import enable_cache
from research.training.hparams import Hparams
from research.training.pack import Pack
from research.training.step import Program

BATCH, LENGTH, HIDDEN_SIZE, ROUNDS, UPDATES = 32, 784, 64, 5, 50
TOKENS = {"task.name": "reverse", "task.max_length": 50, "attention.name": "additive"}
ADDING = {"task.name": "adding", "task.length": LENGTH}
PROBES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "gradient_flow": (ADDING, {}),
    "gradient_flow, scope=all": (ADDING, {"gradient_flow.scope": "all"}),
    "jacobian": (ADDING, {}),
    "jacobian, lags=1,10": (ADDING, {"jacobian.lags": "1,10"}),
    "jacobian, exponents only": (ADDING, {"jacobian.lags": ""}),
    "gates": (ADDING, {}),
    "updates": (ADDING, {}),
    "updates, per_example": (ADDING, {"updates.per_example": True}),
    "attention": (TOKENS, {}),
    "exposure": (TOKENS, {}),
    "together": (ADDING, {f"{probe}.every": UPDATES for probe in ("gradient_flow", "jacobian", "gates", "updates")}),
}
"""Options of the task, and of the probe, by what a row is called: first the name of the probe."""


def main() -> None:
    """Print and write the cost of each probe."""
    devices.use_all_cores()
    enable_cache()
    console, rows = Console(), []
    for name in PROBES:
        if name.partition(",")[0] in (sys.argv[1:] or [name.partition(",")[0]]):
            rows.append(row := cost(name))
            plain, measured = row["update_ms"], row["measured_ms"]
            console.print(f"{name}: {plain:.1f} ms, with a record {measured:.1f} ms: {measured / plain:.2f}")
    console.print(f"written to {timing.write(rows, 'probe_cost')}", highlight=False)


def cost(name: str) -> dict[str, Any]:
    """Return median milliseconds of an update, without and with a record of the probe; of 50 updates for `together`."""
    task, options = PROBES[name]
    probe, count = name.partition(",")[0], UPDATES if name == "together" else 1
    on = {f"probes.{key}": value for key, value in options.items()}
    on |= {} if name == "together" else {f"probes.{probe}.every": 1}
    candidates = {"update": _updates(task, count), "measured": _updates({**task, **on}, count)}
    return {"probe": name, **{f"{which}_ms": ms for which, ms in timing.medians(candidates, ROUNDS).items()}}


def _updates(options: dict[str, Any], count: int) -> Callable[[], None]:
    """Return a call that makes some updates of a trial alone, of which the first has a record."""
    config = override(
        Config(),
        {"cell.name": "lstm", "model.hidden_size": HIDDEN_SIZE, "training.batch_size": BATCH, **options},
    )
    program = Program(config, tasks.load(config.task), shards.spare_devices(1, jax.device_count(), BATCH))
    pack = Pack(program, [Hparams.of(config)])
    state = pack.init()

    def call() -> None:
        nonlocal state
        state, record = pack.run(state, 0, count)
        assert np.all(jax.device_get(record.ok))

    return call


if __name__ == "__main__":
    main()
