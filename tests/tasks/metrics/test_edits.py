"""Errors are counted by position and by length, and none is lost or counted twice."""

import dataclasses

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from research.batch import EOS, FIRST_SYMBOL, PAD, Batch
from research.tasks.metrics import edits
from research.tasks.task import Evaluation, Predictions

A, B, C, D, X = range(FIRST_SYMBOL, FIRST_SYMBOL + 5)


def padded(words: list[tuple[int, ...]]) -> np.ndarray:
    """Return the words with their end marks, then padding."""
    rows = np.full((len(words), max(map(len, words)) + 1), PAD, np.int32)
    for row, word in zip(rows, words, strict=True):
        row[: len(word) + 1] = [*word, EOS]
    return rows


def batch(targets: list[tuple[int, ...]], lengths: list[int] | None = None) -> Batch[np.ndarray]:
    sizes = np.array([len(target) + 1 for target in targets])
    return Batch(np.zeros((len(targets), 9), np.int32), lengths and np.array(lengths), padded(targets), sizes)  # pyright: ignore


def predictions(examples: Batch[np.ndarray], outputs: np.ndarray, **changes: np.ndarray) -> Predictions:
    """By default without an error given the true prefix."""
    assert examples.target_lengths is not None
    none = np.zeros(examples.targets.shape)
    return dataclasses.replace(Predictions(none, none, examples.target_lengths, outputs, examples.targets), **changes)


def columns(found: Evaluation) -> dict[str, list[float]]:
    assert found.by_position is not None
    return found.by_position


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ((A, B, C), [0, 0, 0, 0]),
        ((A, X, C), [0, 1, 0, 0]),  # replaced
        ((A, C), [0, 1, 0, 0]),  # missing
        ((A, X, B, C), [0, 1, 0, 0]),  # one too many, in front of B
        ((A, B, C, X, X), [0, 0, 0, 2]),  # in front of the end mark
        ((A, B), [0, 0, 1, 0]),
        ((), [1, 1, 1, 0]),
    ],
)
def test_an_error_stands_at_its_position_in_the_reference(output, expected):
    found = edits.score(padded([output]), [[(A, B, C)]])
    assert found.errors.tolist() == [expected]
    assert found.symbols.tolist() == [3]


def test_the_errors_of_all_positions_add_up_to_the_edit_distances_to_the_nearest_references():
    rng = np.random.default_rng(0)

    def word() -> tuple[int, ...]:
        return tuple(rng.integers(A, X, rng.integers(0, 9)).tolist())

    outputs = [word() for _ in range(300)]
    references = [[word() for _ in range(rng.integers(1, 4))] for _ in outputs]
    distances = [
        min(Levenshtein.distance(output, listed) for listed in own)
        for output, own in zip(outputs, references, strict=True)
    ]
    free = edits.score(padded(outputs), references)
    assert free.distance.tolist() == distances
    targets = batch([own[0] for own in references])
    found = edits.evaluate(predictions(targets, padded(outputs)), targets, references)
    table = columns(found)
    total = np.nansum(np.array(table["free_running_error_rate"]) * table["free_running_references"])
    assert total == pytest.approx(sum(distances), rel=1e-12)
    assert table["free_running_references"] == [int(np.sum(free.symbols >= u)) for u in range(len(table["position"]))]
    assert found.metrics["free_running/edit_error_rate"] == pytest.approx(total / np.sum(free.symbols))


def test_an_output_without_an_end_mark_is_read_to_its_end():
    assert edits.score(np.array([[A, B, C]]), [[(A, B)]]).errors.tolist() == [[0, 0, 1]]


def test_what_follows_the_end_mark_does_not_count():
    assert not edits.score(np.array([[A, EOS, B, EOS]]), [[(A,)]]).errors.any()


def test_the_nearest_reference_counts():
    found = edits.score(padded([(A, B)]), [[(C, D, C), (A, B, C), (X,)]])
    assert (found.distance.tolist(), found.symbols.tolist()) == ([1], [3])


def test_rates_by_position_are_of_the_sequences_that_reach_it():
    targets = batch([(A, B, C), (A,), (B, C)])
    loss = np.array([[4, 1, 1, 2], [1, 3, 0, 0], [1, 2, 3, 0]], float)
    forced = np.array([[X, B, C, X], [A, X, X, X], [B, C, X, A]])  # what is said past an end mark does not count
    outputs = padded([(X, B, C), (A, X), (B, X)])
    table = columns(edits.evaluate(predictions(targets, outputs, loss=loss, teacher_forced=forced), targets))
    expected = {
        "position": [1, 2, 3, 4],
        "count": [3, 3, 2, 1],
        "teacher_forced_references": [3, 3, 2, 1],
        "free_running_references": [3, 3, 2, 1],
        "teacher_forced_loss": [2, 2, 2, 2],
        "teacher_forced_error_rate": [1 / 3, 1 / 3, 1 / 2, 1],
        "free_running_error_rate": [1 / 3, 2 / 3, 0, 0],
        "exposure_bias_gap": [0, 1 / 3, -1 / 2, -1],
    }
    assert {key: pytest.approx(column) for key, column in table.items()} == expected


