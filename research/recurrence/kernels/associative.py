"""The associative scan of a linear recurrence.

    s_t = a_t * s_{t-1} + b_t

where a_t and b_t do not depend on the state (see `cells.linear`). Two steps combine into one of the same form:
(a_2 a_1, a_2 b_1 + b_2). So the states are prefixes of an associative operation, and a tree computes them in O(log T)
parallel steps instead of T (Blelloch 1990; Martin, Cundy 2018). The gradient is the same recurrence in reverse,

    ds_t = g_t + a_{t+1} ds_{t+1}        da_t = ds_t * s_{t-1}        db_t = ds_t

where g_t is the gradient with respect to s_t as an output. The norms of ds_t are the gradient profile.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Inexact

from research.cells.cell import Carry, Tape
from research.cells.linear import COMPLEX, LinearCell, state_of
from research.recurrence.kernels.backward import former, norms_of
from research.recurrence.norms import norm

FAN = 4
"""Steps that each level of the tree combines. On a CPU, 2 to 8 are equally fast; `jax.lax.associative_scan`, a tree of
pairs, takes 1.5 to 3 times as long to run and three times as long to compile."""


def associative(
    cell: LinearCell,
    weights: Mapping[str, Array],
    xs: Float[Array, "T B D"],
    carry: Carry,
    valid: Bool[Array, "T B"] | None,
    perturbation: Float[Array, "T *B P"] | None,
    reverse: bool = False,
    compute_dtype: Any = None,
) -> tuple[Float[Array, "T B H"], Carry]:
    """Return the same as `backward.recurrence`, in O(log T) steps forward and backward."""
    steps, batch, _ = xs.shape
    tape = Tape(weights, compute_dtype=compute_dtype)
    x_gates = cell.input_gates(weights, xs.reshape(steps * batch, -1), compute_dtype)
    a, b = (_timed(x, steps) for x in cell.coefficients(x_gates, tape))
    if valid is not None:
        a, b = jnp.where(valid[:, :, None], a, 1), jnp.where(valid[:, :, None], b, 0)
    first, is_complex = state_of(carry), cell.parts == COMPLEX
    zeros = perturbation[..., 1:] if is_complex and perturbation is not None else perturbation
    states: Any = scan(a, b, first, valid, zeros, reverse)
    last = _last(states, first, valid, reverse)
    if not is_complex:
        return _masked(valid, states), (last,)
    h = cell.read(states.reshape(steps * batch, -1), x_gates, tape).reshape(steps, batch, -1)
    h = _perturbed(h, None if perturbation is None else perturbation[..., :1])
    return _masked(valid, h), (_last(h, carry[0], valid, reverse), last.real, last.imag)


@functools.partial(jax.custom_vjp, nondiff_argnums=(5,))
def scan(
    a: Inexact[Array, "T #B H"],
    b: Inexact[Array, "T B H"],
    first: Inexact[Array, "B H"],
    valid: Bool[Array, "T B"] | None,
    perturbation: Float[Array, "T *B P"] | None,
    reverse: bool = False,
) -> Inexact[Array, "T B H"]:
    """Return the states s_t = a_t * s_{t-1} + b_t, real or complex, from the state before the first step.

    `a` is [T, 1, H] if all sequences share it. `perturbation` is zeros; its gradient is the norm of dL/ds_t at valid
    steps, for the real and imaginary parts if the states are complex.
    """
    del valid, perturbation
    return _prefixes(a, b, first, reverse)


def _scan_forward(a, b, first, valid, perturbation, reverse):
    states = _prefixes(a, b, first, reverse)
    return states, (a, first, states, valid, perturbation)


def _scan_backward(reverse, residuals, g):
    a, first, states, valid, perturbation = residuals
    later = former(a, jnp.zeros_like(a[0]), not reverse)
    d = _prefixes(later, g, jnp.zeros_like(first), not reverse)
    d_a = d * former(states, first, reverse)
    d_first = (a * d)[-1 if reverse else 0]
    if a.shape[1] == 1:
        d_a = jnp.sum(d_a, axis=1, keepdims=True)
    return d_a, d, d_first, None, None if perturbation is None else _norms(perturbation, _masked(valid, d))


scan.defvjp(_scan_forward, _scan_backward)


def _prefixes(a: Array, b: Array, first: Array, reverse: bool) -> Array:
    """Return all s_t = a_t * s_{t-1} + b_t: combine groups of `FAN` steps, recur, then compute the steps of each group.

    All groups of a level are computed at once.
    """
    steps, turn = len(b), -1 if reverse else 1
    if steps <= FAN:
        return jnp.stack(_one_by_one(list(a), list(b), first, turn))
    below_a, below_b = _in_groups(a, reverse), _in_groups(b, reverse)
    total_a, total_b = below_a[::turn][0], below_b[::turn][0]
    for next_a, next_b in zip(below_a[::turn][1:], below_b[::turn][1:], strict=True):
        total_a, total_b = next_a * total_a, next_a * total_b + next_b
    starts = former(_prefixes(total_a, total_b, first, reverse), first, reverse)
    states = jnp.stack(_one_by_one(below_a, below_b, starts, turn), axis=1).reshape(-1, *starts.shape[1:])
    return states[-steps:] if reverse else states[:steps]


def _one_by_one(a: list[Array], b: list[Array], state: Array, turn: int) -> list[Array]:
    """Return the states of a few steps, one after the other."""
    states = []
    for step_a, step_b in zip(a[::turn], b[::turn], strict=True):
        state = step_a * state + step_b
        states.append(state)
    return states[::turn]


def _in_groups(x: Array, reverse: bool) -> list[Array]:
    """Return the first, second, ... step of each group, [ceil(T / FAN), ...]; padding comes last in reading order."""
    missing = -len(x) % FAN
    padding = [((missing, 0) if reverse else (0, missing))] + [(0, 0)] * (x.ndim - 1)
    grouped = jnp.pad(x, padding).reshape(-1, FAN, *x.shape[1:])
    return [grouped[:, j] for j in range(FAN)]


@jax.custom_vjp
def _perturbed(h: Float[Array, "T B H"], perturbation: Float[Array, "T *B 1"] | None) -> Float[Array, "T B H"]:
    """Return `h`; the gradient of `perturbation` is the norm of dL/dh."""
    del perturbation
    return h


_perturbed.defvjp(lambda h, zeros: (h, zeros), lambda zeros, d: (d, None if zeros is None else _norms(zeros, d)))


def _norms(perturbation: Float[Array, "T *B P"], d: Inexact[Array, "T B H"]) -> Float[Array, "T *B P"]:
    parts = (d.real, d.imag) if jnp.iscomplexobj(d) else (d,)
    if perturbation.ndim == 3:
        return norms_of(parts, each=True)
    return jnp.stack([jax.vmap(norm)(part) for part in parts], axis=1)


def _timed(x: Array, steps: int) -> Array:
    """Reshape rows of all steps and sequences to [T, B, H], or broadcast one row to [T, 1, H]."""
    if len(x) == 1:
        return jnp.broadcast_to(x[None], (steps, *x.shape))
    return x.reshape(steps, -1, x.shape[-1])


def _masked(valid: Bool[Array, "T B"] | None, x: Inexact[Array, "T B H"]) -> Inexact[Array, "T B H"]:
    return x if valid is None else jnp.where(valid[:, :, None], x, 0)


def _last(x: Inexact[Array, "T B H"], first: Array, valid: Bool[Array, "T B"] | None, reverse: bool) -> Array:
    """Return the value at the valid step that is read last; `first` if no step is valid."""
    if valid is None:
        return x[0 if reverse else -1]
    index = jnp.zeros_like(valid[0], int) if reverse else jnp.maximum(jnp.sum(valid, axis=0) - 1, 0)
    last = jnp.take_along_axis(x, index[None, :, None], axis=0)[0]
    return jnp.where(valid[0][:, None], last, first)
