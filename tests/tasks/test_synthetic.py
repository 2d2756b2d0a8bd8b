"""One definition for device and host, whose examples are what the draws say and nothing else."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import EOS, PAD
from research.tasks.synthetic import DeviceDraws, HostDraws, end_with_eos, one_hot
from tests.tasks.synthetic_examples import SMALL, examples

cases = pytest.mark.parametrize("case", SMALL)


class Recorded(HostDraws):
    """The host's numbers, and what they were."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.record: list[np.ndarray] = []

    def uniform(self, *shape: int) -> np.ndarray:
        return self.kept(super().uniform(*shape))

    def integers(self, shape: tuple[int, ...], low: Any, high: Any) -> np.ndarray:
        return self.kept(super().integers(shape, low, high))

    def kept(self, numbers: np.ndarray) -> np.ndarray:
        self.record.append(numbers)
        return numbers


class Replayed(DeviceDraws):
    """A record of numbers as the device's."""

    def __init__(self, record: list[np.ndarray]) -> None:
        self.record = iter(record)

    def uniform(self, *shape: int) -> Any:
        return jnp.asarray(next(self.record))

    def integers(self, shape: tuple[int, ...], low: Any, high: Any) -> Any:
        return jnp.asarray(next(self.record))


@cases
def test_of_the_same_draws_device_and_host_make_the_same_examples(case):
    task, count, draws = SMALL[case], 200, Recorded(3)
    host = task.examples(draws, count)
    device = jax.jit(lambda: task.examples(Replayed(draws.record), count))()
    assert jax.tree.structure(device) == jax.tree.structure(host)
    for made, wanted in zip(jax.tree.leaves(device), jax.tree.leaves(host), strict=True):
        assert isinstance(made, jax.Array) and made.dtype == wanted.dtype
        np.testing.assert_allclose(made, wanted, rtol=0, atol=1e-6)


@cases
def test_the_first_examples_do_not_depend_on_how_many_there_are(case):
    few, many = examples(SMALL[case], 50), examples(SMALL[case])
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(x, y[:50]), few, many)


@cases
def test_the_share_of_padding_is_that_of_the_steps(case):
    task, batch = SMALL[case], examples(SMALL[case], 1000)
    if batch.input_lengths is None:
        assert task.padding is None
        return
    steps = list(batch.input_lengths) + list([] if batch.target_lengths is None else batch.target_lengths)
    widths = batch.inputs.shape[1] + (0 if batch.target_lengths is None else batch.targets.shape[1])
    assert task.padding == pytest.approx(1 - sum(steps) / (1000 * widths))


@cases
def test_validation_and_test_are_drawn_from_seeds_of_their_own(case):
    """The draws of test are pinned: figures that were measured on it stay comparable."""
    task = SMALL[case]
    test, validation = (task.eval_examples(split, 20) for split in ("test", "validation"))
    assert (test.split, validation.split) == ("test", "validation")
    expected = task.examples(HostDraws(0), 20)
    jax.tree.map(np.testing.assert_array_equal, test.batch, expected)
    assert np.any(np.any(np.asarray(test.batch.inputs != validation.batch.inputs)))


@jax.jit
def _drawn() -> tuple[Any, Any, Any]:
    draws = DeviceDraws(jax.random.key(0))
    bounds = jnp.arange(1, 5)[None, :]
    return draws.uniform(4000, 2), draws.integers((4000, 4), 0, bounds), draws.integers((4000, 4), 0, bounds)


def on_host() -> tuple[Any, Any, Any]:
    draws = HostDraws(0)
    bounds = np.arange(1, 5)[None, :]
    return draws.uniform(4000, 2), draws.integers((4000, 4), 0, bounds), draws.integers((4000, 4), 0, bounds)


@pytest.mark.parametrize("place", [_drawn, on_host])
def test_numbers_are_uniform_within_their_bounds_and_each_draw_is_another(place):
    numbers, whole, others = jax.device_get(place())
    assert numbers.dtype == np.float32 and whole.dtype == np.int32
    assert 0 <= numbers.min() < 0.001 and 0.999 < numbers.max() < 1
    assert np.mean(numbers) == pytest.approx(0.5, abs=0.02)
    for below in range(1, 5):
        shares = np.bincount(whole[:, below - 1], minlength=below) / 4000
        assert len(shares) == below
        np.testing.assert_allclose(shares, 1 / below, atol=0.04)
    assert np.any(whole != others)


def test_symbols_as_vectors_and_targets_with_their_end():
    np.testing.assert_array_equal(one_hot(np.array([[2, -1, 0]]), 3, np), [[[0, 0, 1], [0, 0, 0], [1, 0, 0]]])
    found = end_with_eos(np.array([[7, 8, 9], [7, 8, 9], [7, 8, 9]]), np.array([3, 1, 0]), np)
    np.testing.assert_array_equal(found, [[7, 8, 9, EOS], [7, EOS, PAD, PAD], [EOS, PAD, PAD, PAD]])
