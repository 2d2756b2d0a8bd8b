"""The recurrence over time and its backward pass, for all cells.

Time is cut into blocks. The forward pass of a block computes the input gates of all its steps by one product, then
scans over the steps. The backward pass of a block scans in reverse over the vjp of `step`, which it replays from the
values that the cell kept, and returns the gradients of the products. Each weight gradient is then one matrix product
for the whole block instead of a sum over steps. Blocks are short, so arrays stay in the cache between these stages.
With `remat`, only the carries between blocks are kept, and the backward pass repeats the forward pass of each block.

`plain_recurrence` is the same function differentiated by JAX: the reference, and the path for forward-mode
derivatives.

The reverse scan also computes the norm of dL/dcarry_t, at no extra pass. It is returned as the "gradient" of
`perturbation` [T, P], an argument of zeros that nothing reads. If it is [T, B, P], the norms are those of each
sequence.

With `omega`, the backward pass adds the gradient of Omega (see `regularizer`) to that of the weights, as if the loss
contained `omega` times the sum of Omega; the "gradient" of `omega` is that sum.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Bool, Float, Inexact

from research.cells.cell import Carry, Cell, Tape, matmul
from research.recurrence.dropout import zone_out
from research.recurrence.kernels import regularizer
from research.recurrence.kernels.blocks import over_blocks
from research.recurrence.kernels.tape import Recorder, Replay
from research.recurrence.norms import norm

Weights = Mapping[str, Float[Array, "..."]]


@dataclass(frozen=True)
class Plan:
    """Static arguments of a recurrence."""

    cell: Cell
    block: int
    """Steps of a block."""
    reverse: bool = False
    remat: bool = False
    """Keep only the carries between blocks for the backward pass."""
    tbptt_steps: int = 0
    """Stop the gradient every n steps, counted from the first step read; 0: never."""
    compute_dtype: Any = None
    """Type to which factors of matrix products are rounded; None: no rounding."""


class Noise(NamedTuple):
    """Masks and random factors of the steps; each may be None."""

    valid: Bool[Array, "T B"] | None = None
    """Invalid steps keep the carry and output zeros."""
    hold: tuple[Float[Array, "T B _"], ...] | None = None
    """Zoneout: fraction of the previous carry in the new one, for each part."""
    mask: Float[Array, "B H"] | None = None
    """Variational dropout of the state in recurrent products."""


def former(x: Inexact[Array, "T *N"], first: Inexact[Array, "*N"], reverse: bool) -> Inexact[Array, "T *N"]:
    """Return the value at the step read before each step; `first` at the step read first."""
    return jnp.concatenate([x[1:], first[None]] if reverse else [first[None], x[:-1]])


def plain_recurrence(
    plan: Plan,
    weights: Weights,
    xs: Float[Array, "B T D"],
    carry: Carry,
    noise: Noise,
    eps: tuple[Float[Array, "T B _"], ...] | None = None,
) -> tuple[Float[Array, "T B H"], Carry]:
    """Return the hidden states of all steps, and the last carry; `eps` is added to each part at each step."""
    cell = plan.cell
    x_gates = cell.input_gates(weights, jnp.swapaxes(xs, 0, 1), plan.compute_dtype)

    def step(carry: Carry, inputs: Any) -> tuple[Carry, Array]:
        x_gates_t, valid_t, hold_t, eps_t, cut_t = inputs
        if cut_t is not None:
            carry = jax.tree.map(lambda part: jnp.where(cut_t[:, None], jax.lax.stop_gradient(part), part), carry)
        tape = Tape(weights, noise.mask, _named(cell, eps_t), plan.compute_dtype)
        new = zone_out(_take(cell, carry, x_gates_t, tape), carry, hold_t)
        new = _select(valid_t, new, carry)
        return new, _masked(valid_t, new[0])

    inputs = (x_gates, noise.valid, noise.hold, eps, _cuts(plan, xs.shape[1], noise.valid))
    last, hidden = jax.lax.scan(step, carry, inputs, reverse=plan.reverse)
    return hidden, last


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def recurrence(
    plan: Plan,
    weights: Weights,
    xs: Float[Array, "B T D"],
    carry: Carry,
    noise: Noise,
    perturbation: Float[Array, "T *B P"] | None,
    omega: Float[Array, ""] | None = None,
) -> tuple[Float[Array, "T B H"], Carry]:
    """Return the same as `plain_recurrence`, with the hand-written backward pass (see the module for the arguments)."""
    del perturbation, omega
    hidden, last, _ = _forward(plan, weights, xs, carry, noise)
    return hidden, last


class _Saved(NamedTuple):
    """Values of a block for the backward pass: its first carry and, without `remat`, all carries and kept values."""

    first: Carry
    carries: Carry | None
    kept: list[Array] | None


def _forward(plan: Plan, weights: Weights, xs: Array, carry: Carry, noise: Noise) -> tuple[Array, Carry, Any]:
    def block(carry: Carry, xs: Array, timed: Any, _: None) -> tuple[Carry, Array, _Saved]:
        last, hidden, carries, kept = _block_forward(plan, weights, carry, noise.mask, xs, *timed)
        return last, hidden, _Saved(carry, None, None) if plan.remat else _Saved(carry, carries, kept)

    timed = (noise.valid, noise.hold)
    last, hidden, saved = over_blocks(plan.block, block, carry, xs, timed, plan.reverse, unroll=not plan.remat)
    return hidden, last, saved


def _block_forward(plan, weights, carry, mask, xs, valid, hold):
    """Return the last carry, the hidden states, all carries and all kept values of a block's steps."""
    products = matmul(xs.reshape(-1, xs.shape[-1]), weights["w"], plan.compute_dtype)
    bias = (
        0 if plan.cell.bias_in_step else weights["b"][None]
    )  # added inside the scan, to save a pass over the products

    def step(carry, inputs):
        products_t, valid_t, hold_t = inputs
        x_gates_t = products_t + bias
        tape = Recorder(weights, mask, compute_dtype=plan.compute_dtype)
        new = _select(valid_t, zone_out(plan.cell.advance(carry, x_gates_t, tape), carry, hold_t), carry)
        return new, (_masked(valid_t, new[0]), new, tape.kept)

    inputs = (products.reshape(*xs.shape[:2], -1), valid, hold)
    last, (hidden, carries, kept) = jax.lax.scan(step, carry, inputs, reverse=plan.reverse)
    return last, hidden, carries, kept


