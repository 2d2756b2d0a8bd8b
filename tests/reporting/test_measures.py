"""The arrays behind the figures leave nothing out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from research.errors import UserError
from research.reporting.figures.style import spread
from research.reporting.measures import MAX_BINS, errors, heatmap, median, profile
from research.tracking.run_directory import RunDirectory

INF, NAN = np.inf, np.nan
LAYER = "encoder/layer_1/forward"
H = f"{LAYER}/h"
FREE, FORCED = "free_running_error_rate", "teacher_forced_error_rate"


def row(tmp_path: Path, *records: list[dict], state: str = H) -> pd.DataFrame:
    """Return a row of one finished trial for each list of records, whose keys are parts or whole names."""
    trials = []
    for seed, seeds_records in enumerate(records):
        run = RunDirectory.create(tmp_path / str(seed), {"seed": seed})
        for record in seeds_records:
            run.append("gradient_flow", {key if key == "step" else f"{LAYER}/{key}": x for key, x in record.items()})
        trials.append({"run": run, "result": {"profiles": {"gradient_flow": state}}})
    return pd.DataFrame(trials)


def words(**tables: list[dict[str, list]]) -> pd.DataFrame:
    """Return a section of rows, by label, of one trial for each table."""
    trials = [
        {"row": label, "result": {"by_length" if "length" in table else "by_position": table}}
        for label, row in tables.items()
        for table in row
    ]
    return pd.DataFrame(trials)


def test_the_median_has_a_place_for_zero_and_for_infinity():
    norms = np.array([[0, 0, 1e-4, 0], [0, 1, 1e-2, 0], [1, INF, INF, INF], [1, INF, INF, INF]])
    np.testing.assert_allclose(median(norms), [0, INF, INF, INF])
    np.testing.assert_allclose(median(np.array([[1e-4], [1e-2]])), [1e-3])


def test_the_profile_is_that_of_the_state_that_the_result_names(tmp_path):
    record = {"step": 0, "h": [0.0, 1.0], "c": [0.5, 1.0]}
    trials = row(tmp_path, [record], state=f"{LAYER}/c")
    result = profile(trials)
    assert result is not None and (result.name, result.norms["middle"].tolist()) == (f"{LAYER}/c", [0.5, 1.0])
    heat = heatmap(trials)
    assert heat is not None
    np.testing.assert_allclose(heat.to_numpy(), [[np.log10(0.5), 0]])
    other = profile(trials, part="h")
    assert other is not None and (other.name, other.norms["middle"].tolist()) == (H, [0, 1])


def test_an_unfinished_row_has_the_first_profile_of_its_records(tmp_path):
    result = profile(row(tmp_path, [{"step": 0, "h": [0.5, 1.0], "c": [0.1, 1.0]}]).assign(result=None))
    assert result is not None and result.name == H


def test_a_profile_is_relative_to_its_last_norm_and_keeps_what_float32_cannot_hold(tmp_path):
    result = profile(row(tmp_path, [{"step": 0, "h": [0.0, 1e-42, INF, 1.0, 2.0]}]))
    assert result is not None
    np.testing.assert_array_equal(result.norms["middle"], [0, 0, INF, 0.5, 1])


def test_steps_that_no_sequence_has_stay_empty(tmp_path):
    records = [{"step": 0, "h": [NAN, NAN, 0.5, 2.0, NAN]}], [{"step": 0, "h": [NAN, INF, 0.25, 1.0, NAN]}]
    result = profile(row(tmp_path, *records))
    assert result is not None and result.seeds == 2
    np.testing.assert_array_equal(result.norms["middle"], [NAN, INF, 0.25, 1])
    drawn = heatmap(row(tmp_path / "drawn", *records))
    assert drawn is not None
    np.testing.assert_allclose(drawn.to_numpy(), [[NAN, INF, np.log10(0.125**0.5), np.log10(2**0.5)]])


def test_a_profile_spans_its_seeds_and_says_how_many(tmp_path):
    result = profile(row(tmp_path, [{"step": 0, "h": [1e-2, 1.0]}], [{"step": 0, "h": [1e-4, 1.0]}], []))
    assert result is not None
    np.testing.assert_allclose(result.norms.loc[0, ["low", "middle", "high"]].tolist(), [1e-4, 1e-3, 1e-2])
    assert (result.seeds, result.left_out) == (2, 0)


def test_a_profile_without_a_last_norm_is_counted_as_left_out(tmp_path):
    result = profile(row(tmp_path, [{"step": 0, "h": [1.0, 1.0]}], [{"step": 0, "h": [1.0, INF]}]))
    assert result is not None and (result.seeds, result.left_out) == (1, 1)
    assert profile(row(tmp_path / "none", [{"step": 0, "h": [1.0, 0.0]}])) is None


def test_first_and_last_are_the_first_and_the_last_record(tmp_path):
    records = [{"step": step, "h": [10.0**-step, 1.0]} for step in (0, 5, 7)]
    first, last = (profile(row(tmp_path, records), when=when) for when in ("first", "last"))
    assert first is not None and last is not None
    assert (first.norms["middle"][0], first.steps, last.steps) == (1, (0,), (7,))
    assert last.norms["middle"][0] == pytest.approx(1e-7)
    with (tmp_path / "0" / "gradient_flow.jsonl").open("a") as file:
        file.write(f'{{"step": 9, "{H}": [1')  # as a crash leaves it
    last = profile(row(tmp_path, []), when="last")
    assert last is not None and last.steps == (7,)


def test_profiles_of_two_lengths_in_a_row_name_the_file(tmp_path):
    trials = row(tmp_path, [{"step": 0, "h": [1.0, 1.0]}], [{"step": 0, "h": [1.0]}])
    with pytest.raises(UserError, match=rf"1/gradient_flow.jsonl: {H}: has 1 numbers; must have 2, as in .*0/gradient"):
        profile(trials)


def test_a_part_that_is_not_recorded_is_no_profile(tmp_path):
    assert profile(row(tmp_path, [{"step": 0, "h": [1.0]}]), part="c") is None


def test_the_heat_map_takes_the_median_over_the_seeds_that_have_the_step(tmp_path):
    long = [{"step": 0, "h": [1e-3, 0.0]}, {"step": 4, "h": [1e-5, INF]}]
    result = heatmap(row(tmp_path, long, [{"step": 0, "h": [1e-1, 0.0]}]))
    assert result is not None
    np.testing.assert_array_equal(result.index, [0, 4])
    np.testing.assert_allclose(result.to_numpy(), [[-2, -INF], [-5, INF]])


def places(line: pd.DataFrame) -> list[tuple[int, int]]:
    return list(zip(line["first"], line["last"], strict=True))


def test_rare_lengths_join_their_neighbors_weighted_by_words():
    table = {"length": [1, 2, 3, 8, 9], "count": [4, 30, 50, 15, 5], FREE: [0.5, 0.1, 0.1, 0.2, 0.4]}
    result = errors(words(a=[table]), "length", FREE)["a"]
    assert places(result) == [(1, 2), (3, 3), (8, 9)]
    np.testing.assert_allclose(result["middle"], [(4 * 0.5 + 30 * 0.1) / 34, 0.1, (15 * 0.2 + 5 * 0.4) / 20])
    np.testing.assert_array_equal(result["count"], [34, 50, 20])


def test_bins_have_the_error_per_symbol_as_the_table_of_the_report_has():
    table = {
        "length": [3, 4],
        "count": [5, 5],
        "free_running_references": [10, 90],
        "free_running_error_rate": [1.0, 0.0],
    }
    (line,) = errors(words(x=[table]), "length", "free_running_error_rate").values()
    assert line["middle"].tolist() == [pytest.approx(0.1)] and line["count"].tolist() == [10]


def test_a_rest_of_rare_lengths_joins_the_last_bin():
    table = {"length": [3, 4, 5], "count": [30, 40, 5], FREE: [0.1, 0.1, 0.1]}
    assert places(errors(words(a=[table]), "length", FREE)["a"]) == [(3, 3), (4, 5)]


def test_many_lengths_make_bins_of_like_weight_with_none_left_out():
    lengths = list(range(50, 1050))
    table = {"length": lengths, "count": [25] * 1000, FREE: [0.1] * 1000}
    result = errors(words(a=[table]), "length", FREE)["a"]
    assert len(result) == MAX_BINS and (result["first"].iloc[0], result["last"].iloc[-1]) == (50, 1049)
    assert result["count"].sum() == 25_000 and result["count"].max() < 1.1 * result["count"].min()


def test_rows_share_their_bins_and_bands_span_the_seeds():
    tables = [{"length": [3, 4], "count": [40, 40], FREE: [error, 2 * error]} for error in (0.1, 0.2, 0.3)]
    first, second = errors(words(a=tables[:2], b=tables[2:]), "length", FREE).values()
    assert places(first) == places(second)
    np.testing.assert_allclose(first[["low", "middle", "high"]].T, [[0.1, 0.2], [0.15, 0.3], [0.2, 0.4]])


def test_a_rate_by_position_is_weighted_by_what_it_is_a_rate_of():
    counts = {
        "position": [1, 2, 3],
        "count": [30, 6, 0],
        "free_running_references": [30, 2, 1],
        "teacher_forced_references": [30, 4, 1],
    }
    section = words(a=[counts | {FREE: [0.1, 0.5, 1.0], FORCED: [0.2, 0.4, NAN]}])
    free, forced = (errors(section, "position", kind)["a"] for kind in (FREE, FORCED))
    assert places(free) == places(forced) == [(1, 2)]
    np.testing.assert_allclose(free["middle"], [(30 * 0.1 + 2 * 0.5) / 32])
    np.testing.assert_allclose(forced["middle"], [(30 * 0.2 + 4 * 0.4) / 34])


def test_a_kind_of_error_that_no_run_has_makes_no_bins():
    section = words(a=[{"length": [3], "count": [40], FREE: [0.1]}])
    assert errors(section, "length", FORCED) == {}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([0.1, 0.9], [0.1, 0.9]),
        ([0.5, 0.5, 0.5], [0.5, 0.4, 0.6]),
        ([0.0, 0.0], [0.0, 0.1]),
        ([1.0, 0.95, 0.2], [1.0, 0.9, 0.2]),
        ([], []),
    ],
)
def test_labels_move_as_little_as_needed(wanted, expected):
    assert sorted(spread(wanted, 0.1, 0, 1)) == pytest.approx(sorted(expected))


def test_labels_keep_their_order_and_their_distance_in_any_crowd():
    wanted = np.random.default_rng(0).uniform(0.4, 0.6, 8)
    result = np.array(spread(list(wanted), 0.1, 0, 1))
    order = np.argsort(wanted)
    assert (np.diff(result[order]) > 0.1 - 1e-9).all() and result.min() >= 0 and result.max() <= 1
    assert max(spread([0.5] * 30, 0.1, 0, 1)) <= 1 + 1e-9
