"""What makes trials comparable: as many weights, or as much time.

A budget of weights is spent on the width of the model: `settled` takes the `features` with which it has that many.
Where a step of the width is too coarse, a decoder gets a width below, and what is left widens its read-out. The number
of weights grows with the width, so few widths need be tried; models are only counted, not built.

A budget of time is spent on updates alone: `Stopwatch` leaves out whatever else a process does between them.
"""

import contextlib
import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import jax
from flax import nnx

from research.batch import Interface
from research.config import Config, InitConfig
from research.errors import UserError
from research.recurrent.cell import create
from research.recurrent.initial import InitScheme
from research.seq2seq.model import Seq2seq

TOLERANCE = 0.01
"""How far from the budget the number of weights may be, as a share of it."""
NARROWER = 8
"""Widths below the budget that are tried with a wider read-out: half a step of that can be too coarse, too."""
WIDEST = 2**20
"""The most features that a config takes."""
CHEAP = InitScheme.of(InitConfig(recurrent="identity"), 1)
"""An initialisation that is traced in no time; shapes do not depend on it."""
T = TypeVar("T")


@dataclass(frozen=True)
class _Sized:
    """A width and the weights of its model."""

    features: int
    weights: int | float


def settled(config: Config, interface: Interface) -> Config:
    """The config with the width that its budget of weights stands for; one without a budget as it is.

    Raises:
        UserError: if nothing comes within `TOLERANCE` of it.
    """
    if not config.model.parameter_budget:
        return config
    counted = Config(task=config.task, model=config.model, cell=config.cell, attention=config.attention)
    features, readout = _widths(counted, interface)
    return _of_width(config, features, readout)


@functools.cache
def count(config: Config, interface: Interface) -> int:
    """The weights of the model, of encoder and head."""
    cell = create(config.model.cell, config.cell)

    def build() -> Seq2seq:
        return Seq2seq(config, cell, interface, CHEAP, nnx.Rngs(params=jax.random.key(0)))

    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(nnx.eval_shape(build), nnx.Param)))


@functools.cache
def _widths(config: Config, interface: Interface) -> tuple[int, int]:
    """`features` and `readout` whose count is nearest to the budget; 0: the read-out is as wide as the rest."""
    budget, readout = config.model.parameter_budget, config.model.readout
    nearest = sorted(_around(config, interface), key=lambda sized: abs(sized.weights - budget))
    if nearest and abs(nearest[0].weights - budget) <= TOLERANCE * budget:
        return nearest[0].features, readout
    below = [sized for sized in nearest if sized.weights < budget]
    if below and config.task.decodes and not readout and not config.model.tied:
        for features in range(below[0].features, max(below[0].features - NARROWER, 0), -1):
            if not (allowed := _allowed(config, features)):
                continue
            weights = count(allowed, interface)
            step = count(_of_width(config, features, features + 1), interface) - weights
            wider = features + round((budget - weights) / step)
            if abs(count(_of_width(config, features, wider), interface) - budget) <= TOLERANCE * budget:
                return features, wider
    found = " and ".join(f"{sized.weights} (model.features={sized.features})" for sized in nearest)
    reachable = f"nearest to it {'are' if len(nearest) > 1 else 'is'} {found}" if nearest else "no width is allowed"
    wanted = f"within {TOLERANCE:.0%} of what a width of model.cell={config.model.cell} gives"
    raise UserError(f"model.parameter_budget={budget}: must be {wanted}: {reachable}; larger budgets have finer steps")


def _around(config: Config, interface: Interface) -> list[_Sized]:
    """The largest model with fewer weights than the budget, and the smallest other one; those that there are."""

    def at_least(width: int) -> _Sized:
        """The least width from this one on that the options allow, such as a multiple of the attention's heads."""
        for features in range(width, WIDEST + 1):
            if allowed := _allowed(config, features):
                return _Sized(features, count(allowed, interface))
        return _Sized(WIDEST + 1, math.inf)

    budget = config.model.parameter_budget
    below, above = _Sized(0, 0), at_least(1 + math.isqrt(budget) // 16)
    while above.weights < budget:
        below, above = above, at_least(4 * above.features)
    low, high = below.features, above.features  # from `high` on, nothing has fewer weights than `above`
    while high - low > 1:
        guess = _between(below, above, budget) if high == above.features else (low + high) // 2
        sized = at_least(middle := min(max(guess, low + 1), high - 1))
        if sized.weights < budget:
            below, low = sized, sized.features
        else:
            above, high = sized, middle
    return [sized for sized in (below, above) if 0 < sized.features <= WIDEST]


def _between(below: _Sized, above: _Sized, budget: int) -> int:
    """About the width of the budget, as if the weights grew with a power of it; midway where that is not to be had."""
    if below.features == 0 or above.weights == math.inf:
        return (below.features + above.features) // 2
    power = math.log(above.weights / below.weights) / math.log(above.features / below.features)
    return round(below.features * (budget / below.weights) ** (1 / power))


def _allowed(config: Config, features: int) -> Config | None:
    """The config with this width; None if its options do not allow it."""
    with contextlib.suppress(UserError):
        return _of_width(config, features, config.model.readout)


def _of_width(config: Config, features: int, readout: int) -> Config:
    return replace(config, model=replace(config.model, features=features, readout=readout, parameter_budget=0))


class Stopwatch:
    """The seconds that trials have trained, of those that they may; evaluations do not count."""

    def __init__(self, budget: float, seconds: float = 0.0) -> None:
        """Go on from so many.

        Args:
            budget: 0: there is none.
        """
        self.budget, self.seconds = budget, seconds
        self._since: float | None = None

    @property
    def over(self) -> bool:
        return 0 < self.budget <= self.seconds

    @property
    def elapsed(self) -> float:
        """The seconds until now; while it is stopped, `seconds`."""
        return self.seconds + (0.0 if self._since is None else time.monotonic() - self._since)

    def time(self, call: Callable[..., T], *arguments: Any) -> T:
        """What the call computes: with a budget once it is there, as the time until then counts; else at once.

        Without a budget it counts on until `pause`.
        """
        if self._since is None:
            self._since = time.monotonic()
        found = call(*arguments)
        if self.budget:
            jax.block_until_ready(found)
            self.pause()
        return found

    def pause(self) -> None:
        """Stop until the next call; what the last one computes must be there."""
        self.seconds, self._since = self.elapsed, None