def _forward_rule(plan, weights, xs, carry, noise, perturbation, omega):
    wanted = xs.perturbed
    weights, xs, carry, noise, perturbation, omega = jax.tree.map(
        lambda x: x.value,
        (weights, xs, carry, noise, perturbation, omega),
        is_leaf=lambda x: hasattr(x, "perturbed"),
    )
    hidden, last, saved = _forward(plan, weights, xs, carry, noise)
    return (hidden, last), (weights, xs if wanted else (xs,), noise, perturbation, omega, saved)


def _backward_rule(plan, residuals, cotangents):
    weights, xs, noise, perturbation, omega, saved = residuals
    wanted = not isinstance(xs, tuple)
    xs = xs if wanted else xs[0]
    d_hidden, d_last = cotangents
    d_hidden = None if isinstance(d_hidden, SymbolicZero) else d_hidden
    d_last = jax.tree.map(_instantiate, d_last, is_leaf=lambda x: isinstance(x, SymbolicZero))
    transposed = {name: weights[name].T for name in _matrices(plan.cell)}
    cuts = _cuts(plan, xs.shape[1], noise.valid)

    def block(state, xs, timed, saved):
        d_carry, *totals = state
        d_carry, d_block, d_x, norms, block_omega = _block_backward(
            plan, weights, transposed, noise.mask, perturbation, omega, d_carry, xs, timed, saved
        )
        d_xs = (_input_gradient(d_x, weights["w"], plan.compute_dtype),) if wanted else ()
        return (d_carry, *jax.tree.map(jnp.add, totals, [d_block, block_omega])), (*d_xs, norms), None

    state = (d_last, *jax.tree.map(jnp.zeros_like, (dict(weights), omega)))
    timed = (noise.valid, noise.hold, d_hidden, cuts)
    into = jnp.zeros_like(xs) if wanted else None
    totals, (*d_xs, norms), _ = over_blocks(
        plan.block, block, state, xs, timed, not plan.reverse, saved, into, unroll=not plan.remat
    )
    d_first, d_weights, d_omega = totals
    return d_weights, d_xs[0] if wanted else None, d_first, None, norms, d_omega


