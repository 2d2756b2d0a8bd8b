"""The steps of a layer one by one: its states and gates over time, and the products of its Jacobians.

All of it is in the order in which the layer reads. The state s_t of a step is the whole carry: its parts side by side,
N features in all, such as [h; c] for an LSTM. Past the end of a sequence the state stays, so the Jacobian of such a
step is the identity.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from research.cells.cell import Carry, Cell, Tape
from research.recurrence.dropout import zone_out
from research.recurrence.kernels.tape import GateTape
from research.recurrence.norms import norm
from research.recurrence.unroll import LayerInputs


class Timed(NamedTuple):
    """Arguments of the steps besides the carry; each with a leading axis T."""

    x_gates: Float[Array, "*T B GH"]
    valid: Bool[Array, "*T B"]
    hold: tuple[Float[Array, "..."], ...] | None


class Trajectory:
    """A layer that takes single steps."""

    def __init__(self, layer: LayerInputs) -> None:
        self.layer, self.cell = layer, layer.cell
        xs = jnp.where(layer.valid[:, :, None], layer.in_order(layer.xs), 0)
        hold = None if layer.hold is None else tuple(map(layer.in_order, layer.hold))
        self.timed = Timed(self.cell.input_gates(layer.weights, xs, layer.compute_dtype), layer.valid, hold)

    def step(self, carry: Carry, timed: Timed, tape: Tape | None = None) -> Carry:
        """Return the carry after a step."""
        new = self.cell.advance(carry, timed.x_gates, self._tape(Tape) if tape is None else tape)
        new = zone_out(new, carry, timed.hold)
        return tuple(jnp.where(timed.valid[:, None], a, b) for a, b in zip(new, carry, strict=True))

    def step_flat(self, state: Float[Array, "B N"], timed: Timed) -> Float[Array, "B N"]:
        return flat(self.step(self._carry(state), timed))

    def states(self) -> Float[Array, "T1 B N"]:
        """Return s_0, ..., s_T; s_0 is the state before the first step."""

        def step(state: Array, timed: Timed) -> tuple[Array, Array]:
            state = self.step_flat(state, timed)
            return state, state

        first = flat(self.layer.carry)
        return jnp.concatenate([first[None], jax.lax.scan(step, first, self.timed)[1]])

    def gates(self) -> dict[str, Float[Array, "T B H"]]:
        """Return every gate of the cell at every step, by its name in the equations; {} if the cell has none."""

        def step(carry: Carry, timed: Timed) -> tuple[Carry, dict[str, Array]]:
            tape = self._tape(GateTape)
            return self.step(carry, timed, tape), tape.gates

        return jax.lax.scan(step, self.layer.carry, self.timed)[1]

    def lagged_jacobians(self, lags: tuple[int, ...]) -> dict[int, Float[Array, "B N N"]]:
        """Return ds_T/ds_{T-k} by lag k; T is the last step of each sequence. NaN where a sequence has fewer steps."""
        states = self.states()

        def back(product: Array, distance: Array) -> tuple[Array, Array | None]:
            """Multiply by the Jacobian of the step `distance` before the last one."""
            at = self.layer.steps - 1 - distance
            place = jnp.maximum(at, 0)
            x_gates, hold = (jax.tree.map(lambda x: _at(x, place), x) for x in (self.timed.x_gates, self.timed.hold))
            timed = Timed(x_gates, at >= 0, hold)
            _, pullback = jax.vjp(lambda state: self.step_flat(state, timed), _at(states, place))
            (product,) = jax.vmap(pullback)(product)
            return product, None

        batch, size = states.shape[1:]
        product = jnp.broadcast_to(jnp.eye(size, dtype=states.dtype)[:, None], (size, batch, size))
        found, start = {}, 0
        for lag in sorted({*lags}):
            product, _ = jax.lax.scan(back, product, jnp.arange(start, lag))
            enough = (self.layer.steps >= lag)[:, None, None]
            found[lag], start = jnp.where(enough, jnp.swapaxes(product, 0, 1), jnp.nan), lag
        return found

    def lyapunov_exponents(self, count: int, key: Array) -> Float[Array, "B K"]:
        """Return the first `count` finite-time Lyapunov exponents of each sequence, in nats a step.

        The tangent vectors start as random orthonormal ones; each step multiplies them by its Jacobian and makes them
        orthonormal again, by a QR decomposition: the exponents are the mean of ln R_ii (Benettin et al. 1980; Engelken,
        Wolf, Abbott 2023). A direction that a step loses altogether gets the logarithm of rounding errors,
        less than about -15 in float32.
        """
        first = flat(self.layer.carry)
        batch, size = first.shape
        q, _ = orthonormal(jax.random.normal(key, (1, size, min(count, size)), first.dtype))
        tiny = jnp.finfo(first.dtype).tiny

        def step(loop: tuple[Array, Array, Array], timed: Timed) -> tuple[tuple[Array, Array, Array], None]:
            state, q, total = loop
            state, push = jax.linearize(lambda state: self.step_flat(state, timed), state)
            q, lengths = orthonormal(jax.vmap(push, in_axes=2, out_axes=2)(q))
            grown = jnp.log(jnp.maximum(lengths, tiny))
            return (state, q, total + jnp.where(timed.valid[:, None], grown, 0)), None

        start = (first, jnp.broadcast_to(q, (batch, *q.shape[1:])), jnp.zeros((batch, q.shape[2]), first.dtype))
        (_, _, total), _ = jax.lax.scan(step, start, self.timed)
        return total / jnp.maximum(self.layer.steps, 1)[:, None].astype(first.dtype)

    def _tape(self, kind: type[Tape]) -> Any:
        return kind(self.layer.weights, self.layer.mask, compute_dtype=self.layer.compute_dtype)

    def _carry(self, state: Float[Array, "B N"]) -> Carry:
        widths = [part.shape[1] for part in self.layer.carry]
        ends = [sum(widths[: index + 1]) for index in range(len(widths) - 1)]
        return tuple(jnp.split(state, ends, axis=1))


def flat(carry: Carry) -> Float[Array, "B N"]:
    """Return the parts of a carry side by side."""
    return jnp.concatenate(carry, axis=1)


def orthonormal(vectors: Float[Array, "B N K"]) -> tuple[Float[Array, "B N K"], Float[Array, "B K"]]:
    """Return the Q of a QR decomposition of columns, and the diagonal of R, which is not negative.

    Gram-Schmidt, twice for each column, is as exact as Householder's reflections (Giraud et al. 2005). LAPACK's batched
    decompositions are not used in programs: with as many devices as threads of the CPU, they wait for each other.
    """

    def column(index: Array, loop: tuple[Array, Array]) -> tuple[Array, Array]:
        q, lengths = loop
        vector = jax.lax.dynamic_index_in_dim(vectors, index, axis=2, keepdims=False)
        for _ in range(2):
            vector = vector - jnp.einsum("bnk,bk->bn", q, jnp.einsum("bnk,bn->bk", q, vector))
        length = norm(vector, axis=1)
        unit = vector / jnp.where(length > 0, length, 1)[:, None]
        q = jax.lax.dynamic_update_index_in_dim(q, unit, index, axis=2)
        return q, jax.lax.dynamic_update_index_in_dim(lengths, length, index, axis=1)

    start = (jnp.zeros_like(vectors), jnp.zeros_like(vectors[:, 0]))
    return jax.lax.fori_loop(0, vectors.shape[2], column, start)


def gate_names(cell: Cell) -> tuple[str, ...]:
    """Return the names of a cell's gates, sorted."""
    size = 2  # any

    def gates() -> dict[str, Array]:
        matrices = {name: jnp.zeros((m.rows, m.columns * m.blocks)) for name, m in cell.matrices(size).items()}
        vectors = {name: jnp.zeros(vector.size) for name, vector in cell.vectors(size).items()}
        bias = jnp.zeros(len(cell.gates) * size)
        tape = GateTape({**matrices, **vectors, "b": bias})
        cell.step(cell.initial_carry(1, size), bias[None], tape)
        return tape.gates

    return tuple(jax.eval_shape(gates))


def _at(x: Float[Array, "T #B N"], steps: Int[Array, " B"]) -> Float[Array, "B N"]:
    """Return the value of each sequence at a step of its own; a second axis of length 1 holds for all."""
    return x[steps, jnp.arange(len(steps)) % x.shape[1]]
