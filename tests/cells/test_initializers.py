"""All cells share one initializer policy, and each initializer has the distribution of its paper."""

import dataclasses
import functools
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.cells import initializers
from research.cells.cell import Weights
from research.cells.initializers import InitOptions, InitScheme, Layout, Matrix, Vector
from research.errors import UserError
from tests.cells.cases import CASES

INPUTS, HIDDEN, GATES, STEPS = 48, 64, 3, 100
LAYOUT = Layout(INPUTS, HIDDEN, GATES, matrices=(("u", Matrix(HIDDEN, HIDDEN, GATES)),))

cells = pytest.mark.parametrize("name", [name for name, cell in CASES.items() if name == cell.name])
draw_in_one_program = jax.jit(initializers.draw, static_argnums=1)


def scheme(**options: Any) -> InitScheme:
    return dataclasses.replace(InitScheme.of(InitOptions(**options)), length=np.float32(STEPS))


def draw(layout: Layout = LAYOUT, seed: int = 0, **options: Any) -> dict[str, np.ndarray]:
    return jax.device_get(draw_in_one_program(scheme(**options), layout, jax.random.key(seed)))


def blocks(matrix: np.ndarray, count: int = GATES) -> np.ndarray:
    """Return the gate blocks [G, D, H]."""
    return np.stack(np.split(matrix, count, axis=-1))


def radius(matrix: np.ndarray) -> float:
    return np.max(np.abs(np.linalg.eigvals(np.asarray(matrix, np.float64))))


@functools.cache
def _weights(name: str):
    """Compile once for each cell: the numbers of the policy are arguments of the program."""

    def weights(init: InitScheme, seed: Any) -> dict[str, Any]:
        return Weights(CASES[name], INPUTS, HIDDEN, init, jax.random.key(seed), length=STEPS).arrays()

    return jax.jit(weights)


def of_cell(name: str, seed: int = 0, **options: Any) -> dict[str, np.ndarray]:
    """Return the weights of a cell, matrices and biases as [G, ..., H]."""
    actual, cell = jax.device_get(_weights(name)(scheme(**options), jnp.int32(seed))), CASES[name]
    counts = {name: matrix.blocks for name, matrix in cell.matrices(HIDDEN).items()}
    counts |= {"w": len(cell.gates), "b": len(cell.gates)}
    return {name: blocks(actual[name], count) for name, count in counts.items()}


@cells
def test_the_matrices_of_each_gate_of_each_cell_are_orthogonal_times_the_gain_if_they_are_recurrent(name):
    sampled = of_cell(name, gain=1.2)
    for key, matrix in CASES[name].matrices(HIDDEN).items():
        for u in sampled[key]:
            np.testing.assert_allclose(u.T @ u, (1.44 if matrix.recurrent else 1) * np.eye(HIDDEN), atol=1e-5)


@pytest.mark.parametrize(
    ("case", "scaled"),
    [
        ("lru", set()),
        ("lstm-projection", {"u"}),
        ("lstm-peephole", {"u", "peephole_i", "peephole_f", "peephole_o"}),
        ("sru", {"v_f", "v_r"}),
        ("indrnn", {"u"}),
    ],
)
def test_the_gain_is_that_of_the_recurrence_and_of_nothing_else(case, scaled):
    run = jax.jit(lambda init: Weights(CASES[case], 3, 4, init, jax.random.key(0), length=STEPS).arrays())
    plain, half = (run(InitScheme.of(InitOptions(gain=gain))) for gain in (1.0, 0.5))
    for name, weight in plain.items():
        np.testing.assert_array_equal(half[name], (0.5 if name in scaled else 1) * weight)


@cells
def test_the_input_matrix_of_each_gate_of_each_cell_is_glorot_uniform(name):
    bound = 0.5 * np.sqrt(6 / (INPUTS + HIDDEN))
    for w in of_cell(name, input_gain=0.5)["w"]:
        assert 0.99 * bound < np.max(np.abs(w)) <= bound
        assert np.std(w) == pytest.approx(bound / np.sqrt(3), rel=0.04)
        assert abs(np.mean(w)) < 0.05 * bound


@cells
def test_no_two_gates_of_a_cell_and_no_two_seeds_are_alike(name):
    first, second = of_cell(name), of_cell(name, seed=1)
    for matrix in ("w", *CASES[name].matrices(HIDDEN)):
        every = [*first[matrix], *second[matrix]]
        assert len({gate.tobytes() for gate in every}) == len(every)
    jax.tree.map(np.testing.assert_array_equal, first, of_cell(name))


@cells
def test_the_forget_bias_stands_on_the_gate_that_keeps_the_state_and_nowhere_else(name):
    cell = CASES[name]
    for gate, b in zip(cell.gates, of_cell(name, forget_bias=1.5)["b"], strict=True):
        assert np.all(b == (1.5 if gate == cell.keep_gate else 0))