recurrence.defvjp(_forward_rule, _backward_rule, symbolic_zeros=True)


def _block_backward(plan, weights, transposed, mask, perturbation, omega, d_last, xs, timed, saved):
    """Return gradients of a block's first carry, of the weights and of the input gates; norms of dL/dcarry_t; Omega."""
    cell = plan.cell
    valid, hold, d_hidden, cuts = timed
    carries, kept = saved.carries, saved.kept
    if carries is None:
        _, _, carries, kept = _block_forward(plan, weights, saved.first, mask, xs, valid, hold)
    starts = jax.tree.map(functools.partial(former, reverse=plan.reverse), carries, saved.first)
    names = _matrices(cell)
    vectors = _vectors(cell, weights)
    x_nothing = jnp.full((xs.shape[1], weights["w"].shape[1]), jnp.nan, d_last[0].dtype)  # unused

    def step(state, inputs):
        d_later, d_vectors = state
        former_t, kept_t, valid_t, hold_t, d_hidden_t, cut_t = inputs
        d_total = d_later if d_hidden_t is None else (d_later[0] + _masked(valid_t, d_hidden_t), *d_later[1:])
        d_nothing = jax.tree.map(jnp.zeros_like, d_total)
        offsets = {name: jnp.zeros((xs.shape[1], weights[name].shape[1]), d_total[0].dtype) for name in names}

        def replayed(eps, carry, x_gates, offsets, vectors):
            tape = Replay(
                {**weights, **vectors}, mask, _named(cell, eps), plan.compute_dtype,
                kept=kept_t, offsets=offsets, transposed=transposed,
            )  # fmt: skip
            new = zone_out(_take(cell, carry, x_gates, tape), carry, hold_t)
            return new, {name: None if x is carry[0] else x for name, x in tape.operands.items()}

        _, pullback, operands = jax.vjp(replayed, d_nothing, former_t, x_nothing, offsets, vectors, has_aux=True)
        d_new = _select(valid_t, d_total, d_nothing)
        d_eps, d_former, d_x, d_products, d_now = pullback(d_new)
        if valid_t is not None:  # an invalid step passes the gradient to the previous carry
            d_former = jax.tree.map(jnp.add, d_former, _select(valid_t, d_nothing, d_total))
        if cut_t is not None:
            d_former = jax.tree.map(lambda d: jnp.where(cut_t[:, None], 0, d), d_former)
        same = {name: None if d is d_x else d for name, d in d_products.items()}
        extra = (None if perturbation is None else d_eps, None if omega is None else d_new)
        return (d_former, jax.tree.map(jnp.add, d_vectors, d_now)), (d_x, same, operands, *extra)

    state = (d_last, jax.tree.map(jnp.zeros_like, vectors))
    inputs = (starts, kept, valid, hold, d_hidden, cuts)
    (d_first, d_vectors), (d_x, d_products, operands, d_carries, d_news) = jax.lax.scan(
        step, state, inputs, reverse=not plan.reverse
    )
    d_weights = dict(d_vectors)
    for name in names:
        operand, d = operands[name], d_products[name]
        left, right = starts[0] if operand is None else operand, d_x if d is None else d
        d_weights[name] = _weight_gradient(left, right, plan.compute_dtype)
    d_weights["w"] = _weight_gradient(xs, d_x, plan.compute_dtype)
    if not cell.bias_in_step:
        d_weights["b"] = jnp.sum(d_x, axis=(0, 1))
    total_omega = None
    if omega is not None and d_news is not None:
        arguments = (plan.cell, weights, xs, starts, d_news, mask, hold, plan.compute_dtype)
        total_omega, d_omega = regularizer.omega(*arguments)
        d_weights = {name: d + omega * d_omega[name] for name, d in d_weights.items()}
    norms = None if perturbation is None or d_carries is None else norms_of(d_carries, each=perturbation.ndim == 3)
    return d_first, d_weights, d_x, norms, total_omega


