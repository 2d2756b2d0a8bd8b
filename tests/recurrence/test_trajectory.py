"""Jacobians, exponents and gates over time are those of the cell's steps, taken one by one."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from research.cells import CELLS, GRU, LSTM, RNN
from research.cells.cell import Cell, Tape
from research.recurrence.trajectory import LayerInputs, Trajectory, flat, gate_names, orthonormal
from tests.cells.cases import cell_of
from tests.recurrence import problem as problems
from tests.recurrence.problem import BATCH, HIDDEN, LENGTHS, STEPS

LAGS = (0, 1, 3, STEPS)


def layer_of(case: str, problem: problems.Problem, reverse: bool = True, **options) -> LayerInputs:
    weights, xs, carry = jax.tree.map(jnp.asarray, problem.arguments)
    cell = cell_of(case)
    lengths = jnp.array(problem.lengths)
    return LayerInputs("layer_1", cell, weights, xs, carry, lengths, reverse, **options)


def evaluated(function: Callable[[Trajectory], Any], layer: LayerInputs) -> Any:
    return jax.device_get(jax.jit(lambda: function(Trajectory(layer)))())


def step_jacobians(layer: LayerInputs) -> list[list[np.ndarray]]:
    """Return ds_t/ds_{t-1} of every step of each sequence, by forward-mode derivatives of the cell's step."""
    cell, arrays = layer.cell, layer.weights
    split = np.cumsum([part.shape[1] for part in layer.carry])[:-1]

    @jax.jit
    def derivative(state: Array, x: Array) -> tuple[Array, Array]:
        def step(state: Array) -> Array:
            carry = tuple(jnp.split(state[None], split, axis=1))
            return flat(cell.step(carry, cell.input_gates(arrays, x[None]), Tape(arrays)))[0]

        return step(state), jax.jacfwd(step)(state)

    found = []
    for row, length in enumerate(np.asarray(layer.steps)):
        xs, state, jacobians = layer.xs[row, :length], flat(layer.carry)[row], []
        for x in xs[::-1] if layer.reverse else xs:
            state, jacobian = derivative(state, x)
            jacobians.append(np.asarray(jacobian))
        found.append(jacobians)
    return found


def exponents_by_hand(jacobians: list[np.ndarray], q: np.ndarray) -> np.ndarray:
    total = np.zeros(q.shape[1])
    for jacobian in jacobians:
        q, r = np.linalg.qr(jacobian @ q)
        total += np.log(np.maximum(np.abs(np.diag(r)), np.finfo(float).tiny))
    return total / max(len(jacobians), 1)


@pytest.mark.parametrize("case", [*CELLS, "lstm-projection", "gru-before"])
def test_lagged_jacobians_and_exponents_are_products_of_the_steps(case):
    """Also of sequences that end early, and of an empty one."""
    with jax.enable_x64(True):
        layer, key = layer_of(case, problems.make(case), reverse=case in ("lstm", "gru", "lru")), jax.random.key(3)
        size = flat(layer.carry).shape[1]
        count = 2
        jacobians, exponents, states = evaluated(
            lambda steps: (steps.lagged_jacobians(LAGS), steps.lyapunov_exponents(count, key), steps.states()), layer
        )
        q = np.linalg.qr(np.asarray(jax.random.normal(key, (1, size, count)))[0])[0]
        steps = step_jacobians(layer)
    assert states.shape == (STEPS + 1, BATCH, size)
    for row, length in enumerate(LENGTHS):
        for lag in LAGS:
            if lag > length:
                assert np.all(np.isnan(jacobians[lag][row]))
                continue
            product = np.eye(size)
            for jacobian in steps[row][length - lag :]:
                product = jacobian @ product
            np.testing.assert_allclose(jacobians[lag][row], product, rtol=1e-9, atol=1e-12)
        wanted = exponents_by_hand(steps[row], q)
        lost = wanted < -15  # a singular Jacobian: the logarithm of rounding errors
        np.testing.assert_allclose(np.where(lost, 0, exponents[row]), np.where(lost, 0, wanted), rtol=1e-8, atol=1e-10)
        assert np.all(exponents[row][lost] < -15)


