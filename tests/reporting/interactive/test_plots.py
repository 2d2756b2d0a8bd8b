"""Profiles of the page: what float32 cannot hold, what is thinned and what is absent."""

import numpy as np
import pandas as pd
import pytest

from research.reporting import measures
from research.reporting.interactive import plots
from research.tracking.run_directory import RunDirectory
from tests.reporting.conftest import H, compared

INF, NAN = np.inf, np.nan


def row(root, *seeds) -> pd.DataFrame:
    """Return the trials of a row, each from its records: norms by their training step."""
    runs = []
    for seed, records in enumerate(seeds):
        run = RunDirectory.create(root / str(seed), {"seed": seed})
        for step, norms in records.items():
            run.append("gradient_flow", {"step": step, H: norms})
        runs.append({"run": run, "result": None})
    return pd.DataFrame(runs)


def drawn(trials: pd.DataFrame) -> dict:
    trials = trials.assign(row="a")
    ((_, profile),) = plots.profiles([trials], {"a": 0})[0].items()
    return profile


def test_zeros_infinities_and_steps_that_are_absent_are_told_apart(tmp_path):
    overflown = [INF, INF, 1.0, 0.1]
    profile = drawn(row(tmp_path, {0: [0.0, 1e-45, NAN, 0.1], 5: overflown}))
    assert profile["steps"] == [0, 5]
    assert profile["lines"]["0"] == [[1, ["-inf", "-inf", None, -1.0]], [1, ["inf", "inf", 0.0, -1.0]]]
    assert profile["scale"][0] <= -1


def test_a_band_goes_from_the_lowest_to_the_highest_seed(tmp_path):
    profile = drawn(row(tmp_path, {0: [0.0, 1.0]}, {0: [1e-2, 10.0]}, {0: [1e-4, 100.0], 9: [1.0, 1.0]}))
    seeds, middle, low, high = profile["lines"]["0"][0]
    assert (seeds, middle, low, high) == (3, [-4.0, 1.0], ["-inf", 0.0], [-2.0, 2.0])
    assert profile["lines"]["0"][1] == [1, [0.0, 0.0]]  # of the one seed that has the record


def test_long_profiles_and_many_records_are_thinned_from_end_to_end(tmp_path):
    norms = np.ones(784)
    profile = drawn(row(tmp_path, dict.fromkeys(range(0, 1000, 10), norms)))
    assert len(profile["steps"]) == plots.MAX_UPDATES and len(profile["times"]) == plots.MAX_TIMES
    assert (profile["steps"][0], profile["steps"][-1], profile["times"][0], profile["times"][-1]) == (0, 990, 0, 783)


def test_many_profiles_are_thinned_more(gradient_runs, monkeypatch):
    comparison = compared(gradient_runs)
    variants = {label: place for place, label in enumerate(dict.fromkeys(comparison.trials["row"]))}
    monkeypatch.setattr(plots, "MAX_NORMS", 3_000)
    profiles = plots.profiles(comparison.sections, variants)
    content = [
        line for names in profiles for table in names.values() for lines in table["lines"].values() for line in lines
    ]
    assert 1_000 < sum(len(part) for line in content if line for part in line[1:]) < 3_000


def test_the_state_is_the_first_profile(gradient_runs):
    rows = compared(gradient_runs).sections[0].groupby("row")
    for _, trials in rows:
        assert next(iter(measures.profiles(trials))) == H


@pytest.mark.parametrize("by", ["letters of the input", "position in the target"])
def test_errors_are_percentages_by_bins(attention_runs, by):
    comparison = compared(attention_runs)
    found = {plot["by"]: plot["lines"] for plot in plots.errors(comparison.trials, {"none": 0, "additive": 1})}
    line = found[by]["1"]
    assert set(found[by]) == {"0", "1"} and len(line["x"]) == len(line["middle"])
    assert line["low"][0] == 5.0 and line["high"][0] == 5.1