def norms_of(parts: tuple[Float[Array, "T B _"], ...], each: bool) -> Float[Array, "T *B P"]:
    """Return the norms of each part, over the batch or for `each` sequence."""
    if each:
        return jnp.stack([norm(part, axis=2) for part in parts], axis=2)
    # Reduce over the batch first, which XLA vectorizes.
    return jnp.stack([norm(norm(part, axis=1), axis=1) for part in parts], axis=1)


def _take(cell: Cell, carry: Carry, x_gates: Array, tape: Tape) -> Carry:
    """Take a step, and add `eps` to the first part, which `tape.part` does not see."""
    new = cell.advance(carry, x_gates, tape)
    return new if tape.eps is None else (new[0] + tape.eps[cell.parts[0]], *new[1:])


def _select(valid: Bool[Array, " B"] | None, new: Carry, old: Carry) -> Carry:
    if valid is None:
        return new
    return tuple(jnp.where(valid[:, None], a, b) for a, b in zip(new, old, strict=True))


def _masked(valid: Bool[Array, " B"] | None, h: Float[Array, "B H"]) -> Float[Array, "B H"]:
    return h if valid is None else jnp.where(valid[:, None], h, 0)


def _named(cell: Cell, eps: Carry | None) -> Mapping[str, Array] | None:
    return None if eps is None else dict(zip(cell.parts, eps, strict=True))


def _cuts(plan: Plan, steps: int, valid: Bool[Array, "T B"] | None) -> Array | np.ndarray | None:
    """Return at which steps the gradient stops, [T, B or 1]: every `tbptt_steps`-th read, except the first."""
    if not plan.tbptt_steps:
        return None
    at = np.arange(steps)[:, None]
    if valid is None:
        read = at[::-1] if plan.reverse else at
        return (read > 0) & (read % plan.tbptt_steps == 0)
    read = jnp.sum(valid, axis=0)[None, :] - 1 - at if plan.reverse else at
    return valid & (read > 0) & (read % plan.tbptt_steps == 0)  # padding passes the gradient on


def _matrices(cell: Cell) -> tuple[str, ...]:
    return tuple(cell.matrices(1))


def _vectors(cell: Cell, weights: Weights) -> dict[str, Array]:
    """Return the weights that a step reads elementwise."""
    others = ("w", *_matrices(cell)) if cell.bias_in_step else ("w", "b", *_matrices(cell))
    return {name: value for name, value in weights.items() if name not in others}


def _instantiate(d: Any) -> Array:
    if not isinstance(d, SymbolicZero):
        return d
    aval: Any = d.aval
    return jnp.zeros(aval.shape, aval.dtype)


def _input_gradient(d: Float[Array, "T B N"], w: Float[Array, "D N"], compute_dtype: Any) -> Float[Array, "T B D"]:
    """Return `d @ w.T` by one product of matrices, on a CPU faster than with a matrix transposed beforehand."""
    return matmul(d.reshape(-1, d.shape[-1]), w.T, compute_dtype).reshape(*d.shape[:2], -1)


def _weight_gradient(xs: Float[Array, "T B D"], d: Float[Array, "T B N"], compute_dtype: Any) -> Float[Array, "D N"]:
    """Return the sum over time of `xs.T @ d` by one product of matrices, up to ten times faster than JAX's gradient."""
    return matmul(xs.reshape(-1, xs.shape[-1]).T, d.reshape(-1, d.shape[-1]), compute_dtype)