@cells
def test_chrono_replaces_the_forget_bias_by_times_drawn_up_to_the_longest(name):
    cell, longest = CASES[name], 784
    options = {"forget_bias": 9.0, "bias": "chrono", "chrono_max_length": longest}
    sampled = np.stack([of_cell(name, seed=seed, **options)["b"] for seed in range(40)], axis=1)
    for gate, b in zip(cell.gates, sampled, strict=True):
        if gate == cell.keep_gate:
            times = np.exp(b.astype(np.float64))
            assert 1 <= np.min(times) < 10 and 0.99 * (longest - 1) < np.max(times) <= 1.00001 * (longest - 1)
            width = (longest - 2) / np.sqrt(12)
            assert np.mean(times) == pytest.approx(longest / 2, abs=4 * width / np.sqrt(times.size))
            assert np.std(times) == pytest.approx(width, rel=4 * np.sqrt(0.2 / times.size))
        elif gate == cell.write_gate:
            np.testing.assert_array_equal(b, -sampled[cell.gates.index(cell.keep_gate)])
        else:
            assert np.all(b == 0)


def test_orthogonal_matrices_are_uniform():
    """Under the Haar measure the trace has mean 0 and variance 1; Q without the signs of R has another mean."""
    size, count = 6, 2000
    layout = Layout(1, size, 1, matrices=(("u", Matrix(size, size, count)),))
    traces = np.trace(blocks(draw(layout)["u"], count), axis1=1, axis2=2)
    assert abs(np.mean(traces)) < 4 / np.sqrt(count)
    assert np.var(traces) == pytest.approx(1, abs=4 * np.sqrt(2 / count))


@pytest.mark.parametrize(("rows", "columns"), [(9, 4), (4, 9), (1, 5)])
def test_a_matrix_that_is_not_square_has_orthonormal_rows_or_columns(rows, columns):
    for w in blocks(draw(Layout(rows, columns, GATES), input="orthogonal", input_gain=2.0)["w"]):
        product = w @ w.T if rows < columns else w.T @ w
        np.testing.assert_allclose(product, 4 * np.eye(min(rows, columns)), atol=1e-5)


@pytest.mark.parametrize(
    ("sampled", "rows"),
    [
        (lambda: draw(recurrent="normal", gain=1.5)["u"] / 1.5, HIDDEN),
        (lambda: draw(input="normal", input_gain=0.1)["w"] / 0.1, INPUTS),
    ],
    ids=["recurrent", "input"],
)
def test_normal_has_variance_one_over_rows(sampled, rows):
    values = sampled().ravel() * np.sqrt(rows)
    noise = 4 / np.sqrt(values.size)
    assert abs(np.mean(values)) < noise
    assert np.var(values) == pytest.approx(1, abs=np.sqrt(2) * noise)
    assert np.mean(values**4) == pytest.approx(3, abs=np.sqrt(96) * noise)


def test_glorot_recurrent_matrices_are_uniform_within_the_bound():
    bound = 0.5 * np.sqrt(6 / (2 * HIDDEN))
    for u in blocks(draw(recurrent="glorot", gain=0.5)["u"]):
        assert 0.99 * bound < np.max(np.abs(u)) <= bound
        assert np.std(u) == pytest.approx(bound / np.sqrt(3), rel=0.04)


def test_identity_is_the_gain_times_the_identity_for_each_gate():
    np.testing.assert_array_equal(blocks(draw(recurrent="identity", gain=0.5)["u"]), [0.5 * np.eye(HIDDEN)] * GATES)


@pytest.mark.parametrize(("fan_in", "gain"), [(15, 0.95), (1, 1.0), (1000, 2.0)])
def test_sparse_has_so_many_weights_into_each_unit_and_the_gain_for_spectral_radius(fan_in, gain):
    for u in blocks(draw(recurrent="sparse", sparse_fan_in=fan_in, gain=gain)["u"]):
        assert np.all(np.sum(u != 0, axis=0) == min(fan_in, HIDDEN))
        assert radius(u) == pytest.approx(gain, rel=1e-3)


def test_sparse_weights_come_from_any_unit_and_are_normal_but_for_the_scale():
    gates = blocks(draw(recurrent="sparse")["u"])
    outgoing = np.sum(gates != 0, axis=2).ravel()
    variance = 15 * (1 - 15 / HIDDEN)  # binomial
    assert np.var(outgoing) == pytest.approx(variance, rel=4 * np.sqrt(2 / outgoing.size))
    for u in gates:
        values = u[u != 0] / np.std(u[u != 0])
        assert abs(np.mean(values)) < 4 / np.sqrt(values.size)
        assert np.mean(values**4) == pytest.approx(3, abs=4 * np.sqrt(96 / values.size))


