"""Whether a claim holds, computed from runs: conditions over seeds, and one word for all of them.

    holds        the interval of each condition is on the side of its bound that is claimed
    fails        the interval of one is on the other side
    undecided    neither, at this number of seeds
    not run      no seed has all of its trials

Each condition is a weighted sum of rows for one seed, so rows are paired by seed, and by test example: the interval of
the sum has the sampling error of the test examples. Trials that are missing or diverged take their seed out of it, and
are counted next to the verdict. With fewer than `MIN_SEEDS` seeds left it is undecided.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from research.config.claim import Claim, Condition, Slope
from research.config.experiment import find_metric
from research.errors import UserError
from research.reporting.numbers import DASH, number
from research.reporting.sampling import SPLIT, Scores, influences, sampling_error
from research.reporting.statistics import MIN_SEEDS, Estimate, estimate
from research.reporting.titles import describe_metric
from research.tracking.run_directory import RunDirectory

Word = Literal["holds", "fails", "undecided", "not run"]
GIVEN = "the choice of test examples is not in it"
CANNOT = "cannot be judged"


@dataclass(frozen=True)
class Trial:
    """A trial of a claim."""

    row: str
    seed: int
    result: Mapping[str, Any] | None
    """Content of `result.json`; None: the trial is not finished."""
    run: RunDirectory | None = None
    """Where it is; None: the trial is not finished."""
    tuned: Mapping[str, Any] = field(default_factory=dict)
    """Options that validation data chose for it."""

    @functools.cached_property
    def test_examples(self) -> Scores:
        """Its scores by test example; {}: it has none."""
        return self.run.test_examples() if self.run else {}


@dataclass(frozen=True)
class Outcome:
    """A condition, and what the runs say."""

    condition: Condition
    estimate: Estimate
    word: Word
    sampled: bool
    """Whether the interval has the sampling error of the test examples, or there is none."""

    @property
    def text(self) -> str:
        """The mean over the seeds, with its interval."""
        return _text(self.condition.metric, self.estimate)


@dataclass(frozen=True)
class Mean:
    """A metric of a row."""

    row: str
    metric: str | Slope
    estimate: Estimate

    @property
    def text(self) -> str:
        """The mean over the seeds, with its interval."""
        return _text(self.metric, self.estimate)


@dataclass(frozen=True)
class Verdict:
    """A claim, and what the runs say."""

    name: str
    claim: Claim
    outcomes: Sequence[Outcome]
    means: Sequence[Mean]
    word: Word
    notes: Sequence[str]
    """What is missing: trials, seeds."""
    seconds: float
    """Of updates and evaluation, since their last start, of its trials and of those that chose their options."""
    trials: Sequence[Trial]
    fault: str = ""
    """Why it cannot be judged."""

    @property
    def count(self) -> int:
        """Number of seeds that decide: the least of all conditions."""
        return min(outcome.estimate.count for outcome in self.outcomes)

    def __str__(self) -> str:
        if self.fault:
            return f"{CANNOT}: {self.fault}"
        seeds = f" at {self.count} seed{'s' * (self.count != 1)}" if self.word == "undecided" else ""
        return f"{self.word}{seeds}" + "".join(f"; {note}" for note in self.notes)


def judge(name: str, claim: Claim, trials: Sequence[Trial], tuning: Sequence[Mapping[str, Any] | None] = ()) -> Verdict:
    """Return the verdict on a claim; `tuning` has the results of the trials that chose options.

    Raises:
        UserError: for a metric that the runs do not have.
    """
    outcomes = [_outcome(name, condition, trials) for condition in claim.conditions]
    metrics = dict.fromkeys(condition.metric for condition in claim.conditions)
    means = [
        Mean(row, metric, _estimate(name, Condition(metric, {row: 1}, above=0), trials)[0])
        for metric in metrics
        for row in dict.fromkeys(row for item in claim.conditions if item.metric == metric for row in item.rows)
    ]
    word = _combine([outcome.word for outcome in outcomes])
    results = filter(None, [*(trial.result for trial in trials), *tuning])
    seconds = sum({result.get("seconds", 0.0) for result in results})  # trials that trained together have the same
    count = min(outcome.estimate.count for outcome in outcomes)
    incomplete = [f"{count} of {claim.seeds} seeds have a finite value"] * (0 < count < claim.seeds)
    given = [GIVEN] * (word in ("holds", "fails") and not all(outcome.sampled for outcome in outcomes))
    notes = [*(_notes(claim, trials) or incomplete), *_alike(name, claim, trials), *given]
    return Verdict(name, claim, outcomes, means, word, notes, seconds, trials)


def values(name: str, condition: Condition, trials: Sequence[Trial]) -> dict[int, float]:
    """Return the weighted sum of a condition's rows for each seed that has them all."""
    results = {(trial.row, trial.seed): trial.result for trial in trials}
    sums = {}
    for seed in dict.fromkeys(trial.seed for trial in trials):
        numbers = [value(name, condition, results.get((row, seed))) for row in condition.rows]
        if None not in numbers:
            pairs = zip(condition.rows.values(), numbers, strict=True)
            sums[seed] = sum(weight * number for weight, number in pairs if number is not None)
    return sums


