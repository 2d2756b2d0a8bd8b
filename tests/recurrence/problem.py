"""A small float64 problem for each case, and its solution by `unroll`, compiled once for each case."""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from research.cells.cell import Carry, Cell, Weights
from research.cells.initializers import InitOptions, InitScheme
from research.recurrence.kernels.backward import Noise, Plan, plain_recurrence
from research.recurrence.unroll import LayerInputs, unroll
from tests.cells.cases import cell_of

BATCH, STEPS, INPUTS, HIDDEN = 4, 6, 2, 3
LENGTHS = (STEPS, 3, 0, 5)
BLOCK = 4  # one full block and a shorter one


class Arguments(NamedTuple):
    """Differentiable arguments of `unroll`, or their gradients."""

    weights: Any
    xs: Any
    carry: Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Problem:
    """Arguments of `unroll`, and factors that sum its results to a loss."""

    arguments: Arguments
    lengths: Any
    ys_share: Any
    last_share: Any

    def replace(self, **changes: Any) -> "Problem":
        """Return the problem with other fields or differentiable arguments."""
        arguments = {key: changes.pop(key) for key in Arguments._fields if key in changes}
        return dataclasses.replace(self, arguments=self.arguments._replace(**arguments), **changes)

    def loss(self, ys: Any, last: Any) -> Any:
        """Return the loss of NumPy or JAX arrays, which depends on padded steps as well."""
        return (ys * self.ys_share).sum() + sum((x * y).sum() for x, y in zip(last, self.last_share, strict=True))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Solution:
    """Results and gradients; `norms` [T, P] are the norms of dL/dcarry_t."""

    ys: Any
    last: Any
    gradients: Arguments
    norms: Any


def make(case: str, seed: int = 0, lengths: tuple[int, ...] = LENGTHS) -> Problem:
    cell, rng = cell_of(case), np.random.default_rng(seed)
    widths, shapes = cell.widths(HIDDEN), jax.eval_shape(lambda: _drawn(cell).arrays())
    arguments = Arguments(
        weights={name: rng.normal(size=x.shape) for name, x in sorted(shapes.items())},
        xs=rng.normal(size=(BATCH, STEPS, INPUTS)),
        carry=tuple(rng.normal(size=(BATCH, width)) for width in widths),
    )
    return Problem(
        arguments,
        lengths=np.array(lengths, np.int32),
        ys_share=rng.normal(size=(BATCH, STEPS, widths[0])),
        last_share=tuple(rng.normal(size=(BATCH, width)) for width in widths),
    )


def _drawn(cell: Cell) -> Weights:
    return Weights(cell, INPUTS, HIDDEN, InitScheme.of(InitOptions()), jax.random.key(0), length=STEPS)


def unrolled(
    cell: Cell, weights: dict[str, Array], xs: Array, carry: Carry | None = None, **options: Any
) -> tuple[Array, Carry]:
    """Run a layer over time, by default from zeros; the options are those of `LayerInputs` and of `unroll`."""
    carry = cell.initial_carry(len(xs), len(weights["b"]) // len(cell.gates), xs.dtype) if carry is None else carry
    names = {item.name for item in dataclasses.fields(LayerInputs)}
    read = {name: options.pop(name) for name in names & options.keys()}
    return unroll(LayerInputs("", cell, weights, xs, carry, **read), **options)


def solve(case: str, problem: Problem, *, masked: bool, reverse: bool, plain: bool = False, **options: Any) -> Solution:
    """Solve by the hand-written backward pass, or `plain`: by differentiating the scan with respect to an added eps."""
    with jax.enable_x64(True):
        return jax.device_get(_solver(case, masked, reverse, plain, tuple(options.items()))(problem))


@functools.cache
def _solver(
    case: str, masked: bool, reverse: bool, plain: bool, more: tuple[tuple[str, Any], ...]
) -> Callable[[Problem], Solution]:
    cell = cell_of(case)

    def solution(problem: Problem) -> Solution:
        batch, steps, _ = problem.arguments.xs.shape
        lengths = problem.lengths if masked else None

        def loss(arguments: Arguments, probe: Any) -> tuple[Array, tuple[Array, Carry]]:
            if plain:
                ys, last = _plain(cell, arguments, lengths, probe, reverse)
            else:
                options = {"lengths": lengths, "reverse": reverse, "block": BLOCK, "perturbation": probe} | dict(more)
                ys, last = unrolled(cell, arguments.weights, arguments.xs, arguments.carry, **options)
            return problem.loss(ys, last), (ys, last)

        parts = len(cell.parts)
        eps = tuple(jnp.zeros((steps, batch, width)) for width in cell.widths(HIDDEN))
        probe = eps if plain else jnp.zeros((steps, parts))
        (gradients, norms), results = jax.grad(loss, argnums=(0, 1), has_aux=True)(problem.arguments, probe)
        if plain:
            norms = jnp.stack([jnp.sqrt(jnp.sum(jnp.square(part), axis=(1, 2))) for part in norms], axis=1)
        return Solution(results[0], results[1], gradients, norms)

    return jax.jit(solution)


def _plain(cell: Cell, arguments: Arguments, lengths: Array | None, eps: Carry, reverse: bool) -> tuple[Array, Carry]:
    valid = None if lengths is None else jnp.arange(arguments.xs.shape[1])[:, None] < lengths[None, :]
    plan = Plan(cell, block=1, reverse=reverse)
    hidden, last = plain_recurrence(plan, arguments.weights, arguments.xs, arguments.carry, Noise(valid), eps)
    return jnp.swapaxes(hidden, 0, 1), last
