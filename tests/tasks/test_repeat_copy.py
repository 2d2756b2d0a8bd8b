import numpy as np
import pytest

from research.batch import EOS, FIRST_SYMBOL
from research.tasks import RepeatCopy
from tests.tasks.synthetic_examples import COUNT, SMALL, counts, examples, rows

OPTIONS = SMALL["repeat_copy"]


def test_the_target_is_the_vectors_as_often_as_the_last_step_says():
    said = []
    for source, target in rows(examples(OPTIONS)):
        vectors, repeats = source[:-1], source[-1, 2] * np.std([1, 2, 3, 4]) + 2.5
        assert not np.any(vectors[:, 2]) and not np.any(source[-1, :2])
        symbols = [FIRST_SYMBOL + int(first + 2 * second) for first, second, _ in vectors]
        assert target.tolist() == [*symbols * round(float(repeats)), EOS]
        said.append(float(repeats))
    np.testing.assert_allclose(said, np.round(said), atol=1e-6)
    np.testing.assert_allclose(np.bincount(np.round(said).astype(int)) / COUNT, [0, *[1 / 4] * 4], atol=0.03)


def test_how_often_has_mean_0_and_deviation_1():
    batch = examples(RepeatCopy())
    scaled = [source[-1, -1] for source, _ in rows(batch)]
    assert np.mean(scaled) == pytest.approx(0, abs=0.06)
    assert np.std(scaled) == pytest.approx(1, abs=0.05)


def test_the_longest_target_fits():
    spec = RepeatCopy().spec
    assert (spec.input_length, spec.target_length) == (11, 101)
    assert counts(examples(RepeatCopy())).max() == 101