def title(metric: str | Slope) -> str:
    """Return what a metric is called, with its unit."""
    if isinstance(metric, Slope):
        return f"{metric} (% per step)"
    column = describe_metric(metric)
    return column.title + f" ({column.unit})" * bool(column.unit)


def describe_rows(condition: Condition) -> str:
    """Return the weighted sum in words: `none − additive`, `gru − 0.5 lstm`."""
    terms = []
    for row, weight in condition.rows.items():
        sign = ("− " if weight < 0 else "+ ") if terms else "−" * (weight < 0)
        factor = "" if abs(weight) == 1 else f"{abs(weight):.3g} "
        terms.append(f"{sign}{factor}{row}")
    return " ".join(terms)


def describe_bound(condition: Condition) -> str:
    """Return what must be met for the claim to hold, such as `> 0`."""
    bound = condition.below if condition.above is None else condition.above
    assert bound is not None
    return f"{'<' if condition.above is None else '>'} {scale(condition.metric) * bound:.4g}"


def _outcome(name: str, condition: Condition, trials: Sequence[Trial]) -> Outcome:
    found, sampled = _estimate(name, condition, trials)
    return Outcome(condition, found, _decide(condition, found), sampled)


def _decide(condition: Condition, found: Estimate) -> Word:
    if not found.count:
        return "not run"
    if found.count < MIN_SEEDS:  # there is no interval
        return "undecided"
    low, high = found.low, found.high
    if condition.above is not None:
        return "holds" if low > condition.above else "fails" if high < condition.above else "undecided"
    assert condition.below is not None
    return "holds" if high < condition.below else "fails" if low > condition.below else "undecided"


def _combine(words: Sequence[Word]) -> Word:
    order: tuple[Word, ...] = ("not run", "fails", "undecided", "holds")
    return min(words, key=order.index)


def _estimate(name: str, condition: Condition, trials: Sequence[Trial]) -> tuple[Estimate, bool]:
    """Return the mean over the seeds of a condition's weighted sum, and whether its interval has the sampling error.

    Only metrics of test examples have one; of one row that is a rate, it is Wilson's.
    """
    metric, sums = condition.metric, values(name, condition, trials)
    is_rate = not isinstance(metric, Slope) and scale(metric) == 100 and "_gap" not in metric
    if is_rate and [*condition.rows.values()] == [1] and all(0 <= rate <= 1 for rate in sums.values()):
        results = [trial.result for trial in trials if trial.row in condition.rows]
        examples = min((result.get("num_examples", 0) for result in results if result), default=0)
        return estimate([*sums.values()], is_rate=True, examples=examples), True
    error = _sampling_error(condition, trials, [*sums]) if sums else math.nan
    of_examples = isinstance(metric, Slope) or metric.startswith(SPLIT)
    return estimate([*sums.values()], error=error), not (of_examples and math.isnan(error))


