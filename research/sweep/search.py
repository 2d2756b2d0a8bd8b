"""Which trials a sweep has: all at once for `grid` and `random`, in rounds for `bayes`.

`bayes` uses the tree-structured Parzen estimator of Optuna (Bergstra et al. 2011), seeded, in place of W&B's Gaussian
process. Each number is searched on the scale of its distribution, from 0 to 1; listed values are a choice. The rounds
follow from the sweep file and the metrics of the trials before: the same command after a stop, with any executor,
chooses the same trials.
"""

import math
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from research.config.naming import NamedConfig
from research.sweep.parameters import Parameter
from research.sweep.spec import SEED, Sweep

if TYPE_CHECKING:
    import optuna

STARTUP = 10
"""Random trials before the estimator chooses any."""
REPEATS, DRAWS = 10, 200
"""Trials that the estimator may choose again before a random one is taken, and random ones that may be known."""
EDGE = 1e-9
"""Distance from the ends of the scale: at 0 and 1, a normal distribution is infinite."""
ROUND = 4
"""Trials that the estimator chooses at once, so that they train as a pack."""

Observe = Callable[[NamedConfig], float]
"""Return the value of a trial's metric, the less the better; NaN: it has none."""


def rounds(sweep: Sweep, observe: Observe, limit: int | None = None) -> Iterator[Sequence[NamedConfig]]:
    """Yield the trials, in rounds: those of a round may train in any order, but must end before the next round.

    `observe` returns the metric of a trial that has ended; there are at most `limit` trials.
    """
    if sweep.method != "bayes":
        yield sweep.trials
        return
    assert sweep.run_cap
    study, total, seen = _study(), min(sweep.run_cap, limit or math.inf), set[str]()
    while len(seen) < total:
        count = min(STARTUP if not seen else ROUND, total - len(seen))
        asked = [pair for _ in range(int(count)) if (pair := _ask(study, sweep, seen))]
        if not asked:
            return  # no other trials exist
        yield [trial for _, trial in asked]
        values = {number: observe(trial) for number, trial in asked}
        known = [*values.values(), *(trial.value for trial in study.get_trials() if trial.value is not None)]
        worst = max(filter(math.isfinite, known), default=0.0)
        for number, value in values.items():
            study.tell(number, value if math.isfinite(value) else worst)


def _study() -> "optuna.Study":
    import optuna  # takes a second, which other sweeps do not need

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=SEED, n_startup_trials=STARTUP, constant_liar=True)
    return optuna.create_study(sampler=sampler)


def _ask(study: "optuna.Study", sweep: Sweep, seen: set[str]) -> tuple[int, NamedConfig] | None:
    """Return the number and config of a trial that is not `seen` yet; None if none is found."""
    import optuna

    rng = random.Random(len(seen))
    for number in range(REPEATS + DRAWS):
        if number >= REPEATS:
            study.enqueue_trial({item.key: _place(item, rng) for item in sweep.parameters if len(item.values) != 1})
        asked = study.ask()
        trial = sweep.trial([_suggest(asked, parameter) for parameter in sweep.parameters])
        if trial.name not in seen:
            seen.add(trial.name)
            return asked.number, trial
        study.tell(asked.number, state=optuna.trial.TrialState.FAIL)
    return None


def _suggest(asked: "optuna.Trial", parameter: Parameter) -> Any:
    if len(parameter.values) == 1:
        return parameter.values[0]
    if parameter.values:
        return parameter.values[asked.suggest_categorical(parameter.key, range(len(parameter.values)))]
    return parameter.quantile(asked.suggest_float(parameter.key, EDGE, 1 - EDGE))


def _place(parameter: Parameter, rng: random.Random) -> float:
    """Return a random place on the scale that is searched."""
    return rng.randrange(len(parameter.values)) if parameter.values else rng.uniform(EDGE, 1 - EDGE)
