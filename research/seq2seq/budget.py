"""Models of comparable size: find the hidden size for a given number of weights.

The number of weights grows with the hidden size, so a binary search finds it. Weights are counted without creating
them.
"""

import bisect
import contextlib
import functools
import math
from dataclasses import replace
from typing import TypeVar

import jax
from flax import nnx

from research.batch import TaskSpec
from research.cells.initializers import InitOptions, InitScheme
from research.errors import UserError
from research.options import require
from research.seq2seq.model import Seq2seq
from research.seq2seq.options import Seq2seqOptions

TOLERANCE = 0.05
"""Largest relative difference between the number of weights and the budget."""
MAX_HIDDEN_SIZE = 2**20
"""Largest hidden size that the options allow."""
CHEAP = InitScheme.of(InitOptions(recurrent="identity"))
"""An initialization that traces fast; shapes do not depend on it."""
OptionsT = TypeVar("OptionsT", bound=Seq2seqOptions)


def resolve_hidden_size(options: OptionsT, spec: TaskSpec) -> OptionsT:
    """Return the options with the hidden size whose number of weights is nearest to the budget, and no budget.

    Options without a budget are returned unchanged.

    Raises:
        UserError: if the number of weights differs from the budget by more than `TOLERANCE`.
    """
    budget = options.model.parameter_budget
    if not budget:
        return options
    # The cached search depends on these options only, so trials of a sweep share it.
    hidden_size = _nearest(Seq2seqOptions(options.model, options.cell, options.attention), spec)
    return replace(options, model=replace(options.model, hidden_size=hidden_size, parameter_budget=0))


@functools.cache
def count_parameters(options: Seq2seqOptions, spec: TaskSpec) -> int:
    """Return the number of weights of a model whose options have no budget."""

    def build() -> Seq2seq:
        return Seq2seq(options, spec, CHEAP, nnx.Rngs(params=jax.random.key(0)))

    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(nnx.eval_shape(build), nnx.Param)))


@functools.cache
def _nearest(options: Seq2seqOptions, spec: TaskSpec) -> int:
    """Return the hidden size whose number of weights is nearest to the budget."""
    budget = options.model.parameter_budget

    def sized(hidden_size: int) -> Seq2seqOptions | None:
        """Return the options with this hidden size; None if it is not allowed, for instance by `num_heads`."""
        with contextlib.suppress(UserError):
            return replace(options, model=replace(options.model, hidden_size=hidden_size, parameter_budget=0))

    def count(hidden_size: int) -> float:
        """Return the number of weights at the smallest allowed size from this one on."""
        allowed = (sized(size) for size in range(hidden_size, MAX_HIDDEN_SIZE + 1))
        smallest = next(filter(None, allowed), None)
        return math.inf if smallest is None else count_parameters(smallest, spec)

    above = 1 + math.isqrt(budget) // 16  # below the result, except for small budgets
    while count(above) < budget:
        above *= 2
    above = bisect.bisect_left(range(above + 1), budget, lo=1, key=count)
    up, down = range(above, MAX_HIDDEN_SIZE + 1), range(above - 1, 0, -1)
    sizes = [next((size for size in places if sized(size)), None) for places in (up, down)]
    counts = {size: count(size) for size in sizes if size}
    nearest = min(counts, key=lambda size: abs(counts[size] - budget))
    allowed = f"within {TOLERANCE:.0%} of what a hidden size gives: {counts[nearest]} weights with {nearest}"
    require(abs(counts[nearest] - budget) <= TOLERANCE * budget, "model.parameter_budget", budget, allowed)
    return nearest