def test_orthonormal_columns_are_those_of_a_qr_decomposition_also_where_they_are_nearly_parallel():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2, 9, 4))
    vectors[1] = vectors[1, :, :1] + 1e-6 * vectors[1]
    with jax.enable_x64(True):
        q, lengths = jax.device_get(jax.jit(orthonormal)(jnp.asarray(vectors)))
        single, _ = jax.device_get(jax.jit(orthonormal)(jnp.asarray(vectors, jnp.float32)))
    for row in range(2):
        wanted_q, r = np.linalg.qr(vectors[row])
        np.testing.assert_allclose(lengths[row], np.abs(np.diag(r)), rtol=1e-7)
        np.testing.assert_allclose(q[row], wanted_q * np.sign(np.diag(r)), atol=1e-7)
        np.testing.assert_allclose(single[row].T @ single[row], np.eye(4), atol=1e-5)


def linear_layer(u: np.ndarray, steps: int = 40) -> LayerInputs:
    """A relu network in its linear range: the bias keeps all states positive."""
    size, rng = len(u), np.random.default_rng(0)
    weights = {"w": np.zeros((1, size)), "u": u, "b": np.full(size, 100.0)}
    cell, xs = RNN(activation="relu"), jnp.asarray(rng.normal(size=(2, steps, 1)))
    return LayerInputs("layer_1", cell, jax.tree.map(jnp.asarray, weights), xs, (jnp.full((2, size), 100.0),))


def test_an_orthogonal_linear_network_has_exponents_0_and_a_scaled_identity_the_logarithm_of_its_scale():
    orthogonal = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    turning = np.eye(5)[[1, 2, 3, 4, 0]]
    cases = ((turning, 0), (1e-3 * orthogonal, np.log(1e-3)), (0.9 * np.eye(5), np.log(0.9)))
    with jax.enable_x64(True):
        for u, wanted in cases:
            layer = linear_layer(u)
            found = evaluated(lambda steps: steps.lyapunov_exponents(5, jax.random.key(0)), layer)
            np.testing.assert_allclose(found, np.full((2, 5), wanted), atol=1e-10)


def test_zoneout_of_all_units_keeps_the_state_and_has_exponents_0():
    with jax.enable_x64(True):
        case, hold = "lstm", tuple(jnp.ones((1, 1, HIDDEN)) for _ in range(2))
        layer = layer_of(case, problems.make(case), hold=hold)
        jacobians, exponents = evaluated(
            lambda steps: (steps.lagged_jacobians((3,))[3], steps.lyapunov_exponents(6, jax.random.key(0))), layer
        )
    np.testing.assert_allclose(exponents, 0, atol=1e-12)
    np.testing.assert_allclose(jacobians[0], np.eye(6), atol=1e-12)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gates_by_hand(case: str, problem: problems.Problem) -> dict[str, np.ndarray]:
    """Return the gates [T, B, H] of sequences of full length, by the equations in NumPy."""
    weights, xs, carry = problem.arguments
    cell = cell_of(case)
    h, found = carry[0], []
    others = list(carry[1:])
    for t in range(STEPS):
        a = xs[:, t] @ weights["w"] + weights["b"]
        u = h @ weights["u"] if "u" in weights and case not in ("mgu", "indrnn") else 0
        split = lambda z: dict(zip(cell.gates, np.split(z, len(cell.gates), axis=1), strict=True))  # noqa: E731
        z = split(a + u)
        if case == "lstm":
            i, f, o = (sigmoid(z[name]) for name in "ifo")
            others[0] = f * others[0] + i * np.tanh(z["g"])
            h = o * np.tanh(others[0])
            found.append({"i": i, "f": f, "o": o})
        elif case == "gru":
            r, update = sigmoid(z["r"]), sigmoid(z["z"])
            n = np.tanh(split(a)["n"] + r * split(u)["n"])
            h = (1 - update) * n + update * h
            found.append({"r": r, "z": update})
        elif case == "ugrnn":
            g = sigmoid(z["g"])
            h = g * h + (1 - g) * np.tanh(z["c"])
            found.append({"g": g})
        elif case == "mgu":
            x = split(a)
            f = sigmoid(x["f"] + h @ weights["u"])
            h = f * h + (1 - f) * np.tanh(x["n"] + ((1 - f) * h) @ weights["u_n"])
            found.append({"f": f})
        elif case == "ligru":
            a = xs[:, t] @ weights["w"]
            centered = a - a.mean(axis=1, keepdims=True)
            x = weights["gamma"] * centered / np.sqrt((centered**2).mean(axis=1, keepdims=True) + 1e-5) + weights["b"]
            z = split(x + u)
            keep = sigmoid(z["z"])
            h = keep * h + (1 - keep) * np.maximum(z["n"], 0)
            found.append({"z": keep})
        elif case == "sru":
            x, c = split(a), others[0]
            f, r = sigmoid(x["f"] + weights["v_f"] * c), sigmoid(x["r"] + weights["v_r"] * c)
            others[0] = f * c + (1 - f) * x["n"]
            found.append({"f": f, "r": r})
        elif case == "mingru":
            found.append({"z": sigmoid(split(a)["z"])})
        elif case == "minlstm":
            f, i = sigmoid(split(a)["f"]), sigmoid(split(a)["i"])
            found.append({"f": f / (f + i), "i": i / (f + i)})
        elif case == "slstm":
            z = split(a + u)
            c, n, m = others
            kept, i = sigmoid(z["f"]) * n * np.exp(m), np.exp(z["i"])  # without the paper's stabilizer
            new = kept + i
            mixed = (kept * (c / n) + i * np.tanh(z["z"])) / new
            h = sigmoid(z["o"]) * mixed
            others = [mixed, np.ones_like(n), np.log(new)]
            found.append({"f": kept / new, "i": i / new, "o": sigmoid(z["o"])})
    return {name: np.stack([gates[name] for gates in found]) for name in found[0]}


