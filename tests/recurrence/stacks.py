"""Small float64 stacks of layers, with noise from NumPy, and their solutions."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array

from research.cells.cell import Cell
from research.cells.initializers import InitOptions, InitScheme
from research.recurrence.dropout import LayerNoise, StackNoise
from research.recurrence.stack import Stack
from research.recurrence.stack_options import StackOptions

BATCH, STEPS, INPUTS, HIDDEN = 4, 6, 2, 3
LENGTHS = (STEPS, 3, 0, 5)


@dataclass(frozen=True)
class Case:
    """A stack under test."""

    cell: Cell
    directions: int = 1
    options: tuple[tuple[str, Any], ...] = ()
    """Fields of `StackOptions`."""
    noise: bool = True
    learned: bool = False

    def changed(self, **options: Any) -> "Case":
        return replace(self, options=(*self.options, *options.items()))


class Halves(nnx.Module):
    """A module between two layers that keeps every second state."""

    def __init__(self, output_size: int) -> None:
        self.output_size = output_size

    def __call__(self, xs: Any, lengths: Any) -> tuple[Any, Any]:
        return xs[:, ::2], self.shortened(lengths)

    def shortened(self, lengths: Any) -> Any:
        return None if lengths is None else -(-lengths // 2)


class Arguments(NamedTuple):
    """Differentiable arguments of a stack, or their gradients."""

    weights: Any
    xs: Any


class Problem(NamedTuple):
    """Arguments, and factors that sum the results to a loss."""

    arguments: Arguments
    lengths: Any
    noise: Any
    states_share: Any
    carries_share: Any
    last_share: Any

    def rows(self, rows: slice, other: "Problem") -> "Problem":
        """Return these rows of the batch, and the other rows of another problem."""

        def choose(x: Any, y: Any) -> Any:
            inside = np.zeros(BATCH, bool)
            inside[rows] = True
            return np.where(inside.reshape(-1, *(1,) * (np.ndim(x) - 1)), x, y)

        unweighted = (p._replace(arguments=p.arguments._replace(weights=None)) for p in (self, other))
        chosen = jax.tree.map(choose, *unweighted)
        return chosen._replace(arguments=chosen.arguments._replace(weights=self.arguments.weights))

    def steps(self, start: int, stop: int) -> "Problem":
        """Return the problem of these steps only."""
        cut = slice(start, stop)
        return self._replace(
            arguments=self.arguments._replace(xs=self.arguments.xs[:, cut]),
            lengths=(jnp if isinstance(self.lengths, Array) else np).clip(self.lengths - start, 0, stop - start),
            noise=jax.tree.map(lambda x: x[:, cut] if x.ndim == 3 else x, self.noise),
            states_share=self.states_share[:, cut],
        )


class Solution(NamedTuple):
    """Results and gradients."""

    states: Any
    carries: Any
    last: Any
    gradients: Arguments


@functools.cache
def stack(case: Case) -> Stack:
    """Return the stack with shapes instead of weights."""
    options = StackOptions(HIDDEN, **{"num_layers": 2, **dict(case.options)})
    scheme = InitScheme.of(InitOptions())
    return nnx.eval_shape(
        lambda: Stack(
            case.cell,
            options,
            INPUTS,
            scheme,
            nnx.Rngs(params=jax.random.key(0)),
            length=STEPS,
            directions=case.directions,
            learn_initial=case.learned,
        )
    )


def make(case: Case, seed: int = 0) -> Problem:
    module, rng = stack(case), np.random.default_rng(seed)
    weights = jax.tree.map(lambda x: np.random.default_rng(9).normal(size=x.shape), nnx.state(module))
    parts = module.widths.parts

    def kept(rate: float, *shape: int) -> Any:
        return (rng.random(shape) >= rate) / (1 - rate)

    def layer() -> LayerNoise:
        hold: Any = tuple(0.0 + (rng.random((BATCH, STEPS, width)) < 0.3) for width in parts)
        return LayerNoise(kept(0.4, BATCH, parts[0]), kept(0.3, BATCH, parts[0]), hold)

    layers = module.widths.num_layers
    noise = StackNoise(tuple(layer() for _ in range(layers)), kept(0.4, BATCH, INPUTS)) if case.noise else None
    return Problem(
        Arguments(weights, rng.normal(size=(BATCH, STEPS, INPUTS))),
        np.array(LENGTHS, np.int32),
        noise,
        rng.normal(size=(BATCH, STEPS, module.output_size)),
        tuple(tuple(rng.normal(size=(BATCH, width)) for width in parts) for _ in range(layers)),
        rng.normal(size=(BATCH, module.output_size)),
    )


def merged(case: Case, arguments: Arguments) -> Stack:
    return nnx.merge(nnx.graphdef(stack(case)), arguments.weights)


def results(case: Case, arguments: Arguments, problem: Problem, carries: Any = None) -> tuple[Array, Any, Array]:
    """Return states, last carries and last states."""
    module = merged(case, arguments)
    states, carries = module(arguments.xs, carries, problem.lengths, problem.noise)
    return states, carries, module.last(carries, problem.noise)


def loss(problem: Problem, states: Any, carries: Any, last: Any) -> Any:
    """Return the loss of NumPy or JAX arrays, which depends on padded steps as well."""
    total = (states * problem.states_share).sum() + (last * problem.last_share).sum()
    shares = zip(jax.tree.leaves(carries), jax.tree.leaves(problem.carries_share), strict=True)
    return total + sum((x * share).sum() for x, share in shares)


def solve(case: Case, problem: Problem) -> Solution:
    with jax.enable_x64(True):
        return jax.device_get(_solver(case)(problem))


@functools.cache
def _solver(case: Case) -> Callable[[Problem], Solution]:
    def solution(problem: Problem) -> Solution:
        def total(arguments: Arguments) -> tuple[Array, Any]:
            actual = results(case, arguments, problem)
            return loss(problem, *actual), actual

        gradients, actual = jax.grad(total, has_aux=True)(problem.arguments)
        return Solution(actual[0], actual[1], actual[2], gradients)

    return jax.jit(solution)
