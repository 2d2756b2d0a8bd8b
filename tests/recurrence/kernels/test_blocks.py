"""A scan over blocks of any length takes each step once and in order."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.recurrence.kernels.blocks import over_blocks
from tests.recurrence import problem as problems
from tests.recurrence.problem import STEPS, solve

LENGTH = 7
directions = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])


def decaying(reverse, carry, xs, timed, saved):
    """Compute s_t = s_{t-1} / 2 + x_t + k_t in a block; save the inputs, and check those saved before."""
    outputs = []
    for t in sorted(range(len(xs)), reverse=reverse):
        carry = carry / 2 + xs[t] + timed[t]
        outputs.append(carry)
    outputs = outputs[::-1] if reverse else outputs
    same = None if saved is None else jnp.full(len(xs), jnp.all(saved == xs))
    return carry, (jnp.stack(outputs), same), xs


@directions
@pytest.mark.parametrize("length", [1, 3, 5, LENGTH])
def test_each_step_is_taken_once_and_in_its_place_with_what_its_block_saved(length, reverse):
    rng = np.random.default_rng(0)
    xs, timed, first = rng.normal(size=(2, LENGTH, 3)), rng.normal(size=(LENGTH, 2, 3)), rng.normal(size=(2, 3))
    state, wanted = first, np.zeros((LENGTH, 2, 3))
    for t in reversed(range(LENGTH)) if reverse else range(LENGTH):
        state = wanted[t] = state / 2 + xs[:, t] + timed[t]
    with jax.enable_x64(True):
        arguments = (
            length,
            functools.partial(decaying, reverse),
            jnp.asarray(first),
            jnp.asarray(xs),
            jnp.asarray(timed),
            reverse,
        )
        last, (actual, _), saved = over_blocks(*arguments)
        _, (again, same), _ = over_blocks(*arguments, saved)
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(last, state)
    np.testing.assert_array_equal(again, actual)
    assert np.shape(same) == (LENGTH,) and np.all(same)


@directions
@pytest.mark.parametrize("length", [3, LENGTH])
def test_what_is_written_into_a_batch_major_array_is_what_comes_out_else(length, reverse):
    rng = np.random.default_rng(1)
    xs, timed, first = rng.normal(size=(2, LENGTH, 3)), rng.normal(size=(LENGTH, 2, 3)), rng.normal(size=(2, 3))
    block, (carry, xs, timed) = functools.partial(decaying, reverse), map(jnp.asarray, (first, xs, timed))
    arguments = (length, block, carry, xs, timed, reverse)
    last, (wanted, _), _ = over_blocks(*arguments)
    written_last, (actual, same), _ = over_blocks(*arguments, into=jnp.full((2, LENGTH, 3), jnp.nan))
    np.testing.assert_array_equal(actual, np.swapaxes(wanted, 0, 1))
    np.testing.assert_array_equal(written_last, last)
    assert same is None


@directions
@pytest.mark.parametrize("block", [1, 5])
def test_results_and_gradients_do_not_depend_on_the_length_of_a_block(block, reverse):
    problem = problems.make("lstm")
    actual, whole = (solve("lstm", problem, masked=True, reverse=reverse, block=steps) for steps in (block, STEPS))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-13), actual, whole)
