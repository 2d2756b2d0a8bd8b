"""What stands under a table: how to read its numbers, what they are over, and what is odd about the runs."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from research.config.experiment import find_metric
from research.errors import shorten
from research.reporting.columns import ended_trials, has_metric
from research.reporting.comparison import Comparison
from research.reporting.differences import ALPHA, needed_pairs
from research.reporting.numbers import DASH, SAMPLED, Number
from research.reporting.parts import Part
from research.reporting.statistics import CONFIDENCE, MIN_SEEDS, wilson

CENTERS = {"mean": "mean", "iqm": "mean of the middle half", "median": "median"}


MOST_RATES = 6
"""Learning rates that are listed."""


def notes(comparison: Comparison, content: Sequence[Part]) -> list[str]:
    """Return the notes of a table."""
    numbers = [number for part in content for row in part.numbers for number in row]
    trials = comparison.trials
    found = [
        *_sorting(comparison, content),
        *_reading(content, numbers),
        *_marks(content),
        *_split(numbers),
        *_budget(trials),
        *_tuning(comparison),
    ]
    if any(re.search(r"(0|inf|undefined) \(\d+/\d+\)", number.text) for number in numbers):
        found.append(
            "0, inf or undefined (k/n): in k of the n seeds (0: underflow; inf: overflow, or no decay; undefined: "
            "nothing to measure); a number next to it is over the others."
        )
    if any(result.get("status") == "diverged" for result in trials["result"].dropna()):
        found.append("A diverged trial counts with the state in which it stopped.")
    if any(re.search(r"[)\]]e-?\d", number.text) for number in numbers):
        found.append(
            "A power of ten behind parentheses or brackets, as in 2 (1 3)e-6, is a factor of all their numbers."
        )
    if any(number.text == DASH for number in numbers):
        equal = " or ".join(sorted({item.equal for item in comparison.experiment.columns if item.equal}))
        found.append(f"{DASH}: not measured{f', or beyond the {equal} of the column' if equal else ''}.")
    found += [*_signatures(trials), *_weights(trials), *_sources(trials), *_identical(comparison)]
    return [*found, *_missing(comparison)]


def _sorting(comparison: Comparison, content: Sequence[Part]) -> Iterator[str]:
    """Yield which trial is best by the metric that sorts the rows, and how many rows are not shown."""
    if not (key := comparison.sort):
        return
    for part in content:
        first = part.rows[0]
        diverged = first["result"].map(lambda result: isinstance(result, dict) and result.get("status") == "diverged")
        first = pd.DataFrame(first[~diverged.astype(bool)])
        if not len(first) or not has_metric(first, key):
            continue
        heading = f"{part.trials['section'].iloc[0]}: " * (len(content) > 1)
        best, value = first["run"].iloc[0].path.name, find_metric(first["result"].iloc[0]["summary"], key)
        yield f"{heading}Sorted by {key}, the best first; best trial of the first row: {best}, {value:.6g}."
    if hidden := comparison.trials.groupby(["section", "row"]).ngroups - sum(len(part.rows) for part in content):
        yield f"Not shown: {hidden} row{'s' * (hidden > 1)} of trials that have stopped early, or have no {key} yet."


def _reading(content: Sequence[Part], numbers: Sequence[Number]) -> Iterator[str]:
    """Yield what the forms of the numbers mean."""
    kinds: dict[str, dict[str, None]] = {}
    for number in numbers:
        if len(number.values) and number.column.statistic != "success" and number.estimate.low < number.estimate.high:
            center = CENTERS[number.column.statistic]
            kinds.setdefault(number.estimate.kind, {})[center] = None
    if centers := kinds.get("seeds"):
        yield f"{_upper(centers)} (each seed): fewer than {MIN_SEEDS} seeds have no interval."
    if centers := kinds.get("interval"):
        yield f"{_upper(centers)} [{CONFIDENCE:.0%} interval]."
    if kinds.get("examples"):
        yield "Where all seeds are equal: [95% interval of the sampling of test examples]."
    if any(part.baselines for part in content):
        yield "A name in parentheses is a baseline, which needs no training."
    titles = dict.fromkeys(number.column.title for number in numbers if number.column.scale == "log")
    if titles and kinds:
        yield f"Geometric mean: {', '.join(titles)}."
    if any(number.column.statistic == "success" for number in numbers):
        yield f"k/n [{CONFIDENCE:.0%} interval]: seeds that reach the threshold (Wilson)."


def _upper(centers: Sequence[str] | dict[str, None]) -> str:
    words = " or ".join(centers)
    return words[0].upper() + words[1:]


def _marks(content: Sequence[Part]) -> Iterator[str]:
    """Yield what bold numbers and ties mean, or why there are none."""
    verdicts = [part.verdict for part in content if part.verdict.comparisons]
    if not verdicts:
        return
    most = max(verdict.comparisons for verdict in verdicts)
    adjusted = f" after Holm over {most} comparisons" * (most > 1)
    sampled, given = _sampled(content)
    error = ", with the sampling error of the test examples" * bool(sampled)
    test = f"sign-flip test of differences paired by seed{error}, p < {ALPHA:.2g}{adjusted}"
    if any(verdict.can_differ for verdict in verdicts):
        marked = {difference.mark for verdict in verdicts for difference in verdict.differences.values()}
        known = {"best": "bold (*): differs from all other rows", "tie": "=: best, or not told apart from the best"}
        told = "; ".join(words for mark, words in known.items() if mark in marked) or "no row differs from the best"
        yield f"{told[0].upper()}{told[1:]} ({test})."
        if given:
            columns = f" of {', '.join(given)}" * bool(sampled)
            yield f"The choice of the examples is not in the test{columns}."
    else:
        seeds, least = max(verdict.pairs for verdict in verdicts), min(verdict.comparisons for verdict in verdicts)
        enough = needed_pairs(least) if least == most else f"{needed_pairs(least)} to {needed_pairs(most)}"
        count = f"{seeds} seed{'s' * (seeds != 1)}"
        yield f"No number is marked best: with {count} no difference can be significant, with {enough} it can ({test})."


def _sampled(content: Sequence[Part]) -> tuple[dict[str, None], dict[str, None]]:
    """Return the marked columns over examples whose comparisons have their sampling error, and the others."""
    sampled: dict[str, None] = {}
    given: dict[str, None] = {}
    for part in content:
        differences = part.verdict.differences
        marked = {column for (_, column), difference in differences.items() if difference.mark}
        for (_, column), difference in differences.items():
            shown = part.numbers[0][column].column
            if column in marked and difference.p >= 0 and shown.key.startswith(SAMPLED):
                (given if math.isnan(difference.error) else sampled)[shown.title] = None
    return sampled, given


def _split(numbers: Sequence[Number]) -> Iterator[str]:
    """Yield which examples the rates are over, and what their number means for a rate."""
    for section in SAMPLED:
        measured = [number for number in numbers if number.column.key.startswith(section) and len(number.values)]
        counts = sorted({number.examples for number in measured if number.examples})
        if not counts:
            continue
        words = " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
        low, high = (100 * end for end in wilson(0.5, counts[0]))
        error = ""
        sampled = [number for number in measured if number.column.statistic != "success"]
        sampled = [number for number in sampled if number.is_rate or number.error > 0]
        if sampled:
            within = any(number.estimate.kind == "interval" for number in sampled)
            where = "is part of the intervals" if within else "the seeds do not show"
            error = f"; their sampling error, such as 50% [{low:.1f}, {high:.1f}], {where}"
        yield f"Split: {section[:-1]}, {words} examples, the same for all seeds{error}."


def _budget(trials: pd.DataFrame) -> Iterator[str]:
    """Yield the size and the training time of a trial."""
    ended = ended_trials(trials)
    found = []
    for key, unit, form in (
        ("model/parameters", "parameters", ",.0f"),
        ("train/seconds", "seconds of training", ".3g"),
    ):
        values = [result["summary"][key] for result in ended["result"] if key in result["summary"]]
        if values:
            ends = dict.fromkeys(f"{value:{form}}" for value in (min(values), max(values)))
            found.append(f"{' to '.join(ends)} {unit}")
    if found:
        yield f"Budget of a trial: {', '.join(found)}."


def _tuning(comparison: Comparison) -> Iterator[str]:
    """Yield how options were chosen."""
    rates = comparison.trials.get("optimizer.learning_rate", ())
    listed = [*dict.fromkeys(f"{rate:g}" for rate in sorted(set(rates)))]
    words = " or ".join(listed) if len(listed) <= MOST_RATES else f"{listed[0]} to {listed[-1]}, {len(listed)} values"
    rate = f"; learning rate {words}" if words else ""
    how = comparison.search or "none by the results of these runs"
    if tune := comparison.experiment.tune:
        choices = "; ".join(f"{key} from {', '.join(map(str, values))}" for key, values in tune.items())
        how = f"chosen for each row on validation data, with a seed that is not in the table: {choices}"
    yield f"Tuning: {how}{rate}."


def _signatures(trials: pd.DataFrame) -> Iterator[str]:
    """Yield the exact definitions of metrics, with the settings that have them."""
    signatures: dict[tuple[str, str], dict[str, None]] = {}
    for setting, result in trials[["setting", "result"]].dropna().itertuples(index=False):
        for pair in (result.get("signatures") or {}).items():
            signatures.setdefault(pair, {})[setting] = None
    for (name, signature), settings in signatures.items():
        where = f" ({', '.join(settings)})" if any(settings) else ""
        yield f"{name}{where}: {signature}"


def _missing(comparison: Comparison) -> Iterator[str]:
    """Yield which trials have no result yet, and how many repeat another."""
    trials = comparison.trials
    unfinished = trials[trials["result"].isna()]
    if len(unfinished):
        rows = unfinished.groupby(["section", "row"], sort=False).size()
        several = trials["section"].nunique() > 1
        places = [
            (f"{next(filter(None, section.split(': ', 1)))} / " if several else "") + f"{label} ({count})"
            for (section, label), count in rows.items()
        ]
        more = f" and {len(places) - 6} more rows" if len(places) > 6 else ""
        verb = "have" if len(unfinished) > 1 else "has"
        yield f"{len(unfinished)} of {len(trials)} trials {verb} no result yet: {', '.join(places[:6])}{more}."
        failed = [(run.path.name, failure) for run in unfinished["run"] if (failure := run.failure())]
        for name, failure in failed[:1]:
            others = f", and {len(failed) - 1} more" if failed[1:] else ""
            yield f"Failed: {name}{others}: {shorten(failure, 200)}"
    for name, count, total in comparison.absent:
        have = "have" if count > 1 else "has"
        yield f"{count} of {total} trials of the sweep {name} {have} not started, or cannot be read."
    if others := comparison.outside:
        which = "1 run that is" if len(others) == 1 else f"{len(others)} runs that are"
        name = others[0].path.name
        yield f"Left out: {which} in the folder but not of its sweep, such as {name}. Report them by their own paths."
    if comparison.duplicates:
        yield f"Not counted, as they repeat the config and seed of another run: {comparison.duplicates}."


def _weights(trials: pd.DataFrame) -> Iterator[str]:
    """Yield a note if some trials are scored with their best weights, and one if some have stopped early."""
    results = list(trials["result"].dropna())
    kept = [result.get("weights") or {"kept": "last"} for result in results]
    if metrics := dict.fromkeys(weights["metric"] for weights in kept if weights["kept"] == "best"):
        count = sum(weights["kept"] == "best" for weights in kept)
        which = "" if count == len(results) else f" in {count} of {len(results)} trials"
        yield f"Scored with the weights that have the best {' or '.join(metrics)}{which}."
    for by_sweep in (False, True):
        early = [result for result in results if result.get("stopped_early")]
        steps = [result["stopped_early"]["step"] for result in early if (result.get("status") == "stopped") == by_sweep]
        if steps:
            after = " to ".join(map(str, dict.fromkeys((min(steps), max(steps)))))
            why = " by the sweep, and not counted" if by_sweep else ""
            yield f"Stopped early{why}: {len(steps)} of {len(results)} trials, after {after} updates."


def _sources(trials: pd.DataFrame) -> Iterator[str]:
    """Yield a note if trials of a row, or parts of a trial, were trained by different code."""
    rows = []
    for (_, label), row in trials.dropna(subset="result").groupby(["section", "row"], sort=False):
        sources = [(result.get("environment") or {}).get("source") for result in row["result"]]
        if len({*sources} - {None}) > 1 or any(source and "+" in source for source in sources):
            rows.append(str(label))
    if rows:
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        yield f"Trained by more than one version of the code: {', '.join(rows[:3])}{more}."


def _identical(comparison: Comparison) -> Iterator[str]:
    """Yield a note if rows have the same train loss and test metrics, bit for bit, with every seed."""
    for section in comparison.sections:
        rows: dict[tuple[Any, ...], list[str]] = {}
        for label, row in section.dropna(subset="result").groupby("row", sort=False):
            trials = zip(row["seed"], row["result"], strict=True)
            results = {
                (seed, key, value)
                for seed, result in trials
                for key, value in result["summary"].items()
                if "train/loss" in result["summary"] and key.startswith(("train/loss", "test/"))
            }
            rows.setdefault(tuple(sorted(results, key=str)), []).append(str(label))
        same = [" = ".join(labels) for results, labels in rows.items() if results and len(labels) > 1]
        if same:
            more = f" and {len(same) - 3} more" if len(same) > 3 else ""
            yield f"Bit for bit the same results, so what they differ in does nothing: {'; '.join(same[:3])}{more}."
