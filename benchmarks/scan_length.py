"""Time of a layer and memory of its gradient as functions of the length T.

    python -m benchmarks.scan_length

Forward and backward pass with respect to weights and inputs, float32, on the default device.

Time: minGRU and minLSTM, whose state is a linear recurrence, run as associative scans and step by step; the LSTM only
step by step. Each runs without checkpoints and with checkpoints every sqrt(T) steps. Without them, the values that the
backward pass needs exceed the processor's cache from some length on; for the larger LSTM they do at every length. As in
training, one call makes many updates, so that the overhead of a call does not matter.

Memory: the temporary arrays that XLA allocates for one gradient, without and with checkpoints, for one and three
layers, and for losses that read the last state or all states.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from rich.console import Console
from rich.table import Table

from benchmarks import timing
from research.cells import CELLS
from research.cells.cell import Carry, Weights
from research.cells.initializers import InitOptions, InitScheme
from research.recurrence.stack import Stack
from research.recurrence.stack_options import StackOptions
from research.recurrence.unroll import LayerInputs, unroll

LENGTHS = (100, 300, 1000, 3000, 10000)
BATCH, HIDDEN_SIZE = 8, 64
CALLS = 50_000  # of a step, in one call of a program
ROUNDS = 5


class Layer(NamedTuple):
    """A layer whose time is measured."""

    cell: str
    form: str
    """Name of the row."""
    options: Mapping[str, Any] = {}
    """Options of `unroll`."""
    batch: int = BATCH
    hidden_size: int = HIDDEN_SIZE


NEVER = 2**30
"""A truncation that no sequence is long enough for: it needs the steps one after the other."""
LARGER = 16, 128
"""Batch and hidden size of the LSTM once more: what 100 steps keep is more than a core's cache holds, too."""
LAYERS = (
    Layer("mingru", "associative"),
    Layer("mingru", "sequential", {"tbptt_steps": NEVER}),
    Layer("minlstm", "associative"),
    Layer("minlstm", "sequential", {"tbptt_steps": NEVER}),
    Layer("lstm", "sequential"),
    Layer("lstm", "checkpointed", {"remat_every": -1}),
    Layer("lstm", "sequential", {}, *LARGER),
    Layer("lstm", "checkpointed", {"remat_every": -1}, *LARGER),
)
INPUTS = (2, 64)
"""Input features where memory is measured: those of the adding task, and those of embeddings."""
DEPTHS = (1, 3)
"""Where memory is measured."""


class Program(NamedTuple):
    """A compiled gradient and its arguments."""

    compiled: Any
    arguments: tuple[Any, ...]

    def run(self) -> Any:
        """Run it to the end."""
        return jax.block_until_ready(self.compiled(*self.arguments))


def main() -> None:
    """Print and write times and memory."""
    console = Console()
    times = [row for steps in LENGTHS for row in measured_times(steps)]
    console.print(time_table(times))
    console.print(f"written to {timing.write(times, 'scan_length')}", highlight=False)
    cases = [(layers, inputs, reads) for layers in DEPTHS for inputs in INPUTS for reads in READS]
    memory = [measured_memory(*case, every) for case in cases for every in (0, -1)]
    console.print(memory_table(memory))
    console.print(f"written to {timing.write(memory, 'memory')}", highlight=False)


def last_state(hidden: jax.Array, last: Carry) -> jax.Array:
    """Return a loss that reads the last state."""
    return jnp.sum(last[0])


def all_states(hidden: jax.Array, last: Carry) -> jax.Array:
    """Return a loss that reads all states."""
    return jnp.sum(jnp.square(hidden))


READS: dict[str, Callable[[jax.Array, Carry], jax.Array]] = {"last": last_state, "all": all_states}