def test_a_sparse_matrix_that_is_not_square_has_the_gain_for_largest_singular_value():
    layout = dataclasses.replace(LAYOUT, matrices=(("u", Matrix(20, HIDDEN, GATES)),))
    for u in blocks(draw(layout, recurrent="sparse", sparse_fan_in=5, gain=0.8)["u"]):
        assert np.all(np.sum(u != 0, axis=0) == 5)
        assert np.linalg.norm(u, 2) == pytest.approx(0.8, rel=1e-3)


@pytest.mark.parametrize("kind", ["glorot", "identity"])
def test_the_kind_of_the_recurrent_matrix_leaves_the_other_weights_unchanged(kind):
    layout = dataclasses.replace(LAYOUT, keep=0)
    orthogonal, changed = draw(layout, bias="chrono"), draw(layout, recurrent=kind, bias="chrono")
    np.testing.assert_array_equal(orthogonal["w"], changed["w"])
    np.testing.assert_array_equal(orthogonal["b"], changed["b"])


def _named() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    turn = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    sparse = rng.normal(size=(128, 128)) * (rng.uniform(size=(128, 128)) < 0.1)
    return {
        "one number": np.array([[-0.3]]),
        "normal": rng.normal(size=(64, 64)),
        "large": 1e15 * rng.normal(size=(32, 32)),
        "small": 1e-15 * rng.normal(size=(32, 32)),
        "sparse": sparse,
        "a complex pair": 0.7 * turn,
        "a complex pair above others": np.block([[1.1 * turn, np.ones((2, 2))], [np.zeros((2, 2)), 0.9 * np.eye(2)]]),
        "opposite signs": np.diag([1.0, -1.0, 0.5]),
        "a permutation": np.eye(16)[rng.permutation(16)],
        "far from normal": np.triu(rng.normal(size=(24, 24)), 1) + np.diag(np.linspace(0.1, 1.0, 24)),
        "nilpotent": np.triu(np.ones((8, 8)), 1),
        "zero": np.zeros((4, 4)),
    }


@pytest.mark.parametrize("name", _named())
def test_the_spectral_radius_is_that_of_the_eigenvalues(name):
    matrix = _named()[name]
    actual = jax.jit(initializers.spectral_radius)(jnp.asarray(matrix, jnp.float32))
    assert float(actual) == pytest.approx(0 if name == "nilpotent" else radius(matrix), rel=1e-3, abs=1e-30)


def test_the_spectral_radius_of_many_is_that_of_each():
    matrices = np.random.default_rng(1).normal(size=(2, 3, 16, 16))
    actual = initializers.spectral_radius(jnp.asarray(matrices, jnp.float32))
    np.testing.assert_allclose(actual, [[radius(m) for m in row] for row in matrices], rtol=1e-3)


def test_vectors_are_drawn_by_their_initializers():
    vectors = {"v": Vector(20_000, initializers.gate_vector, recurrent=True), "one": Vector(2, initializers.ones)}
    vectors["zero"] = Vector(2, initializers.zeros)
    sampled = draw(Layout(1, 1, 1, vectors=tuple(vectors.items())), gain=0.5)
    assert np.std(sampled["v"]) == pytest.approx(0.5 / np.sqrt(20_000), rel=0.02)
    assert abs(np.mean(sampled["v"])) < 0.03 * np.std(sampled["v"])
    assert (sampled["one"].tolist(), sampled["zero"].tolist()) == ([1, 1], [0, 0])


def test_a_bounded_vector_at_most_doubles_a_gradient_over_the_steps():
    noise = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, 20_000), jnp.float32)
    actual = np.asarray(initializers.bounded_vector(scheme(), noise), np.float64)
    assert np.min(actual) >= 0 and 1.98 < np.max(actual) ** STEPS <= 2.0001
    assert np.mean(actual) == pytest.approx(2 ** (1 / STEPS) / 2, rel=0.02)
    assert np.all(initializers.bounded_vector(scheme(recurrent="identity"), noise) == 1)


