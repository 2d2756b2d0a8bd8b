"""The arrays behind the figures leave nothing out."""

from pathlib import Path

import numpy as np
import pytest

from research.config import Config
from research.dotted import override
from research.reporting.aggregate import Row, Trial
from research.reporting.profiles import MOST_BINS, errors, heatmap, median, profile, spread
from research.tracking.runs import RunDirectory

INF, NAN = np.inf, np.nan


def row(tmp_path: Path, *records: list[dict], cell: str = "lstm") -> Row:
    """A row of one trial for each list of records."""
    trials = []
    for seed, seeds_records in enumerate(records):
        run = RunDirectory.create(tmp_path / str(seed), override(Config(seed=seed), {"model.cell": cell}))
        for record in seeds_records:
            run.append("gradient_flow", record)
        trials.append(Trial(run, run.options(), None))
    return Row("row", tuple(trials))


def word_row(label: str, *tables: dict[str, list]) -> Row:
    """A row of one trial for each table."""
    run = RunDirectory(Path("unread"))
    by = "by_length" if not tables or "length" in tables[0] else "by_position"
    return Row(label, tuple(Trial(run, {}, {by: table}) for table in tables))


def test_the_median_has_a_place_for_zero_and_for_infinity():
    norms = np.array([[0, 0, 1e-4, 0], [0, 1, 1e-2, 0], [1, INF, INF, INF], [1, INF, INF, INF]])
    np.testing.assert_allclose(median(norms), [0, INF, INF, INF])
    np.testing.assert_allclose(median(np.array([[1e-4], [1e-2]])), [1e-3])


@pytest.mark.parametrize(("cell", "part"), [("gru", "h"), ("lstm", "h"), ("sru", "c"), ("lru", "re")])
def test_the_profile_is_that_of_the_part_that_reaches_back(tmp_path, cell, part):
    record = {"step": 0, "h": [0.0, 1.0], "c": [0.0, 1.0], "re": [0.0, 1.0], part: [0.5, 1.0]}
    found = profile(row(tmp_path, [record], cell=cell))
    assert found is not None and found.middle.tolist() == [0.5, 1.0]
    heat = heatmap(row(tmp_path / "again", [record], cell=cell))
    assert heat is not None
    np.testing.assert_allclose(heat[1], [[np.log10(0.5), 0]])


def test_a_profile_is_relative_to_its_last_norm_and_keeps_what_float32_cannot_hold(tmp_path):
    found = profile(row(tmp_path, [{"step": 0, "h": [0.0, 1e-42, NAN, 1.0, 2.0]}]))
    assert found is not None
    np.testing.assert_array_equal(found.middle, [0, 0, INF, 0.5, 1])


def test_a_profile_spans_its_seeds_and_says_how_many(tmp_path):
    found = profile(row(tmp_path, [{"step": 0, "h": [1e-2, 1.0]}], [{"step": 0, "h": [1e-4, 1.0]}], []))
    assert found is not None
    np.testing.assert_allclose([found.low[0], found.middle[0], found.high[0]], [1e-4, 1e-3, 1e-2])
    assert (found.seeds, found.left_out) == (2, 0)


def test_a_profile_without_a_last_norm_is_counted_as_left_out(tmp_path):
    found = profile(row(tmp_path, [{"step": 0, "h": [1.0, 1.0]}], [{"step": 0, "h": [1.0, NAN]}]))
    assert found is not None and (found.seeds, found.left_out) == (1, 1)
    assert profile(row(tmp_path / "none", [{"step": 0, "h": [1.0, 0.0]}])) is None


def test_first_and_last_are_the_first_and_the_last_record(tmp_path):
    records = [{"step": step, "h": [10.0**-step, 1.0]} for step in (0, 5, 7)]
    first, last = (profile(row(tmp_path, records), when=when) for when in ("first", "last"))
    assert first is not None and last is not None
    assert (first.middle[0], first.steps, last.steps) == (1, (0,), (7,))
    assert last.middle[0] == pytest.approx(1e-7)


def test_a_part_that_is_not_recorded_is_no_profile(tmp_path):
    assert profile(row(tmp_path, [{"step": 0, "h": [1.0]}]), part="c") is None


