"""Omega and its immediate gradient compared with explicit Jacobians and finite differences."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import Array

from research.cells.cell import Tape
from research.cells.initializers import InitOptions, InitScheme
from research.recurrence.dropout import zone_out
from research.recurrence.kernels import regularizer
from research.recurrence.stack import Stack
from research.recurrence.stack_options import StackOptions
from tests.cells.cases import cell_of
from tests.recurrence import problem
from tests.recurrence.problem import BATCH, BLOCK, HIDDEN, STEPS, Problem, unrolled
from tests.recurrence.stacks import Halves

WEIGHT = 0.3
WAYS = [("rnn", True), ("gru", False), ("lstm-peephole", True), ("lru", False), ("mingru", True)]


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@functools.cache
def gradients_of(case: str, reverse: bool, regularized: bool = True, **options: Any) -> Any:
    """Compile the gradients of weights, inputs, carry, probe and omega, as a function of the problem and the noise."""
    cell = cell_of(case)

    def gradients(arguments: Problem, noise: dict[str, Any]) -> Any:
        def loss(weights: Any, xs: Any, carry: Any, probe: Any, omega: Any) -> Array:
            settings: dict[str, Any] = {"block": BLOCK, **options, **noise, "perturbation": probe, "omega": omega}
            settings |= {"carry": carry, "lengths": arguments.lengths, "reverse": reverse}
            return arguments.loss(*unrolled(cell, weights, xs, **settings))

        weights, xs, carry = arguments.arguments
        probe = jnp.zeros((STEPS, len(cell.parts)))
        argnums = (0, 1, 2, 3, 4) if regularized else (0, 1, 2, 3)
        return jax.grad(loss, argnums)(weights, xs, carry, probe, jnp.asarray(WEIGHT) if regularized else None)

    return jax.jit(gradients)


def omega_of(
    case: str, arguments: Problem, reverse: bool = False, noise: dict[str, Any] | None = None, **options: Any
) -> Any:
    """Return Omega and its gradient with respect to the weights."""
    weights, *_, omega = gradients_of(case, reverse, **options)(arguments, noise or {})
    plain, *_ = gradients_of(case, reverse, False, **options)(arguments, noise or {})
    return omega, jax.tree.map(lambda a, b: (a - b) / WEIGHT, weights, plain)


@functools.cache
def reference_of(case: str, reverse: bool) -> Any:
    """Compile Omega with explicit Jacobians; d_t is the gradient of zeros added to each carry."""
    cell = cell_of(case)

    def step(weights: Any, x: Any, mask: Any, hold: Any, carry: Any) -> Any:
        """Take a step of one sequence."""
        old = tuple(part[None] for part in carry)
        tape = Tape(weights, None if mask is None else mask[None])
        new = zone_out(cell.step(old, cell.input_gates(weights, x[None]), tape), old, hold)
        return tuple(part[0] for part in new)

    def reference(arguments: Problem, mask: Any, hold: Any) -> Any:
        weights, xs, carry = arguments.arguments
        hold = None if hold is None else tuple(share[0] for share in hold)
        step_of_batch = jax.vmap(step, (None, 0, None if mask is None else 0, None, 0))

        def loss(added: Any) -> Any:
            def over_time(carry: Any, inputs: Any) -> Any:
                x, t, eps = inputs
                valid = (t < arguments.lengths)[:, None]
                new = step_of_batch(weights, x, mask, hold, carry)
                after = tuple(jnp.where(valid, a, b) + e for a, b, e in zip(new, carry, eps, strict=True))
                return after, (jnp.where(valid, after[0], 0), carry)

            inputs = (jnp.swapaxes(xs, 0, 1), jnp.arange(STEPS), added)
            last, (hidden, formers) = jax.lax.scan(over_time, carry, inputs, reverse=reverse)
            return arguments.loss(jnp.swapaxes(hidden, 0, 1), last), formers

        zeros = tuple(jnp.zeros((STEPS, *part.shape)) for part in carry)
        d, formers = jax.grad(loss, has_aux=True)(zeros)
        widths = np.cumsum(cell.widths(HIDDEN))[:-1]

        def omega_of_step(weights: Any, x: Any, mask: Any, t: Any, length: Any, former: Any, d: Any) -> Any:
            def flat(state: Any) -> Any:
                return jnp.concatenate(step(weights, x, mask, hold, tuple(jnp.split(state, widths))))

            ratio = jnp.linalg.norm(d @ jax.jacfwd(flat)(former)) / jnp.linalg.norm(d)
            return jnp.where(t < length, (ratio - 1) ** 2, 0)

        def omega(weights: Any) -> Any:
            rows = jax.vmap(omega_of_step, (None, 0, None if mask is None else 0, None, 0, 0, 0))
            steps = jax.vmap(rows, (None, 1, None, 0, None, 0, 0))
            joined = (jnp.concatenate(parts, axis=-1) for parts in (formers, d))
            return jnp.sum(steps(weights, xs, mask, jnp.arange(STEPS), arguments.lengths, *joined))

        return jax.value_and_grad(omega)(weights)

    return jax.jit(reference)


def assert_close(actual: Any, expected: Any) -> None:
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("case", "reverse"), WAYS)
def test_omega_and_its_gradient_are_those_of_explicit_jacobians(case, reverse):
    arguments = problem.make(case, lengths=(STEPS, 3, 1, 5))
    assert_close(omega_of(case, arguments, reverse), reference_of(case, reverse)(arguments, None, None))


def test_recurrent_dropout_and_zoneout_are_part_of_a_step():
    arguments, rng = problem.make("lstm", lengths=(STEPS, 3, 1, 5)), np.random.default_rng(1)
    mask = rng.integers(0, 2, (BATCH, HIDDEN)) * 2.0
    hold = tuple(rng.uniform(size=(1, 1, HIDDEN)) for _ in range(2))
    expected = reference_of("lstm", False)(arguments, mask, hold)
    assert_close(omega_of("lstm", arguments, noise={"mask": mask, "hold": hold}), expected)


def rnn_by_hand(arguments: Problem) -> tuple[float, dict[str, np.ndarray]]:
    """Return Omega of a tanh RNN over full lengths, and its gradient by finite differences."""
    weights, xs, (first,) = arguments.arguments
    h = [first]
    for t in range(STEPS):
        h.append(np.tanh(xs[:, t] @ weights["w"] + h[t] @ weights["u"] + weights["b"]))
    d = [np.zeros_like(first)] * (STEPS + 1)
    d[STEPS] = arguments.last_share[0] + arguments.ys_share[:, STEPS - 1]
    for t in range(STEPS, 1, -1):
        d[t - 1] = (d[t] * (1 - h[t] ** 2)) @ weights["u"].T + arguments.ys_share[:, t - 2]

    def omega(weights: dict[str, np.ndarray]) -> float:
        total = 0.0
        for t in range(1, STEPS + 1):
            slope = 1 - np.tanh(xs[:, t - 1] @ weights["w"] + h[t - 1] @ weights["u"] + weights["b"]) ** 2
            back = (d[t] * slope) @ weights["u"].T
            total += np.sum((np.linalg.norm(back, axis=1) / np.linalg.norm(d[t], axis=1) - 1) ** 2)
        return total

    gradient = {}
    for name, value in weights.items():
        gradient[name] = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            up, down = ({**weights, name: value.copy()} for _ in range(2))
            up[name][index] += 1e-6
            down[name][index] -= 1e-6
            gradient[name][index] = (omega(up) - omega(down)) / 2e-6
    return omega(weights), gradient


def test_omega_of_the_simple_network_is_that_of_the_paper_and_its_gradient_that_of_differences():
    arguments = problem.make("rnn", lengths=(STEPS,) * BATCH)
    (omega, gradient), (expected, differences) = omega_of("rnn", arguments), rnn_by_hand(arguments)
    np.testing.assert_allclose(omega, expected, rtol=1e-12)
    for name, value in differences.items():
        np.testing.assert_allclose(gradient[name], value, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("case", ["lstm", "mingru"])
def test_only_the_gradient_of_the_weights_changes(case):
    arguments = problem.make(case)
    with_omega, without = (gradients_of(case, False, on)(arguments, {}) for on in (True, False))
    assert_close(with_omega[1:4], without[1:4])  # inputs, first carry, profile


@pytest.mark.parametrize("shortened", [False, True])
def test_a_stack_regularizes_every_layer_and_direction_and_nothing_else(shortened):
    options, rng = StackOptions(HIDDEN, num_layers=2, layer_norm=True), np.random.default_rng(0)
    between = [Halves(2 * HIDDEN)] if shortened else []
    stack = Stack(
        cell_of("gru"), options, 5, InitScheme.of(InitOptions()), nnx.Rngs(params=0),
        length=STEPS, directions=2, learn_initial=True, between=between,
    )  # fmt: skip
    graph, weights = nnx.split(stack, nnx.Param)
    weights = jax.tree.map(lambda x: x.astype(float), weights)
    xs, lengths = jnp.asarray(rng.normal(size=(BATCH, STEPS, 5))), jnp.array([STEPS, 3, 1, 5])

    def loss(weights: Any, omega: Array | None) -> Array:
        states, carries = nnx.merge(graph, weights)(xs, lengths=lengths, omega=omega)
        return jnp.sum(jnp.square(carries[-1][0])) + jnp.sum(states)

    with_omega, omega = jax.jit(jax.grad(loss, (0, 1)))(weights, jnp.asarray(WEIGHT))
    without = jax.jit(jax.grad(loss))(weights, None)
    assert omega > 0
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(with_omega), jax.tree.leaves(without), strict=True):
        name = jax.tree_util.keystr(path)
        differ = not np.allclose(a, b, rtol=1e-9, atol=1e-12)
        assert differ == ("layers" in name), name


@pytest.mark.parametrize("options", [{"remat_every": 2}, {"block": 6}, {"block": 1}])
def test_omega_does_not_depend_on_how_time_is_cut(options):
    arguments = problem.make("lstm")
    assert_close(omega_of("lstm", arguments, **options), omega_of("lstm", arguments))


def test_truncation_leaves_steps_that_no_gradient_reaches_out():
    """The loss reads the last state only, so the gradient reaches the last block only."""
    arguments = problem.make("gru", lengths=(STEPS,) * BATCH).replace(ys_share=np.zeros((BATCH, STEPS, HIDDEN)))
    omega, _ = omega_of("gru", arguments, tbptt_steps=2)
    weights, xs, carry = jax.tree.map(jnp.asarray, arguments.arguments)
    cell = cell_of("gru")
    _, (middle,) = unrolled(cell, weights, xs[:, :4], carry=carry)
    rest = arguments.replace(xs=jnp.roll(xs, 2, axis=1), carry=(middle,))
    expected, _ = omega_of("gru", rest.replace(lengths=np.full(BATCH, 2, np.int32)))
    np.testing.assert_allclose(omega, expected, rtol=1e-10)


@pytest.mark.parametrize("scale", [0.0, 1e-300, 1e300])
def test_omega_does_not_depend_on_the_size_of_the_gradient_and_is_0_without_one(scale):
    arguments = problem.make("lstm")
    scaled = arguments.replace(
        ys_share=arguments.ys_share * scale, last_share=tuple(share * scale for share in arguments.last_share)
    )
    omega, *_ = gradients_of("lstm", False)(scaled, {})[4:]
    expected, _ = omega_of("lstm", arguments)
    np.testing.assert_allclose(omega, expected if scale else 0, rtol=1e-8)
    weights = gradients_of("lstm", False)(scaled, {})[0]
    assert all(np.all(np.isfinite(value)) for value in jax.tree.leaves(weights))


def test_a_step_that_stops_the_gradient_has_omega_1_and_no_gradient():
    """All units of a relu are below 0: the norm is 0, where the root has no derivative."""
    cell = cell_of("rnn-relu")
    weights = {"w": jnp.ones((1, 2)), "u": jnp.ones((2, 2)), "b": jnp.full(2, -9.0)}
    ones = (jnp.ones((1, 1, 2)),)
    omega, gradient = regularizer.omega(cell, weights, jnp.ones((1, 1, 1)), ones, ones)
    assert omega == 1 and all(np.all(value == 0) for value in gradient.values())
