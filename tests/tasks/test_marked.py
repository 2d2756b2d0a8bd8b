"""Where the two marks of Hochreiter & Schmidhuber 1997 stand."""

import numpy as np
import pytest

from research.tasks.marked import longest, marked, number_at, pairs
from research.tasks.synthetic import HostDraws

COUNT, T = 20_000, 40


def test_the_second_mark_is_on_one_of_the_first_pairs_that_are_still_unmarked():
    _, _, positions = marked(HostDraws(0), COUNT, T)
    first, second = (place[:, 0] for place in positions)
    np.testing.assert_allclose(np.bincount(first) / COUNT, [1 / 10] * 10, atol=0.01)
    share = np.zeros(T // 2)
    for one in range(10):  # the first T/2 - 1 pairs without that one
        left = [place for place in range(T // 2) if place != one]
        share[left] += 1 / 10 / len(left)
    np.testing.assert_allclose(np.bincount(second, minlength=T // 2) / COUNT, share, atol=0.007)
    assert np.all(first != second)


def test_marks_are_1_at_both_places_and_below_0_at_both_ends():
    lengths, drawn, positions = marked(HostDraws(0), COUNT, T)
    for marks, length, first, second in zip(drawn, lengths, *positions, strict=True):
        wanted = np.zeros(longest(T))
        wanted[[first[0], second[0]]] = 1
        wanted[[0, length - 1]] = -1
        np.testing.assert_array_equal(marks[:length], wanted[:length])
    np.testing.assert_allclose(np.bincount(lengths)[T:] / COUNT, [1 / 5] * 5, atol=0.02)


def test_the_number_of_the_first_step_does_not_count():
    numbers = np.array([[0.1, 0.2, 0.3]] * 3, np.float32)
    assert number_at(numbers, np.array([[2], [0], [1]]), 5.0, np)[:, 0] == pytest.approx([0.3, 5, 0.2])


def test_numbers_and_marks_end_with_their_sequence():
    made = pairs(np.array([[0.5, 0.25]], np.float32), np.array([[1, 1]], np.float32), np.array([1]), np)
    np.testing.assert_array_equal(made, [[[0.5, 1], [0, 0]]])
