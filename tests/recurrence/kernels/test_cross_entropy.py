"""The cross entropy is NumPy's, and its gradient that of the plain formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.recurrence.kernels.cross_entropy import cross_entropy
from tests import quick

CLASSES = 5
SMOOTHING = pytest.mark.parametrize("smoothing", [None, 0.0, 0.1])


def example(shape: tuple[int, ...] = (3, 4)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return 3 * rng.normal(size=(*shape, CLASSES)), rng.integers(0, CLASSES, shape)


@SMOOTHING
@pytest.mark.parametrize("shape", [(3, 4), (6,)])
def test_the_loss_is_that_of_the_smoothed_target(shape, smoothing):
    logits, targets = example(shape)
    loss, wrong = cross_entropy(
        jnp.asarray(logits), jnp.asarray(targets), None if smoothing is None else jnp.asarray(smoothing)
    )
    share = (1 - (smoothing or 0)) * np.eye(CLASSES)[targets] + (smoothing or 0) / CLASSES
    log_p = logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))
    np.testing.assert_allclose(loss, -np.sum(share * log_p, axis=-1), rtol=1e-12)
    np.testing.assert_array_equal(wrong, np.argmax(logits, axis=-1) != targets)


@SMOOTHING
def test_the_gradient_is_that_of_the_plain_formula(smoothing):
    logits, targets = (jnp.asarray(x) for x in example())
    weight = jnp.asarray(np.random.default_rng(1).normal(size=targets.shape))
    given = None if smoothing is None else jnp.asarray(smoothing)

    def own(logits, given):
        return jnp.sum(weight * cross_entropy(logits, targets, given)[0])

    def plain(logits, given):
        share = jax.nn.one_hot(targets, CLASSES, dtype=logits.dtype)
        share = share if given is None else (1 - given) * share + given / CLASSES
        return -jnp.sum(weight[..., None] * share * jax.nn.log_softmax(logits))

    found, wanted = quick.jit(lambda *x: (jax.grad(own, (0, 1))(*x), jax.grad(plain, (0, 1))(*x)))(logits, given)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12), found, wanted)


def test_large_logits_do_not_overflow_and_what_is_no_number_is_an_error():
    logits = jnp.array([[1e30, 0.0], [jnp.nan, 0.0], [-1e30, -1e30]])
    loss, wrong = cross_entropy(logits, jnp.array([0, 1, 1]))
    assert loss[0] == 0 and np.isnan(loss[1]) and loss[2] == pytest.approx(np.log(2))
    assert wrong.tolist() == [0, 1, 0]
