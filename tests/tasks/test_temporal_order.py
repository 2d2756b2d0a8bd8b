import numpy as np
import pytest

from research.tasks import TemporalOrder
from tests.tasks.synthetic_examples import COUNT, SMALL, evaluate, examples, lengths, rows

X, Y, START, END = 0, 1, 6, 7
RANGES = {  # at T = 40, both ends included
    "temporal_order": [(4, 8), (20, 24)],
    "temporal_order, three": [(4, 8), (13, 17), (26, 30)],
    "temporal_order, pascanu": [(1, 4), (20, 24)],
    "temporal_order, pascanu's code": [(4, 7), (20, 23)],
    "temporal_order, three, pascanu's code": [(4, 7), (12, 15), (24, 27)],
}
cases = pytest.mark.parametrize(("case", "ranges"), RANGES.items())


@cases
def test_the_class_is_the_order_of_the_symbols(case, ranges):
    for source, target in rows(examples(SMALL[case])):
        assert np.all(np.sum(source, axis=1) == 1)
        standing = [symbol for symbol in np.argmax(source, axis=1) if symbol in (X, Y)]
        assert len(standing) == len(ranges)
        assert target == sum(symbol << place for place, symbol in enumerate(reversed(standing)))


@cases
def test_each_symbol_stands_anywhere_in_its_range_and_all_classes_are_as_frequent(case, ranges):
    batch = examples(SMALL[case])
    shares = np.mean(batch.inputs[:, :, X] + batch.inputs[:, :, Y], axis=0)
    wanted = np.zeros(len(shares))
    for first, last in ranges:
        wanted[first : last + 1] = 1 / (last + 1 - first)
    np.testing.assert_allclose(shares, wanted, atol=0.03)
    classes = 2 ** len(ranges)
    np.testing.assert_allclose(np.bincount(batch.targets) / COUNT, [1 / classes] * classes, atol=0.03)


@cases
def test_all_other_steps_hold_one_of_four_distractors_at_random(case, ranges):
    batch = examples(SMALL[case])
    framed = "pascanu" not in case
    assert batch.inputs.shape == (COUNT, *((44, 8) if framed else (40, 6)))
    counts = np.zeros(batch.inputs.shape[2])
    for source, _ in rows(batch):
        read = np.argmax(source, axis=1)
        if framed:
            assert (read[0], read[-1]) == (START, END)
            read = read[1:-1]
        counts += np.bincount(read, minlength=len(counts))
    assert np.all(counts[START:] == 0)
    np.testing.assert_allclose(counts[2:START] / np.sum(counts[2:START]), [1 / 4] * 4, atol=0.01)
    if framed:
        np.testing.assert_allclose(np.bincount(lengths(batch))[40:] / COUNT, [1 / 5] * 5, atol=0.03)


def test_the_papers_places_at_a_hundred_steps():
    batch = examples(TemporalOrder(length=100), COUNT)
    standing = np.any(batch.inputs[:, :, [X, Y]] == 1, axis=(0, 2))
    np.testing.assert_array_equal(np.flatnonzero(standing), [*range(10, 21), *range(50, 61)])
    assert (lengths(batch).min(), lengths(batch).max()) == (100, 110)


def test_to_guess_is_the_baseline():
    errors = np.array([[0.0], [1.0], [0.0], [0.0]])
    for case, classes in (("temporal_order", 4), ("temporal_order, three", 8)):
        metrics = evaluate(SMALL[case], errors).metrics
        assert metrics["baseline/chance/loss"] == pytest.approx(np.log(classes))
        assert metrics["baseline/chance/accuracy"] == 1 / classes
        assert metrics["accuracy"] == 0.75 and metrics["loss"] == 0.25