def test_the_heat_map_takes_the_median_over_the_seeds_that_have_the_step(tmp_path):
    long = [{"step": 0, "h": [1e-3, 0.0]}, {"step": 4, "h": [1e-5, INF]}]
    found = heatmap(row(tmp_path, long, [{"step": 0, "h": [1e-1, 0.0]}]))
    assert found is not None
    np.testing.assert_array_equal(found[0], [0, 4])
    np.testing.assert_allclose(found[1], [[-2, -INF], [-5, INF]])


def test_rare_lengths_join_their_neighbours_weighted_by_words():
    table = {"length": [1, 2, 3, 8, 9], "count": [4, 30, 50, 15, 5], "free_running": [0.5, 0.1, 0.1, 0.2, 0.4]}
    (found,) = errors([word_row("a", table)], "length")
    assert found.places == ((1, 2), (3, 3), (8, 9))
    np.testing.assert_allclose(found.mean, [(4 * 0.5 + 30 * 0.1) / 34, 0.1, (15 * 0.2 + 5 * 0.4) / 20])
    np.testing.assert_array_equal(found.count, [34, 50, 20])


def test_a_rest_of_rare_lengths_joins_the_last_bin():
    table = {"length": [3, 4, 5], "count": [30, 40, 5], "free_running": [0.1, 0.1, 0.1]}
    assert errors([word_row("a", table)], "length")[0].places == ((3, 3), (4, 5))


def test_many_lengths_make_bins_of_like_weight_with_none_left_out():
    lengths = list(range(50, 1050))
    table = {"length": lengths, "count": [25] * 1000, "free_running": [0.1] * 1000}
    (found,) = errors([word_row("a", table)], "length")
    assert len(found.places) == MOST_BINS and (found.places[0][0], found.places[-1][1]) == (50, 1049)
    assert found.count.sum() == 25_000 and found.count.max() < 1.1 * found.count.min()


def test_rows_share_their_bins_and_bands_span_the_seeds():
    tables = [{"length": [3, 4], "count": [40, 40], "free_running": [error, 2 * error]} for error in (0.1, 0.2, 0.3)]
    first, second = errors([word_row("a", *tables[:2]), word_row("b", tables[2]), word_row("none")], "length")
    assert first.places == second.places
    np.testing.assert_allclose([first.low, first.mean, first.high], [[0.1, 0.2], [0.15, 0.3], [0.2, 0.4]])


def test_a_rate_by_position_is_weighted_by_what_it_is_a_rate_of():
    counts = {"position": [1, 2, 3], "count": [30, 6, 0], "references": [30, 2, 1], "forced_references": [30, 4, 1]}
    row = word_row("a", counts | {"free_running": [0.1, 0.5, 1.0], "teacher_forced": [0.2, 0.4, NAN]})
    (free,), (forced,) = (errors([row], "position", kind) for kind in ("free_running", "teacher_forced"))
    assert free.places == forced.places == ((1, 2),)
    np.testing.assert_allclose(free.mean, [(30 * 0.1 + 2 * 0.5) / 32])
    np.testing.assert_allclose(forced.mean, [(30 * 0.2 + 4 * 0.4) / 34])


def test_a_kind_of_error_that_no_run_has_makes_no_bins():
    assert (
        errors([word_row("a", {"length": [3], "count": [40], "free_running": [0.1]})], "length", "teacher_forced") == []
    )


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([0.1, 0.9], [0.1, 0.9]),
        ([0.5, 0.5, 0.5], [0.5, 0.4, 0.6]),
        ([0.0, 0.0], [0.0, 0.1]),
        ([1.0, 0.95, 0.2], [1.0, 0.9, 0.2]),
        ([], []),
    ],
)
def test_labels_move_as_little_as_needed(places, expected):
    assert sorted(spread(places, 0.1, 0, 1)) == pytest.approx(sorted(expected))


def test_labels_keep_their_order_and_their_distance_in_any_crowd():
    wanted = np.random.default_rng(0).uniform(0.4, 0.6, 8)
    found = np.array(spread(list(wanted), 0.1, 0, 1))
    order = np.argsort(wanted)
    assert (np.diff(found[order]) > 0.1 - 1e-9).all() and found.min() >= 0 and found.max() <= 1
    assert max(spread([0.5] * 30, 0.1, 0, 1)) <= 1 + 1e-9
