"""A small float64 problem for any cell, and its solution by the code under test, compiled once for each case."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array

from research.recurrent.cell import Carry, Cell, InitScheme, Weights, create
from research.recurrent.unroll import unroll
from research.recurrent.vjp import plain_recurrence
from tests import quick

BATCH, STEPS, INPUTS, FEATURES = 4, 6, 2, 3
LENGTHS = (STEPS, 3, 0, 5)


class Given(NamedTuple):
    """What `unroll` can be differentiated with respect to, or the gradients."""

    w: Any
    u: Any
    b: Any
    xs: Any
    carry: Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Problem:
    """The arguments of `unroll`, and the weights with which its results are summed to a loss."""

    given: Given
    lengths: Any
    ys_share: Any
    last_share: Any

    def replace(self, **changes: Any) -> "Problem":
        """With other arguments of either kind."""
        given = {key: changes.pop(key) for key in Given._fields if key in changes}
        return dataclasses.replace(self, given=self.given._replace(**given), **changes)

    def loss(self, ys: Any, last: Any) -> Any:
        """Works on NumPy and JAX arrays; reads padded steps, too."""
        return (ys * self.ys_share).sum() + sum((x * y).sum() for x, y in zip(last, self.last_share, strict=True))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Solution:
    """Results and gradients; `norms` [T, P] are those of dL/dcarry_t."""

    ys: Any
    last: Any
    gradients: Given
    norms: Any


def make(name: str, seed: int = 0, lengths: tuple[int, ...] = LENGTHS) -> Problem:
    cell, rng = create(name), np.random.default_rng(seed)
    width, parts = cell.gates * FEATURES, len(cell.parts)
    given = Given(
        w=rng.normal(size=(INPUTS, width)),
        u=rng.normal(size=(FEATURES, width)),
        b=rng.normal(size=(width,)),
        xs=rng.normal(size=(BATCH, STEPS, INPUTS)),
        carry=tuple(rng.normal(size=(BATCH, FEATURES)) for _ in range(parts)),
    )
    return Problem(
        given,
        lengths=np.array(lengths, np.int32),
        ys_share=rng.normal(size=(BATCH, STEPS, FEATURES)),
        last_share=tuple(rng.normal(size=(BATCH, FEATURES)) for _ in range(parts)),
    )


def weights_of(cell: Cell, w: Array, u: Array, b: Array) -> Weights:
    """`Weights` that hold these arrays."""
    zero = jnp.float32(0)
    shapes = (cell, w.shape[0], u.shape[0], InitScheme(zero, zero, zero), jax.random.key(0))
    weights = nnx.eval_shape(lambda: Weights(*shapes))
    weights.w, weights.u, weights.b = nnx.Param(w), nnx.Param(u), nnx.Param(b)
    return weights


def solve(name: str, problem: Problem, *, masked: bool, reverse: bool, plain: bool = False) -> Solution:
    """By the custom backward pass, or by differentiating the plain scan with respect to an added eps."""
    with jax.enable_x64(True):
        return jax.device_get(_solver(name, masked, reverse, plain)(problem))


@functools.cache
def _solver(name: str, masked: bool, reverse: bool, plain: bool) -> Callable[[Problem], Solution]:
    cell = create(name)

    def solution(problem: Problem) -> Solution:
        batch, steps, _ = problem.given.xs.shape
        lengths = problem.lengths if masked else None

        def loss(given: Given, probe: Any) -> tuple[Array, tuple[Array, Carry]]:
            if plain:
                ys, last = _plain(cell, given, lengths, probe, reverse)
            else:
                weights, options = weights_of(cell, *given[:3]), {"lengths": lengths, "reverse": reverse}
                ys, last = unroll(cell, weights, given.xs, carry=given.carry, probe=probe, **options)
            return problem.loss(ys, last), (ys, last)

        parts = len(cell.parts)
        probe = (jnp.zeros((steps, batch, FEATURES)),) * parts if plain else jnp.zeros((steps, parts))
        found, results = jax.grad(loss, argnums=(0, 1), has_aux=True)(problem.given, probe)
        gradients, norms = found
        if plain:
            norms = jnp.stack([jnp.sqrt(jnp.sum(jnp.square(part), axis=(1, 2))) for part in norms], axis=1)
        return Solution(results[0], results[1], gradients, norms)

    return quick.jit(solution)


def _plain(cell: Cell, given: Given, lengths: Array | None, eps: Carry, reverse: bool) -> tuple[Array, Carry]:
    w, u, b, xs, carry = given
    valid = None if lengths is None else jnp.arange(xs.shape[1])[:, None] < lengths[None, :]
    x_gates = jnp.swapaxes(xs, 0, 1) @ w + b[None, None, :]
    carries = plain_recurrence(cell, u, x_gates, carry, valid, eps, reverse)
    hidden = carries[0] if valid is None else jnp.where(valid[:, :, None], carries[0], 0)
    return jnp.swapaxes(hidden, 0, 1), tuple(part[0 if reverse else -1] for part in carries)
