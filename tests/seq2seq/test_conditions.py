"""The course of teacher forcing over a training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.config import ForcingConfig
from research.seq2seq.conditions import Forcing

DECAYS = ("linear", "exponential", "inverse_sigmoid")


def rates(config: ForcingConfig, steps: np.ndarray) -> np.ndarray:
    return np.asarray(jax.vmap(Forcing.of(config).rate)(jnp.asarray(steps, jnp.int32)))


@pytest.mark.parametrize(
    ("config", "rate"),
    [
        (ForcingConfig(), 1),
        (ForcingConfig("never"), 0),
        (ForcingConfig("constant", 0.3), 0.3),
        (ForcingConfig("constant", 1.0), 1),
    ],
)
def test_a_constant_rate_does_not_move(config, rate):
    np.testing.assert_array_equal(rates(config, np.array([0, 1, 10**6])), np.float32(rate))


@pytest.mark.parametrize("half_life", [1.0, 7.0, 1000.0, 1e6])
@pytest.mark.parametrize("policy", DECAYS)
def test_a_falling_rate_is_one_half_at_its_half_life_and_ends_at_the_floor(policy, half_life):
    config = ForcingConfig(policy, half_life=half_life)
    found = rates(config, np.array([0, int(half_life), 100 * int(half_life)]))
    assert found[1] == pytest.approx(0.5, abs=1e-6) and found[2] < 1e-6
    assert found[0] == pytest.approx(1, abs=0.5 if policy == "inverse_sigmoid" else 0)
    floored = rates(ForcingConfig(policy, half_life=half_life, floor=0.25), np.arange(0, 100, 7) * int(half_life))
    np.testing.assert_array_equal(floored, np.maximum(rates(config, np.arange(0, 100, 7) * int(half_life)), 0.25))
    assert np.all(np.diff(floored) <= 0) and floored[-1] == 0.25


def test_the_decays_are_those_of_the_paper():
    """Bengio et al. 2015: max(e, k - c i), k^i, k / (k + exp(i / k))."""
    steps = np.arange(0, 60)
    np.testing.assert_allclose(
        rates(ForcingConfig("linear", half_life=20.0), steps), np.maximum(0, 1 - steps / 40), atol=1e-6
    )
    np.testing.assert_allclose(
        rates(ForcingConfig("exponential", half_life=20.0), steps), (0.5 ** (1 / 20)) ** steps, rtol=1e-5
    )
    k = 7.0
    half_life = float(k * np.log(k))
    found = rates(ForcingConfig("inverse_sigmoid", half_life=half_life), steps)
    np.testing.assert_allclose(found, k / (k + np.exp(steps / k)), rtol=1e-5)
