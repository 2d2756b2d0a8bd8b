"""How much packs help: trials of a sweep as packs, and the same trials one process each.

    python -m benchmarks.pack_speed [rates | SETTING | all]

`rates`: an LSTM of 64 units on the adding problem of 100 steps, batch 16, 300 updates, 4 learning rates x 16 seeds.
SETTING, or all: the trials of the gradient-norm sweep. One process each means `research train`: one after the other,
and as many at a time as there are cores, which is what W&B's agents do. Of 64 trials, a few are timed in that way, and
the time is scaled. The limit of `rates` is the time of the matrix products alone, on all cores.
"""

import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import timing
from experiments.gradient_norms import EXPERIMENT
from research.training import devices
from research.training.devices import cores

COMMAND = ["${env}", "${interpreter}", "-m", "research", "train", "gradient_norms", "${args}"]
STEPS, BATCH, LENGTH, HIDDEN_SIZE = 300, 16, 100, 64
RATES: dict[str, list[Any]] = {
    "task.name": ["adding"],
    "task.length": [LENGTH],
    "cell.name": ["lstm"],
    "model.hidden_size": [HIDDEN_SIZE],
    "training.batch_size": [BATCH],
    "training.steps": [STEPS],
    "optimizer.learning_rate": [0.0003, 0.001, 0.003, 0.01],
    "seed": list(range(16)),
}
TIMED = 24
"""Most trials that are timed with a process each."""


def main() -> None:
    """Train the trials in all ways and print the times."""
    name = sys.argv[1] if len(sys.argv) > 1 else "rates"
    settings = list(EXPERIMENT.settings)
    if name not in ("rates", "all", *settings):
        sys.exit(f"error: {name!r}: must be rates, all or one of {', '.join(settings)}")
    chosen = settings if name == "all" else [name]
    sweep = {"setting": chosen, "variant": list(EXPERIMENT.variants), "seed": [0, 1, 2]}
    parameters = RATES if name == "rates" else sweep
    content = {"name": "packed", "command": COMMAND, "method": "grid"}
    trials = [
        [f"--{key}={value}" for key, value in zip(parameters, values, strict=True)]
        for values in itertools.product(*parameters.values())
    ]
    some = trials[:: -(-len(trials) // TIMED)]
    scale = len(trials) / len(some)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sweep.yaml")
        values = {key: {"values": values} for key, values in parameters.items()}
        file.write_text(json.dumps({**content, "parameters": values}), encoding="utf-8")  # JSON is YAML
        times = {
            "packs": _seconds(lambda: _research("sweep", str(file), f"--runs-dir={folder}")),
            "processes_at_a_time": scale * _seconds(lambda: _separately(some, Path(folder, "parallel"), cores())),
            "processes": scale * _seconds(lambda: _separately(some, Path(folder, "serial"), 1)),
        }
    if name == "rates":
        times["limit"] = len(trials) * _product_seconds()
    row = {"sweep": name, "trials": len(trials), "timed": len(some), "cores": cores(), **times}
    for way, seconds in times.items():
        print(f"{len(trials)} trials, {way.replace('_', ' ')}: {seconds:.1f} s, {seconds / times['packs']:.2f} x packs")
    print(f"written to {timing.write([row], 'pack_speed')}")


def _separately(trials: Sequence[Sequence[str]], runs: Path, at_a_time: int) -> None:
    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(lambda flags: _research("train", "gradient_norms", *flags, f"--runs-dir={runs}"), trials))


def _research(*args: str) -> None:
    subprocess.run([sys.executable, "-m", "research", *args], check=True, capture_output=True)


def _product_seconds() -> float:
    """Return the seconds of a trial's recurrent products, with a trial on each core: forward, and two for gradients."""
    devices.use_all_cores()
    count = jax.device_count()

    def products(state: jax.Array, weights: jax.Array) -> jax.Array:
        def step(_: Any, carry: jax.Array) -> jax.Array:
            gates = carry @ weights  # [B, H] [H, 4 H]
            gradient = gates @ weights.T  # of the state
            return 1e-3 * (gradient + gates[:, :HIDDEN_SIZE])

        last = jax.lax.fori_loop(0, LENGTH * STEPS, step, state)
        gates = jnp.ones((LENGTH * BATCH, 4 * HIDDEN_SIZE))

        def of_weights(_: Any, total: jax.Array) -> jax.Array:
            return 1e-3 * (jnp.ones((HIDDEN_SIZE, LENGTH * BATCH)) * total[0, 0] @ gates)

        return last.sum() + jax.lax.fori_loop(0, STEPS, of_weights, weights).sum()

    states = jnp.ones((count, BATCH, HIDDEN_SIZE))
    weights = jnp.ones((count, HIDDEN_SIZE, 4 * HIDDEN_SIZE)) * 1e-3
    run = jax.pmap(products)
    run(states, weights).block_until_ready()
    return min(_seconds(lambda: run(states, weights).block_until_ready()) for _ in range(3)) / count


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
