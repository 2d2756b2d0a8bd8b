"""The figure of Lyapunov exponents, and the theory in it."""

import math

import numpy as np
import pytest

from research.config.experiment import load
from research.config.flat import override
from research.reporting import figures
from research.reporting.figures.lyapunov import mean_field_exponent
from tests.reporting.conftest import compared, write
from tests.reporting.test_figures import check_places, words


@pytest.mark.parametrize("gain", [0.3, 0.9, 1.0])
def test_up_to_the_critical_gain_the_exponent_is_the_logarithm_of_the_gain(gain):
    assert mean_field_exponent(gain) == pytest.approx(math.log(gain), abs=1e-12)


def test_above_the_critical_gain_the_exponent_rises_from_zero_as_its_expansion_says():
    excess = 1e-3  # lambda = 2/3 (g - 1)^2 for g -> 1
    assert mean_field_exponent(1 + excess) == pytest.approx(2 / 3 * excess**2, rel=0.01)


def test_the_exponent_is_that_of_a_large_network():
    gain, size, generator = 2.0, 800, np.random.default_rng(0)
    weights = generator.normal(size=(size, size)) * gain / math.sqrt(size)
    state, tangent, growth = generator.normal(size=size), generator.normal(size=size), []
    for _ in range(300):
        state = np.tanh(weights @ state)
        tangent = (1 - state**2) * (weights @ tangent)
        growth.append(math.log(np.linalg.norm(tangent)))
        tangent /= np.linalg.norm(tangent)
    assert mean_field_exponent(gain) == pytest.approx(np.mean(growth[100:]), abs=0.01)


def test_the_figure_has_a_line_a_size_and_the_theory(tmp_path):
    experiment = load("critical_gain")
    for setting, shift in (("64 units", -0.1), ("512 units", 0.0)):
        for gain in (0.5, 1, 2):
            for seed in range(2):
                named = {"experiment": "critical_gain", "seed": seed}
                config = override(experiment.config(setting, f"gain {gain:g}"), named)
                exponent = {"jacobian/initial/encoder/layer_1/forward/lyapunov_exponent": gain + shift + 0.02 * seed}
                write(tmp_path / f"{setting}-{gain}-{seed}", config, **exponent)
    figure = figures.draw("critical_gain", compared(tmp_path))
    assert figure is not None
    assert {"64 units", "512 units", "mean field"} <= set(words(figure).splitlines())
    small, large, theory = figure.axes[0].lines[:3]
    np.testing.assert_allclose(np.asarray(small.get_ydata(), float), np.array([0.5, 1, 2]) - 0.09)
    np.testing.assert_allclose(np.asarray(large.get_ydata(), float), np.array([0.5, 1, 2]) + 0.01)
    ends = np.asarray(theory.get_ydata(), float)[[0, -1]]
    np.testing.assert_allclose(ends, [math.log(0.5), mean_field_exponent(2)], rtol=1e-6)
    check_places(figure)
