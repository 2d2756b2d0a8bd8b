"""Small float64 stacks of layers in many combinations, with noise from NumPy, and what they give."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array

from research.config import CellConfig, InitConfig, ModelConfig
from research.cells.cell import create
from research.recurrence.dropout import LayerNoise, StackNoise
from research.cells.initializers import InitScheme
from research.recurrence.stack import Stack
from tests import quick

BATCH, STEPS, INPUTS, HIDDEN = 4, 6, 2, 3
LENGTHS = (STEPS, 3, 0, 5)


@dataclass(frozen=True)
class Case:
    """A combination of what a stack can be."""

    cell: str
    directions: int = 1
    options: tuple[tuple[str, Any], ...] = ()
    """Of `ModelConfig`."""
    cell_options: tuple[tuple[str, Any], ...] = ()
    noise: bool = True
    learned: bool = False

    def changed(self, **options: Any) -> "Case":
        return replace(self, options=(*self.options, *options.items()))


class Given(NamedTuple):
    """What a stack can be differentiated with respect to, or the gradients."""

    weights: Any
    xs: Any


class Problem(NamedTuple):
    """Arguments, and the weights with which the results are summed to a loss."""

    given: Given
    lengths: Any
    noise: Any
    states_share: Any
    carries_share: Any
    last_share: Any

    def rows(self, rows: slice, other: "Problem") -> "Problem":
        """With these rows of the batch, and the rest of another problem."""

        def choose(own: Any, others: Any) -> Any:
            inside = np.zeros(BATCH, bool)
            inside[rows] = True
            return np.where(inside.reshape(-1, *(1,) * (np.ndim(own) - 1)), own, others)

        own, others = (each._replace(given=each.given._replace(weights=None)) for each in (self, other))
        chosen = jax.tree.map(choose, own, others)
        return chosen._replace(given=chosen.given._replace(weights=self.given.weights))

    def steps(self, start: int, stop: int) -> "Problem":
        """These steps alone."""
        cut = slice(start, stop)
        return self._replace(
            given=self.given._replace(xs=self.given.xs[:, cut]),
            lengths=(jnp if isinstance(self.lengths, Array) else np).clip(self.lengths - start, 0, stop - start),
            noise=jax.tree.map(lambda x: x[:, cut] if x.ndim == 3 else x, self.noise),
            states_share=self.states_share[:, cut],
        )


class Solution(NamedTuple):
    """Results and gradients."""

    states: Any
    carries: Any
    last: Any
    gradients: Given


@functools.cache
def stack(case: Case) -> Stack:
    """Abstract: its weights are shapes."""
    config = ModelConfig(case.cell, HIDDEN, **{"layers": 2, **dict(case.options)})
    cell = create(case.cell, CellConfig(**dict(case.cell_options)))
    scheme = InitScheme.of(InitConfig(), STEPS)
    return nnx.eval_shape(
        lambda: Stack(
            cell,
            config,
            INPUTS,
            scheme,
            nnx.Rngs(params=jax.random.key(0)),
            directions=case.directions,
            learn_initial=case.learned,
        )
    )


def make(case: Case, seed: int = 0) -> Problem:
    own, rng = stack(case), np.random.default_rng(seed)
    weights = jax.tree.map(lambda x: np.random.default_rng(9).normal(size=x.shape), nnx.state(own))
    parts = own.widths.parts

    def kept(rate: float, *shape: int) -> Any:
        return (rng.random(shape) >= rate) / (1 - rate)

    def layer() -> LayerNoise:
        hold: Any = tuple(0.0 + (rng.random((BATCH, STEPS, width)) < 0.3) for width in parts)
        return LayerNoise(kept(0.4, BATCH, parts[0]), kept(0.3, BATCH, parts[0]), hold)

    layers = own.widths.layers
    noise = StackNoise(tuple(layer() for _ in range(layers)), kept(0.4, BATCH, INPUTS)) if case.noise else None
    return Problem(
        Given(weights, rng.normal(size=(BATCH, STEPS, INPUTS))),
        np.array(LENGTHS, np.int32),
        noise,
        rng.normal(size=(BATCH, STEPS, own.features)),
        tuple(tuple(rng.normal(size=(BATCH, width)) for width in parts) for _ in range(layers)),
        rng.normal(size=(BATCH, own.features)),
    )


def merged(case: Case, given: Given) -> Stack:
    return nnx.merge(nnx.graphdef(stack(case)), given.weights)


def results(case: Case, given: Given, problem: Problem, carries: Any = None) -> tuple[Array, Any, Array]:
    """States, last carries, last states."""
    own = merged(case, given)
    states, carries = own(given.xs, carries, problem.lengths, problem.noise)
    return states, carries, own.last(carries, problem.noise)


def loss(problem: Problem, states: Any, carries: Any, last: Any) -> Any:
    """Works on NumPy and JAX arrays; reads padded steps, too."""
    total = (states * problem.states_share).sum() + (last * problem.last_share).sum()
    shares = zip(jax.tree.leaves(carries), jax.tree.leaves(problem.carries_share), strict=True)
    return total + sum((x * share).sum() for x, share in shares)


def solve(case: Case, problem: Problem) -> Solution:
    with jax.enable_x64(True):
        return jax.device_get(_solver(case)(problem))


@functools.cache
def _solver(case: Case) -> Callable[[Problem], Solution]:
    def solution(problem: Problem) -> Solution:
        def total(given: Given) -> tuple[Array, Any]:
            found = results(case, given, problem)
            return loss(problem, *found), found

        gradients, found = jax.grad(total, has_aux=True)(problem.given)
        return Solution(found[0], found[1], found[2], gradients)

    return quick.jit(solution)