def _sampling_error(condition: Condition, trials: Sequence[Trial], seeds: Sequence[int]) -> float:
    """Return the standard error of a condition's mean by the choice of test examples; NaN: not known."""
    known, rows = {(trial.row, trial.seed): trial for trial in trials}, []
    for row, weight in condition.rows.items():
        listed = [known[row, seed] for seed in seeds]
        scored = [trial.result is not None and trial.result["status"] != "diverged" for trial in listed]
        scores = [trial.test_examples for trial, counts in zip(listed, scored, strict=True) if counts]
        if not scores:  # a value that the condition gives has no sampling error
            continue
        found = influences(scores, condition.metric) if isinstance(condition.metric, str) else None
        if found is None:
            return math.nan
        rows.append(np.zeros((len(seeds), found.shape[1])))
        rows[-1][scored] = weight * found
    return sampling_error(rows)


def _text(metric: str | Slope, found: Estimate) -> str:
    middle = 0.0 if abs(found.center) < 1e-3 * (found.high - found.low) else found.center  # not 3.7e-8 [-0.5, 0.4]
    center, low, high = (number(scale(metric) * end) for end in (middle, found.low, found.high))
    around = {"": "(n=1)", "seeds": f"(seeds from {low} to {high})"}.get(found.kind, f"[{low}, {high}]")
    return f"{center} {around}" if found.count else DASH


def scale(metric: str | Slope) -> float:
    """Return what a value of a metric is multiplied by where it is written: 100 for percent."""
    return 100 if isinstance(metric, Slope) or describe_metric(metric).unit == "%" else 1


def value(name: str, condition: Condition, result: Mapping[str, Any] | None) -> float | None:
    """Return a trial's value of a metric; None if there is none that counts."""
    if result is None:
        return None
    if result["status"] == "diverged":
        return condition.diverged
    metric = condition.metric
    found = _slope(metric, result) if isinstance(metric, Slope) else find_metric(result["summary"], metric)
    if found is None:
        raise UserError(f"claim {name}: {metric}: no metric of its runs")
    return float(found) if math.isfinite(found) else None


def _slope(metric: Slope, result: Mapping[str, Any]) -> float | None:
    """Return the slope over the test examples, each place with as much weight as it has references."""
    table = result.get(f"by_{metric.by}") or {}
    if metric.column not in table:
        return None
    height = np.array(table[metric.column], float)
    if metric.minus:
        height = height - np.array(table[metric.minus], float)
    weights = np.array(table.get(metric.column.replace("error_rate", "references"), table["count"]), float)
    used = np.isfinite(height) & (weights > 0)
    places = np.array(table[metric.by], float)[used]
    return float(np.polyfit(places, height[used], 1, w=np.sqrt(weights[used]))[0])


def _alike(name: str, claim: Claim, trials: Sequence[Trial]) -> list[str]:
    """Return which differences are 0 in every seed, so that what the rows differ in did nothing."""
    differences = [condition for condition in claim.conditions if sum(condition.rows.values()) == 0]
    sums = {describe_rows(condition): values(name, condition, trials) for condition in differences}
    return [
        f"{rows}: no difference in any seed" for rows, listed in sums.items() if listed and not any(listed.values())
    ]


def _notes(claim: Claim, trials: Sequence[Trial]) -> list[str]:
    """Return what the verdict lacks: trials that are missing or diverged."""
    rows = {row for condition in claim.conditions for row in condition.rows}
    needed = [trial for trial in trials if trial.row in rows]
    missing = sum(trial.result is None for trial in needed)
    diverged = sum(trial.result is not None and trial.result["status"] == "diverged" for trial in needed)
    counts = {"missing": missing if missing < len(needed) else 0, "diverged": diverged}
    return [f"{count} of {len(needed)} trials {word}" for word, count in counts.items() if count]