@pytest.mark.parametrize("length", [3, 50])
def test_chrono_and_the_indrnn_take_the_length_that_the_layer_reads(length):
    options = InitOptions(bias="chrono")

    def weights(case: str, options: InitOptions) -> dict[str, np.ndarray]:
        run = jax.jit(lambda init: Weights(CASES[case], 2, 400, init, jax.random.key(0), length=length).arrays())
        return jax.device_get(run(InitScheme.of(options)))

    longest = np.exp(np.max(weights("mingru", options)["b"].astype(np.float64)))
    assert 0.98 * (length - 1) <= longest <= 1.00001 * (length - 1)
    assert 1.9 < np.max(weights("indrnn", options)["u"].astype(np.float64)) ** length <= 2.0001
    overridden = weights("mingru", dataclasses.replace(options, chrono_max_length=200))
    assert 190 < np.exp(np.max(overridden["b"])) < 200


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "recurrent": ({}, {"recurrent": "identity"}),
    "gain": ({}, {"gain": 0.5}),
    "sparse_fan_in": ({"recurrent": "sparse", "sparse_fan_in": 2}, {"recurrent": "sparse", "sparse_fan_in": 1}),
    "input_gain": ({}, {"input_gain": 0.5}),
    "bias": ({}, {"bias": "chrono"}),
    "forget_bias": ({}, {"forget_bias": 1.0}),
    "chrono_max_length": ({"bias": "chrono"}, {"bias": "chrono", "chrono_max_length": 9}),
}


def test_changes_are_of_all_options():
    assert {*CHANGES, "input"} == {item.name for item in dataclasses.fields(InitOptions)}


@cells
def test_a_cell_names_the_options_that_do_nothing_for_it(name):
    def weights(options: dict[str, Any]) -> dict[str, np.ndarray]:
        return jax.device_get(_weights(name)(scheme(**{"recurrent": "glorot", **options}), jnp.int32(0)))

    def unused(option: str) -> bool:
        before, after = (weights(options) for options in CHANGES[option])
        return all(np.array_equal(before[name], after[name]) for name in before)

    assert {option for option in CHANGES if unused(option)} == set(CASES[name].unused_init_options())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gain": -1.0}, "init.gain=-1.0: must be between 0 and 1000000"),
        ({"input_gain": float("nan")}, "init.input_gain=nan: must be between 0 and 1000000"),
        ({"sparse_fan_in": 3}, "init.sparse_fan_in=3: must be 15, as init.recurrent=orthogonal does not use it"),
        ({"recurrent": "sparse", "sparse_fan_in": 0}, "init.sparse_fan_in=0: must be at least 1, less than 2**31"),
        ({"bias": "chrono", "chrono_max_length": 2}, "init.chrono_max_length=2: must be 0 or at least 3"),
        ({"chrono_max_length": 9}, "init.chrono_max_length=9: must be 0, as init.bias=constant does not use it"),
    ],
)
def test_wrong_options_are_refused_in_a_line(options, message):
    with pytest.raises(UserError, match="^" + re.escape(message)):
        InitOptions(**options)


@pytest.mark.parametrize("recurrent", ["orthogonal", "sparse"])
def test_types_are_those_of_the_program(recurrent):
    assert {x.dtype for x in draw(recurrent=recurrent).values()} == {np.dtype(np.float32)}
    with jax.enable_x64(True):
        sampled = initializers.draw(
            scheme(recurrent=recurrent), Layout(2, 3, 1, 0, matrices=(("u", Matrix(3, 3)),)), jax.random.key(0)
        )
        assert {x.dtype for x in sampled.values()} == {np.dtype(np.float64)}


def test_a_layer_takes_one_random_draw():
    """XLA takes as long to compile each call or split of a key as all the arithmetic around it."""
    text = str(
        jax.make_jaxpr(initializers.draw, static_argnums=1)(
            scheme(), dataclasses.replace(LAYOUT, keep=0), jax.random.key(0)
        )
    )
    assert (text.count("random_bits"), text.count("random_split"), text.count("random_fold_in")) == (1, 0, 0)


HANGS = """
import sys
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_num_cpu_devices", 2)
from jax.sharding import Mesh, PartitionSpec
from research.cells.initializers import InitOptions, InitScheme, Layout, Matrix, draw

layout = Layout(128, 128, 4, matrices=(("u", Matrix(128, 128, 4)),))
def trial(seed):
    key = jax.random.key(seed)
    scheme = InitScheme.of(InitOptions())
    return [jnp.sum(draw(scheme, layout, jax.random.fold_in(key, i))["u"] ** 2) for i in range(2)]
spec = PartitionSpec("trial")
for run in (lambda seeds: jax.lax.map(trial, seeds), jax.vmap(trial)):
    mapped = jax.shard_map(run, mesh=Mesh(np.array(jax.devices()), ("trial",)), in_specs=spec, out_specs=spec)
    actual = np.stack(jax.device_get(jax.jit(mapped)(jnp.arange(4))))
    np.testing.assert_allclose(actual, 4 * 128, rtol=1e-4)
"""


@pytest.mark.slow
def test_two_devices_draw_side_by_side_without_waiting_for_each_other():
    root = Path(__file__).parent.parent.parent
    environment = os.environ | {"PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", HANGS], cwd=root, env=environment, timeout=600, check=True)
