"""How fast a recurrent layer is: ours, flax's, and the matrix products alone.

    python -m experiments.cell_speed

Forward and backward pass with respect to weights and inputs, float32, on the default device. The limit is the time of
the products that no implementation can do without, in scans of the same length: x W, h U, and for the backward pass
the gradients of h, U, x and W. `probe_ms` is ours with the gradient profile recorded.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from rich.console import Console
from rich.table import Table

from experiments import timing
from research.recurrent.cell import Cell, InitScheme, Weights, create
from research.recurrent.unroll import unroll

SIZES = ((128, 64, 256, 256), (400, 16, 64, 64), (64, 32, 512, 512), (1000, 32, 64, 128))
FLAX: dict[str, Any] = {"rnn": nnx.SimpleCell, "lstm": nnx.OptimizedLSTMCell, "gru": nnx.GRUCell}
ROUNDS = 9


def main() -> None:
    rows = [measure(name, *size) for size in SIZES for name in FLAX]
    console = Console()
    table = Table("cell", "T", "B", "D", "H", "ours ms", "flax ms", "limit ms", "flax / ours", "limit / ours", "probe")
    for row in rows:
        ours, flax, limit, probe = (row[f"{name}_ms"] for name in ("ours", "flax", "limit", "probe"))
        shape = (str(row[axis]) for axis in ("T", "B", "D", "H"))
        speeds = (f"{ours:.1f}", f"{flax:.1f}", f"{limit:.1f}", f"{flax / ours:.2f}", f"{limit / ours:.0%}")
        table.add_row(row["cell"], *shape, *speeds, f"{probe / ours - 1:+.0%}")
    console.print(table)
    console.print(f"written to {timing.write(rows, 'cell_speed')}", highlight=False)


def measure(name: str, steps: int, batch: int, inputs: int, features: int) -> dict[str, Any]:
    """Median milliseconds of one size of one cell."""
    cell = create(name)
    xs = jax.random.normal(jax.random.key(0), (batch, steps, inputs))
    candidates = {
        "ours": _ours(cell, xs, features, probing=False),
        "flax": _flax(name, xs, features),
        "limit": _limit(cell, xs, features),
        "probe": _ours(cell, xs, features, probing=True),
    }
    found = timing.medians(candidates, ROUNDS)
    return {"cell": name, "T": steps, "B": batch, "D": inputs, "H": features} | {
        f"{key}_ms": ms for key, ms in found.items()
    }


def _ours(cell: Cell, xs: jax.Array, features: int, probing: bool) -> Callable[[], Any]:
    scheme = InitScheme(jnp.float32(1), jnp.float32(0), jnp.float32(0))
    weights = Weights(cell, xs.shape[2], features, scheme, jax.random.key(1))
    graphdef, params = nnx.split(weights)
    probe = jnp.zeros((xs.shape[1], len(cell.parts))) if probing else None

    def loss(params: Any, xs: jax.Array, probe: jax.Array | None) -> jax.Array:
        hidden, _ = unroll(cell, nnx.merge(graphdef, params), xs, probe=probe)
        return jnp.sum(hidden)

    step = jax.jit(jax.grad(loss, argnums=(0, 1, 2) if probing else (0, 1)))
    return lambda: jax.block_until_ready(step(params, xs, probe))


def _flax(name: str, xs: jax.Array, features: int) -> Callable[[], Any]:
    layer = nnx.RNN(FLAX[name](xs.shape[2], features, rngs=nnx.Rngs(0)))
    carry = layer.cell.initialize_carry((xs.shape[0], xs.shape[2]), rngs=nnx.Rngs(0))
    graphdef, params, others = nnx.split(layer, nnx.Param, ...)

    def loss(params: Any, xs: jax.Array) -> jax.Array:
        hidden: Any = nnx.merge(graphdef, params, others)(xs, initial_carry=carry)
        return jnp.sum(hidden)

    step = jax.jit(jax.grad(loss, argnums=(0, 1)))
    return lambda: jax.block_until_ready(step(params, xs))


def _limit(cell: Cell, xs: jax.Array, features: int) -> Callable[[], Any]:
    batch, steps, inputs = xs.shape
    gates = len(cell.gates) * features
    w, u = jnp.ones((inputs, gates)), jnp.ones((features, gates)) / features
    flat, hidden = xs.reshape(-1, inputs), jnp.ones((steps * batch, features))

    @jax.jit
    def products(w: jax.Array, u: jax.Array, flat: jax.Array, hidden: jax.Array) -> Any:
        x_gates = flat @ w
        last = jax.lax.scan(lambda h, _: ((h @ u)[:, :features], None), hidden[:batch], length=steps)[0]
        back, wide = u.T, jnp.zeros((batch, gates))

        def backward(d: jax.Array, _: None) -> tuple[jax.Array, None]:
            return jax.lax.dynamic_update_slice(d, d @ back, (0, 0)), None

        d_last = jax.lax.scan(backward, wide + x_gates[:batch], length=steps)[0]
        return last, d_last, x_gates @ w.T, flat.T @ x_gates, hidden.T @ x_gates

    return lambda: jax.block_until_ready(products(w, u, flat, hidden))


if __name__ == "__main__":
    main()
