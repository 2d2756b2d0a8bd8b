"""The cross entropy equals NumPy's, and the argmax decides the error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.seq2seq.loss import argmax, cross_entropy

CLASSES = 5


def example(shape: tuple[int, ...] = (3, 4)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return 3 * rng.normal(size=(*shape, CLASSES)), rng.integers(0, CLASSES, shape)


@pytest.mark.parametrize(("shape", "smoothing"), [((3, 4), None), ((6,), 0.0), ((3, 4), 0.1)])
def test_the_loss_is_that_of_the_smoothed_target_beside_the_plain_one(shape, smoothing):
    logits, targets = example(shape)
    traced = None if smoothing is None else jnp.asarray(smoothing)
    smoothed, plain, errors = cross_entropy(jnp.asarray(logits), jnp.asarray(targets), traced)
    one_hot, log_z = np.eye(CLASSES)[targets], np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))
    share = (1 - (smoothing or 0)) * one_hot + (smoothing or 0) / CLASSES
    np.testing.assert_allclose(smoothed, -np.sum(share * (logits - log_z), axis=-1), rtol=1e-6)
    np.testing.assert_allclose(plain, -np.sum(one_hot * (logits - log_z), axis=-1), rtol=1e-6)
    np.testing.assert_array_equal(errors, np.argmax(logits, axis=-1) != targets)


def test_only_the_loss_to_train_on_has_a_gradient():
    """The gradient is softmax minus target."""
    logits, targets = (jnp.asarray(x) for x in example())
    gradients = [
        jax.grad(lambda x, k=k: jnp.sum(cross_entropy(x, targets, jnp.float32(0.1))[k]))(logits) for k in range(3)
    ]
    share = 0.9 * jax.nn.one_hot(targets, CLASSES) + 0.1 / CLASSES
    np.testing.assert_allclose(gradients[0], jax.nn.softmax(logits) - share, rtol=1e-5, atol=1e-6)
    assert not np.any(gradients[1]) and not np.any(gradients[2])


def test_large_logits_do_not_overflow():
    logits = jnp.array([[1e30, 0.0], [jnp.nan, 0.0], [-1e30, -1e30]])
    loss, _, errors = cross_entropy(logits, jnp.array([0, 1, 1]))
    assert loss[0] == 0 and np.isnan(loss[1]) and loss[2] == pytest.approx(np.log(2))
    assert errors.tolist() == [0, 1, 1]


def test_a_tie_counts_as_right_for_the_first_of_the_tied_tokens_alone():
    logits = jnp.zeros((3, CLASSES)).at[2, 3:].set(1.0)
    assert cross_entropy(logits, jnp.array([0, 1, 3]))[2].tolist() == [0, 1, 0]
    assert argmax(logits).tolist() == [0, 0, 3]
