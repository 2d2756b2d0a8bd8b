"""Options that are chosen for each variant on validation data, before a sweep trains its seeds.

An experiment declares the values (`Experiment.tune`). Each trial of the sweep that differs from others in more than its
seed gets one trial for each combination of the values, with a seed that the sweep does not use. They go to a folder of
their own, NAME-tuning. The best value of the sweep's metric, at the end of the training, decides, and the trials of the
sweep train with it. So every variant has the same number of tries, and no seed of the table has chosen its own options.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from research.config import experiment as experiments
from research.config.naming import NamedConfig
from research.sweep.spec import Sweep

SEED = 1000
"""Of the trials that decide, or the next number that the sweep does not use."""


@dataclass(frozen=True)
class Tuning:
    """The trials that decide, for each group of trials of a sweep that differ in their seed alone."""

    sweep: Sweep
    choices: tuple[Mapping[str, Any], ...]
    """Combinations of the values."""
    groups: tuple[str, ...]
    """Of each trial of the sweep."""
    candidates: Mapping[str, Sequence[NamedConfig]]
    """Trials of each group, one for each of the choices."""

    def trials(self) -> Sweep:
        """Return a sweep of the trials that decide."""
        trials = tuple(itertools.chain.from_iterable(self.candidates.values()))
        varied = (*(key for key in self.sweep.varied if key != "seed"), *self.choices[0])
        metric = self.sweep.metric and replace(self.sweep.metric, target=None)
        changes: dict[str, Any] = {"metric": metric, "early_terminate": None, "trials": trials, "points": ()}
        return replace(self.sweep, name=f"{self.sweep.name}-tuning", varied=varied, **changes)

    def chosen(self, value: Callable[[NamedConfig], float]) -> Sweep:
        """Return the sweep with the choice for each of its trials.

        `value` returns the metric of a trial that decides, the less the better; NaN: it has none.
        """
        best: dict[str, Mapping[str, Any]] = {}
        for group, trials in self.candidates.items():
            values = [value(trial) for trial in trials]
            ranks = [math.inf if math.isnan(number) else number for number in values]
            best[group] = self.choices[ranks.index(min(ranks))]
        pairs = zip(self.sweep.points, self.groups, strict=True)
        return replace(self.sweep, trials=tuple(self.sweep.trial(point, best[group]) for point, group in pairs))


def tuning_of(sweep: Sweep) -> Tuning | None:
    """Return what is chosen before a sweep trains; None if its experiment declares nothing, or the sweep varies it.

    Raises:
        UserError: naming the line of the sweep file, if it cannot decide.
    """
    names = {config.experiment for _, config in sweep.trials if sweep.points}
    if sweep.method == "bayes":
        names = {sweep.trial([item.ends()[0] for item in sweep.parameters]).config.experiment}
    declared = {name: dict(experiments.load(name).tune) for name in names}
    keys = {item.key for item in sweep.parameters}
    tune = next((options for options in declared.values() if options), {})
    if not tune or keys & tune.keys():
        return None
    if sweep.method == "bayes":
        more = "set it in parameters" if len(tune) == 1 else "set them in parameters"
        raise (sweep.place / "method").error(
            f"must be grid or random, as the experiment tunes {', '.join(tune)}; or {more}"
        )
    if len(names) > 1:
        raise (sweep.place / "parameters").error("must be of one experiment, as it declares options to tune")
    if sweep.metric is None:
        raise (sweep.place / "metric").error(f"must be set, as the experiment tunes {', '.join(tune)}")
    choices = tuple(dict(zip(tune, values, strict=True)) for values in itertools.product(*tune.values()))
    seed = next(n for n in itertools.count(SEED) if all(config.seed != n for _, config in sweep.trials))
    others = [index for index, item in enumerate(sweep.parameters) if item.key != "seed"]
    groups = tuple(repr([point[index] for index in others]) for point in sweep.points)
    first = dict(reversed([*zip(groups, sweep.points, strict=True)]))
    candidates = {
        group: tuple(sweep.trial(first[group], {**choice, "seed": seed}) for choice in choices)
        for group in dict.fromkeys(groups)
    }
    return Tuning(sweep, choices, groups, candidates)