def updates(layer: Layer, steps: int, count: int) -> Program:
    """Compile updates of weights and inputs by the gradient of a loss that reads all states, one after the other."""
    cell, size, scheme = CELLS[layer.cell](), layer.hidden_size, InitScheme.of(InitOptions())
    graphdef, params = nnx.split(Weights(cell, size, size, scheme, jax.random.key(1), length=steps))
    xs = jax.random.normal(jax.random.key(0), (layer.batch, steps, layer.hidden_size))

    def loss(params: Any, xs: jax.Array) -> jax.Array:
        inputs = LayerInputs("", cell, nnx.merge(graphdef, params).arrays(), xs, cell.initial_carry(layer.batch, size))
        return all_states(*unroll(inputs, **layer.options))

    many = timing.updated(jax.grad(loss, argnums=(0, 1)), count)
    return Program(jax.jit(many).lower(params, xs).compile(), (params, xs))


def measured_times(steps: int) -> list[dict[str, Any]]:
    """Return median milliseconds of an update of each layer at one length."""
    count = CALLS // steps
    medians = timing.medians({str(layer): updates(layer, steps, count).run for layer in LAYERS}, ROUNDS)
    rows = []
    for layer, ms in zip(LAYERS, medians.values(), strict=True):
        sizes = {"T": steps, "B": layer.batch, "D": layer.hidden_size, "H": layer.hidden_size}
        times = {"ms": ms / count, "us_per_step": 1e3 * ms / count / steps}
        rows.append({"cell": layer.cell, "form": layer.form, **sizes, **times})
    return rows


def measured_memory(layers: int, inputs: int, reads: str, every: int) -> dict[str, Any]:
    """Return the bytes of the temporary arrays of the gradient of LSTM layers at the greatest length."""
    steps = LENGTHS[-1]
    options = StackOptions(hidden_size=HIDDEN_SIZE, num_layers=layers, remat_every=every)
    scheme = InitScheme.of(InitOptions())
    graphdef, params = nnx.split(
        nnx.eval_shape(lambda: Stack(CELLS["lstm"](), options, inputs, scheme, nnx.Rngs(0), length=steps))
    )

    def loss(params: Any, xs: jax.Array) -> jax.Array:
        hidden, carries = nnx.merge(graphdef, params)(xs)
        return READS[reads](hidden, carries[-1])

    xs = jax.ShapeDtypeStruct((BATCH, steps, inputs), jnp.float32)
    analysis = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(params, xs).compile().memory_analysis()
    assert analysis is not None
    sizes = {"layers": layers, "T": steps, "B": BATCH, "D": inputs, "H": HIDDEN_SIZE}
    temporary = analysis.temp_size_in_bytes
    return {"cell": "lstm", "reads": reads, **sizes, "remat_every": every, "temporary_bytes": temporary}


def time_table(rows: list[dict[str, Any]]) -> Table:
    """Return a row for each cell and form, a column for each length; microseconds a step."""
    lengths = (f"{steps:,}" for steps in LENGTHS)
    table = Table("cell", "form", "B x H", *lengths, title="µs a step, forward and backward, by number of steps")
    kinds = [(row["cell"], row["form"], f"{row['B']} x {row['H']}") for row in rows]
    for kind in dict.fromkeys(kinds):
        times = [row["us_per_step"] for row, other in zip(rows, kinds, strict=True) if other == kind]
        table.add_row(*kind, *(f"{value:.1f}" for value in times))
    return table


def memory_table(rows: list[dict[str, Any]]) -> Table:
    """Return megabytes without and with checkpoints, and their ratio."""
    table = Table(
        "layers", "loss reads", "D", "all kept, MB", "checkpoints, MB", "ratio", title=f"lstm, T = {LENGTHS[-1]:,}"
    )
    for kept, checkpointed in zip(rows[::2], rows[1::2], strict=True):
        sizes = [row["temporary_bytes"] / 1e6 for row in (kept, checkpointed)]
        ratio = f"{sizes[0] / sizes[1]:.1f}"
        table.add_row(str(kept["layers"]), kept["reads"], str(kept["D"]), *(f"{size:.1f}" for size in sizes), ratio)
    return table


if __name__ == "__main__":
    main()