def test_a_position_that_one_side_does_not_reach_has_no_rate_on_it():
    targets = batch([(A, B)])
    longer = columns(edits.evaluate(predictions(targets, padded([(A, B, C)])), targets, [[(A, B), (A, B, C)]]))
    assert (
        longer["count"]
        == longer["teacher_forced_references"]
        == [1, 1, 1, 0]
        != longer["free_running_references"]
        == [1, 1, 1, 1]
    )
    np.testing.assert_array_equal(longer["teacher_forced_error_rate"], [0, 0, 0, np.nan])
    shorter = columns(edits.evaluate(predictions(targets, padded([(A,)])), targets, [[(A, B), (A,)]]))
    assert (shorter["count"], shorter["free_running_references"]) == ([1, 1, 1], [1, 1, 0])
    np.testing.assert_array_equal(shorter["free_running_error_rate"], [0, 0, np.nan])
    np.testing.assert_array_equal(shorter["exposure_bias_gap"], [0, 0, np.nan])


def test_rates_by_length_are_of_the_tokens_of_its_examples():
    targets = batch([(A, B, C), (A,), (B, C)], lengths=[7, 2, 7])
    loss = np.array([[4, 1, 1, 2], [1, 3, 0, 0], [1, 2, 3, 0]], float)
    forced = np.array([[X, B, C, X], [A, X, X, X], [B, C, X, A]])
    outputs = padded([(X, B, C), (A, X), (B, X)])
    table = edits.evaluate(predictions(targets, outputs, loss=loss, teacher_forced=forced), targets).by_length
    assert table is not None
    expected = {
        "length": [2, 7],
        "count": [1, 2],
        "teacher_forced_references": [1, 5],
        "free_running_references": [1, 5],
        "teacher_forced_loss": [2, 2],
        "teacher_forced_error_rate": [1, 3 / 5],
        "free_running_error_rate": [1, 2 / 5],
        "exposure_bias_gap": [0, -1 / 5],
    }
    assert {key: pytest.approx(column) for key, column in table.items()} == expected


def test_a_model_that_says_the_same_in_both_modes_has_no_gap():
    rng = np.random.default_rng(1)
    targets = batch([tuple(rng.integers(A, X, rng.integers(1, 7)).tolist()) for _ in range(200)])
    forced = targets.targets.copy()
    wrong = (rng.random(forced.shape) < 0.3) & (forced != PAD)
    forced[wrong] = rng.integers(A, X + 1, np.sum(wrong))  # an end mark, too: the free model says one symbol too many
    said = padded([tuple(row[row >= A].tolist()) for row in forced])
    references = [
        [edits.symbols(target), tuple(rng.integers(A, X, rng.integers(1, 7)).tolist())] for target in targets.targets
    ]
    found = edits.evaluate(predictions(targets, said, teacher_forced=forced), targets, references)
    assert found.metrics["exposure_bias_gap"] == 0 < found.metrics["free_running/edit_error_rate"]
    assert found.by_length is not None and np.nanmax(np.abs(found.by_length["exposure_bias_gap"])) == 0
    assert np.nanmax(np.abs(columns(found)["exposure_bias_gap"])) == 0


def test_an_early_end_mark_is_one_wrong_symbol_to_the_forced_model_and_stops_the_free_one():
    targets = batch([(A, B, C)])
    said = np.array([[A, EOS, C, EOS]])
    metrics = edits.evaluate(predictions(targets, said, teacher_forced=said), targets).metrics
    assert metrics["teacher_forced/edit_error_rate"] == pytest.approx(1 / 3)
    assert metrics["free_running/edit_error_rate"] == pytest.approx(2 / 3)


def test_inputs_without_lengths_are_of_full_length():
    targets = batch([(A,), (B, C)])
    table = edits.evaluate(predictions(targets, targets.targets), targets).by_length
    assert table is not None and (table["length"], table["count"]) == ([9], [2])


def test_a_subset_has_an_error_rate_of_its_own_and_an_empty_one_has_none():
    targets = batch([(A, B, C), (A,), (B, C)])
    masks = {"long": np.array([True, False, True]), "none": np.zeros(3, bool)}
    metrics = edits.evaluate(predictions(targets, padded([(X, B, C), (X,), ()])), targets, subsets=masks).metrics
    assert metrics["free_running/edit_error_rate_long"] == pytest.approx(3 / 5)
    assert np.isnan(metrics["free_running/edit_error_rate_none"])
    assert metrics["free_running/edit_error_rate"] == pytest.approx(4 / 6)
    assert metrics["free_running/sequence_error_rate"] == 1


def test_the_task_names_its_error_rate_and_counts_lengths_in_its_unit():
    targets = batch([(A, B, C), (A,)], lengths=[7, 2])
    outputs = padded([(A, B), (A,)])
    found = edits.evaluate(predictions(targets, outputs), targets, name="phoneme_error_rate", lengths=np.array([3, 3]))
    assert found.metrics["free_running/phoneme_error_rate"] == 1 / 4 == found.metrics["exposure_bias_gap"]
    assert found.metrics["teacher_forced/phoneme_error_rate"] == 0 and not any("edit" in name for name in found.metrics)
    assert found.by_length is not None and found.by_length["length"] == [3]
