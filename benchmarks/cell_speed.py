"""Speed of a recurrent layer: ours, PyTorch's, Flax's, and the matrix products alone.

    python -m benchmarks.cell_speed

Forward and backward pass with respect to weights and inputs, float32, on all cores. Ours shards the batch over one XLA
device per core, as in training; PyTorch is `torch.nn` with one thread per core (oneDNN); Flax is `flax.nnx.RNN` with
its own cell under `jax.jit`, on one XLA device with all cores. The limit is the time of the matrix products that every
implementation needs, sharded like ours and in scans of the same length: x W, h U, and the gradients of h, U, x and W.
The four run alternately, and the table shows medians. A call makes several passes. Those of JAX run in one program, as
in training, and each updates weights and inputs by their gradients.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import timing
from research.cells import CELLS
from research.cells.cell import Cell, Weights
from research.cells.initializers import InitOptions, InitScheme
from research.recurrence.unroll import LayerInputs, unroll
from research.training import devices

SIZES = ((128, 64, 256, 256), (400, 16, 64, 64), (64, 32, 512, 512), (1000, 32, 64, 128))
FLAX: dict[str, Any] = {"rnn": nnx.SimpleCell, "lstm": nnx.OptimizedLSTMCell, "gru": nnx.GRUCell}
ROUNDS, PASSES = 15, 5
SPLIT, WHOLE = PartitionSpec("batch"), PartitionSpec()


def main() -> None:
    """Print and write the medians of all sizes of all cells."""
    devices.use_all_cores()
    torch = timing.import_torch()
    headings = ("cell", "T x B x D x H", "ours", "torch", "flax", "limit", "torch/ours", "flax/ours", "limit/ours")
    table = Table(*headings, title="milliseconds, forward and backward", box=box.SIMPLE, pad_edge=False)
    rows = []
    for size in SIZES:
        for name in FLAX:
            rows.append(measure(torch, name, *size))
            ours, *others = times = [rows[-1][f"{kind}_ms"] for kind in ("ours", "torch", "flax", "limit")]
            ratios = (f"{others[0] / ours:.2f}", f"{others[1] / ours:.2f}", f"{others[2] / ours:.0%}")
            shown = (f"{ms:.1f}" if ms < 100 else f"{ms:.0f}" for ms in times)
            table.add_row(name, " x ".join(map(str, size)), *shown, *ratios)
    console = Console()
    console.print(table)
    for kind in ("torch", "flax"):
        console.print(f"{kind} / ours, geometric mean: {_mean_ratio(rows, kind):.2f}", highlight=False)
    console.print(f"written to {timing.write(rows, 'cell_speed')}", highlight=False)


def measure(torch: Any, name: str, steps: int, batch: int, inputs: int, hidden_size: int) -> dict[str, Any]:
    """Return median milliseconds of one size of one cell."""
    cell = CELLS[name]()
    xs = np.random.default_rng(0).normal(size=(batch, steps, inputs)).astype(np.float32)
    candidates = {
        "ours": ours(cell, xs, hidden_size),
        "torch": _torch(torch, name, xs, hidden_size),
        "flax": _flax(name, xs, hidden_size),
        "limit": _limit(cell, xs, hidden_size),
    }
    times = timing.medians(candidates, ROUNDS)
    return {"cell": name, "T": steps, "B": batch, "D": inputs, "H": hidden_size} | {
        f"{key}_ms": ms / PASSES for key, ms in times.items()
    }


def ours(cell: Cell, xs: np.ndarray, hidden_size: int) -> Callable[[], Any]:
    """Return a call that makes `PASSES` passes; so do the others."""
    weights = Weights(
        cell, xs.shape[2], hidden_size, InitScheme.of(InitOptions()), jax.random.key(1), length=xs.shape[1]
    )
    graphdef, params = nnx.split(weights)

    def loss(params: Any, xs: jax.Array) -> jax.Array:
        inputs = LayerInputs(
            "", cell, nnx.merge(graphdef, params).arrays(), xs, cell.initial_carry(len(xs), hidden_size)
        )
        return jnp.sum(unroll(inputs)[0])

    def gradients(params: Any, xs: jax.Array) -> Any:
        d_params, d_xs = jax.grad(loss, argnums=(0, 1))(params, xs)
        return jax.lax.psum(d_params, "batch"), d_xs

    return _split(gradients, (params, xs), (WHOLE, SPLIT))


def _torch(torch: Any, name: str, xs: np.ndarray, hidden_size: int) -> Callable[[], Any]:
    layer = getattr(torch.nn, name.upper())(xs.shape[2], hidden_size)
    inputs = torch.tensor(xs.swapaxes(0, 1).copy(), requires_grad=True)  # time-major, its own layout

    def passes() -> None:
        for _ in range(PASSES):
            layer.zero_grad()
            inputs.grad = None
            layer(inputs)[0].sum().backward()

    return passes


def _flax(name: str, xs: np.ndarray, hidden_size: int) -> Callable[[], Any]:
    layer = nnx.RNN(FLAX[name](xs.shape[2], hidden_size, rngs=nnx.Rngs(0)))
    carry = layer.cell.initialize_carry((xs.shape[0], xs.shape[2]), rngs=nnx.Rngs(0))
    graphdef, params, others = nnx.split(layer, nnx.Param, ...)

    def loss(params: Any, xs: jax.Array) -> jax.Array:
        hidden: Any = nnx.merge(graphdef, params, others)(xs, initial_carry=carry)
        return jnp.sum(hidden)

    passes, inputs = jax.jit(timing.updated(jax.grad(loss, argnums=(0, 1)), PASSES)), jnp.asarray(xs)
    return lambda: jax.block_until_ready(passes(params, inputs))


def _limit(cell: Cell, xs: np.ndarray, hidden_size: int) -> Callable[[], Any]:
    gates = len(cell.gates) * hidden_size
    w, u = np.full((xs.shape[2], gates), 0.01, np.float32), np.full((hidden_size, gates), 1 / hidden_size, np.float32)
    h, d = (np.zeros((len(xs), width), np.float32) for width in (hidden_size, gates))

    def products(w: jax.Array, u: jax.Array, xs: jax.Array, h: jax.Array, d: jax.Array) -> Any:
        batch, steps, inputs = xs.shape
        flat, hidden = xs.reshape(-1, inputs), jnp.broadcast_to(u[:1, :hidden_size], (steps * batch, hidden_size))
        x_gates = flat @ w
        last = jax.lax.scan(lambda h, _: ((h @ u)[:, :hidden_size], None), h, length=steps)[0]
        back = u.T

        def backward(d: jax.Array, _: None) -> tuple[jax.Array, None]:
            return jax.lax.dynamic_update_slice(d, d @ back, (0, 0)), None

        d_last = jax.lax.scan(backward, d, length=steps)[0]
        of_weights = jax.lax.psum((flat.T @ x_gates, hidden.T @ x_gates), "batch")
        return *of_weights, (x_gates @ w.T).reshape(xs.shape), last, d_last

    return _split(products, (w, u, xs, h, d), (WHOLE, WHOLE, SPLIT, SPLIT, SPLIT))


def _split(gradients: Callable, arguments: tuple, specs: tuple) -> Callable[[], Any]:
    """Return a call that takes the gradients with the batch split over all devices."""
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    passes = timing.updated(gradients, PASSES)
    compiled = jax.jit(jax.shard_map(passes, mesh=mesh, in_specs=specs, out_specs=specs, check_vma=False))
    placed = [jax.device_put(x, NamedSharding(mesh, spec)) for x, spec in zip(arguments, specs, strict=True)]
    return lambda: jax.block_until_ready(compiled(*placed))


def _mean_ratio(rows: list[dict[str, Any]], kind: str) -> float:
    return math.exp(sum(math.log(row[f"{kind}_ms"] / row["ours_ms"]) for row in rows) / len(rows))


if __name__ == "__main__":
    main()
