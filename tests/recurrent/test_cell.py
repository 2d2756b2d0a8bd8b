"""One initialiser policy for every cell of the catalogue."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import catalogue
from research.recurrent.cell import InitScheme, Weights, create
from research.recurrent.unroll import step
from tests import quick
from tests.recurrent.problem import weights_of

INPUTS, FEATURES = 48, 64
KEEPING = [name for name in catalogue.names("cells") if create(name).keep_gate is not None]

cells = pytest.mark.parametrize("name", catalogue.names("cells"))


@functools.cache
def _drawn(name: str):
    """Compiled once a cell: the policy is an argument, so trials of one program can differ in it."""

    def draw(init: InitScheme, seed):
        weights = Weights(create(name), INPUTS, FEATURES, init, jax.random.key(seed))
        return weights.w[...], weights.u[...], weights.b[...]

    return quick.jit(draw)


def draw(name: str, gain: float = 1.0, forget_bias: float = 0.0, chrono_length: float = 0.0, seed: int = 0):
    """w, u, b, each split into gates."""
    scheme = InitScheme(*(jnp.float32(x) for x in (gain, forget_bias, chrono_length)))
    return [np.split(np.asarray(x), len(create(name).gates), axis=-1) for x in _drawn(name)(scheme, jnp.int32(seed))]


@cells
@pytest.mark.parametrize("gain", [0.9, 1.0, 1.2])
def test_the_recurrent_matrix_of_each_gate_is_orthogonal_times_the_gain(name, gain):
    _, gates, _ = draw(name, gain=gain)
    for u in gates:
        np.testing.assert_allclose(u.T @ u, gain**2 * np.eye(FEATURES), atol=1e-5)


@cells
def test_the_input_matrix_of_each_gate_is_glorot_uniform(name):
    bound = np.sqrt(6 / (INPUTS + FEATURES))
    for w in draw(name)[0]:
        assert 0.99 * bound < np.max(np.abs(w)) <= bound
        assert np.std(w) == pytest.approx(bound / np.sqrt(3), rel=0.04)
        assert abs(np.mean(w)) < 0.05 * bound


@cells
def test_no_two_gates_and_no_two_seeds_are_alike(name):
    first, second = draw(name), draw(name, seed=1)
    for matrices in (first[0] + second[0], first[1] + second[1]):
        assert len({matrix.tobytes() for matrix in matrices}) == 2 * len(create(name).gates)
    same = draw(name)
    jax.tree.map(np.testing.assert_array_equal, first, same)


@cells
def test_the_forget_bias_stands_on_the_gate_that_keeps_the_state_and_nowhere_else(name):
    cell = create(name)
    for gate, b in zip(cell.gates, draw(name, forget_bias=1.5)[2], strict=True):
        assert np.all(b == (1.5 if gate == cell.keep_gate else 0))


@cells
def test_chrono_replaces_the_forget_bias_by_times_drawn_up_to_the_longest(name):
    cell, longest = create(name), 784
    drawn = np.stack([draw(name, forget_bias=9, chrono_length=longest, seed=seed)[2] for seed in range(40)], axis=1)
    for gate, b in zip(cell.gates, drawn, strict=True):
        if gate == cell.keep_gate:
            times = np.exp(b.astype(np.float64))
            assert 1 <= np.min(times) < 10 and 0.99 * (longest - 1) < np.max(times) <= 1.00001 * (longest - 1)
            assert np.mean(times) == pytest.approx(longest / 2, rel=0.03)
            assert np.std(times) == pytest.approx((longest - 2) / np.sqrt(12), rel=0.03)
        elif gate == cell.write_gate:
            np.testing.assert_array_equal(b, -drawn[cell.gates.index(cell.keep_gate)])
        else:
            assert np.all(b == 0)


@pytest.mark.parametrize(("name", "keep", "write"), [("rnn", None, None), ("lstm", "f", "i"), ("gru", "z", None)])
def test_the_gates_that_keep_and_write_are_those_of_the_equations(name, keep, write):
    assert (create(name).keep_gate, create(name).write_gate) == (keep, write)


@pytest.mark.parametrize("name", KEEPING)
def test_a_cell_whose_keep_gate_is_open_and_write_gate_closed_holds_its_state(name):
    cell, (w, u, b) = create(name), draw(name)
    for gate, shift in ((cell.keep_gate, 40), (cell.write_gate, -40)):
        if gate is not None:
            index = cell.gates.index(gate)
            b[index] = b[index] + shift
    arrays = {key: jnp.asarray(np.concatenate(x, axis=-1)) for key, x in (("w", w), ("u", u), ("b", b))}
    weights = weights_of(cell, arrays)
    rng = np.random.default_rng(0)
    x, *carry = (
        jnp.asarray(rng.normal(size=(2, size)), jnp.float32) for size in (INPUTS, *[FEATURES] * len(cell.parts))
    )
    kept = step(cell, weights, x, tuple(carry))[-1]
    np.testing.assert_allclose(kept, carry[-1], rtol=0, atol=1e-6)
