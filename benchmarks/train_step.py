"""The cost of compiling a train step and of recording the gradient's profile.

    python -m benchmarks.train_step

Compiling: forward and backward pass of a 3-layer LSTM in a first process, and in a second one that finds the program in
JAX's persistent cache. Profile: updates of a trial with and without the norms of dL/dh_t, run alternately; medians.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from rich.console import Console
from rich.table import Table

from benchmarks import timing
from research.cells import CELLS
from research.cells.initializers import InitOptions, InitScheme
from research.config import Config
from research.config.flat import override
from research.recurrence.stack import Stack
from research.recurrence.stack_options import StackOptions
from research.tasks import task as tasks
from research.training import devices, shards
from research.training.compilation import enable_cache
from research.training.hparams import Hparams
from research.training.pack import Pack
from research.training.step import Program

LAYERS, STEPS, BATCH, HIDDEN_SIZE = 3, 100, 32, 128
MEASURED = ("rnn", "lstm", "gru")
UPDATES, ROUNDS = 10, 9


def main() -> None:
    """Print and write the seconds of compiling and the cost of the profile."""
    if sys.argv[1:] == ["compile"]:  # as a process of its own
        print(json.dumps(compile_stack()))
        return
    devices.use_all_cores()
    console = Console()
    compiled = compilations()
    table = Table("3-layer LSTM", "trace s", "compile s")
    for row in compiled:
        table.add_row(row["process"], f"{row['trace_s']:.2f}", f"{row['compile_s']:.2f}")
    console.print(table)
    console.print(f"written to {timing.write(compiled, 'compile_time')}", highlight=False)
    costs = [profile_cost(name) for name in MEASURED]
    table = Table("cell", "T", "B", "H", "update ms", "with profile ms", "cost")
    for row in costs:
        plain, recorded = row["update_ms"], row["profile_ms"]
        shape = (str(row[axis]) for axis in ("T", "B", "H"))
        table.add_row(row["cell"], *shape, f"{plain:.1f}", f"{recorded:.1f}", f"{recorded / plain - 1:+.1%}")
    console.print(table)
    console.print(f"written to {timing.write(costs, 'profile_cost')}", highlight=False)


def compilations() -> list[dict[str, Any]]:
    """Return the seconds of tracing and compiling, with an empty cache and with one that a former process filled."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": folder}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        command = [sys.executable, "-m", "benchmarks.train_step", "compile"]
        rows = []
        for process in ("first process", "second process"):
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            rows.append({"process": process, **json.loads(done.stdout)})
    return rows


def compile_stack() -> dict[str, float]:
    """Trace and compile the gradient of a stack."""
    devices.use_all_cores()
    enable_cache()
    options, init = StackOptions(hidden_size=HIDDEN_SIZE, num_layers=LAYERS), InitScheme.of(InitOptions())
    stack = nnx.eval_shape(lambda: Stack(CELLS["lstm"](), options, HIDDEN_SIZE, init, nnx.Rngs(0), length=STEPS))
    graphdef, params = nnx.split(stack)

    def loss(params: Any, xs: jax.Array) -> jax.Array:
        return jnp.sum(nnx.merge(graphdef, params)(xs)[0])

    start = time.perf_counter()
    xs = jax.ShapeDtypeStruct((BATCH, STEPS, HIDDEN_SIZE), jnp.float32)
    lowered = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(params, xs)
    traced = time.perf_counter()
    lowered.compile()
    return {"trace_s": traced - start, "compile_s": time.perf_counter() - traced}


def profile_cost(cell: str, length: int = 784, hidden_size: int = 64) -> dict[str, Any]:
    """Return median milliseconds of an update, without and with the profile."""
    candidates = {
        "update": _updates(cell, length, hidden_size, 0),
        "profile": _updates(cell, length, hidden_size, 1),
    }
    times = timing.medians(candidates, ROUNDS)
    shape = {"cell": cell, "T": length, "B": BATCH, "H": hidden_size}
    return shape | {f"{name}_ms": ms / UPDATES for name, ms in times.items()}


def _updates(cell: str, length: int, hidden_size: int, every: int) -> Callable[[], None]:
    """Return a call that makes some updates of a trial alone.

    Args:
        cell: its name.
        length: of the inputs.
        hidden_size: of the model.
        every: updates between two profiles; 0: none.
    """
    options = override(
        Config(),
        {
            "task.name": "adding",
            "task.length": length,
            "cell.name": cell,
            "model.hidden_size": hidden_size,
            "training.batch_size": BATCH,
            "probes.gradient_flow.every": every,
        },
    )
    program = Program(options, tasks.load(options.task), shards.spare_devices(1, jax.device_count(), BATCH))
    pack = Pack(program, [Hparams.of(options)])
    state = pack.init()

    def call() -> None:
        nonlocal state
        state, record = pack.run(state, 0, UPDATES)
        assert np.all(jax.device_get(record.ok))

    return call


if __name__ == "__main__":
    main()