GATED = ("lstm", "gru", "mgu", "ugrnn", "ligru", "sru", "mingru", "minlstm", "slstm")


@pytest.mark.parametrize("case", GATED)
def test_gates_over_time_are_those_of_the_equations(case):
    problem = problems.make(case, lengths=(STEPS,) * BATCH)
    if case == "slstm":  # c and n of a state that was read: n >= 1
        h, c, n, m = problem.arguments.carry
        problem = problem.replace(carry=(h, c, 1 + np.abs(n), m))
    with jax.enable_x64(True):
        gates = evaluated(Trajectory.gates, layer_of(case, problem, reverse=False))
        assert {*gates} == {*gate_names(cell_of(case))}
    for name, wanted in gates_by_hand(case, problem).items():
        np.testing.assert_allclose(gates[name], wanted, rtol=1e-10, err_msg=name)


def test_gates_of_a_reversed_padded_sequence_are_in_the_order_of_reading():
    problem = problems.make("gru")
    _, xs, carry = problem.arguments
    row, length = 1, LENGTHS[1]
    alone = problem.replace(xs=np.repeat(xs[row : row + 1, :length][:, ::-1], BATCH, axis=0)).replace(
        carry=(np.repeat(carry[0][row : row + 1], BATCH, axis=0),)
    )
    with jax.enable_x64(True):
        layer = layer_of("gru", problem)
        gates = evaluated(Trajectory.gates, layer)
        xs, (h,) = jax.tree.map(jnp.asarray, (alone.arguments.xs, alone.arguments.carry))
        forward = LayerInputs("", layer.cell, layer.weights, xs, (h,), None, False)
        wanted = evaluated(Trajectory.gates, forward)
    assert np.asarray(layer.valid)[:, row].tolist() == [True] * length + [False] * (STEPS - length)
    for name in ("r", "z"):
        np.testing.assert_allclose(gates[name][:length, row], wanted[name][:, 0], rtol=1e-12)


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        (RNN(), ()),
        (GRU(reset="before"), ("r", "z")),
        (LSTM(coupled_gates=True), ("f", "o")),
        (LSTM(peephole=True, projection_size=2, layer_norm=True), ("f", "i", "o")),
        (LSTM(input_gate=False, forget_gate=False, output_gate=False), ()),
    ],
)
def test_a_cell_names_its_gates(cell: Cell, names):
    assert gate_names(cell) == names


def test_cells_without_gates_are_known():
    assert {name for name, kind in CELLS.items() if not gate_names(kind())} == {"rnn", "indrnn", "lru"}
