"""Stacked layers in combinations of structure and noise: invariances, and their equations in NumPy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.cells import CELLS, GRU, LSTM, RNN, MinGRU
from research.cells.cell import Cell
from research.cells.initializers import InitOptions, InitScheme
from research.errors import UserError
from research.recurrence.stack import Stack
from research.recurrence.stack_options import StackOptions
from tests.cells import reference
from tests.recurrence import stacks
from tests.recurrence.stacks import BATCH, HIDDEN, LENGTHS, STEPS, Arguments, Case, Halves, Problem, solve

HALF = STEPS // 2
VALID = np.arange(STEPS)[None, :] < np.array(LENGTHS)[:, None]
ALL = (("residual", True), ("skip_connections", True), ("layer_norm", True))
CASES = {
    "rnn-residual": Case(RNN(), 1, ALL[:1]),
    "gru-skip": Case(GRU(), 1, ALL[1:2], learned=True),
    "lstm-projection-all": Case(LSTM(projection_size=2), 1, ALL, learned=True),
    "lstm-both-all": Case(LSTM(), 2, ALL, learned=True),
    "gru-both-layer_norm-truncated": Case(GRU(), 2, (*ALL[2:], ("tbptt_steps", 2))),
    "rnn-both-plain": Case(RNN(), 2, noise=False),
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
one_way = pytest.mark.parametrize(
    "case",
    [case for case in CASES.values() if case.directions == 1],
    ids=[k for k, c in CASES.items() if c.directions == 1],
)


def same(x, y, atol: float = 1e-12) -> None:
    """Assert equality up to rounding."""
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=atol), x, y)


@cases
def test_past_its_length_a_sequence_yields_zeros_and_every_weight_has_a_gradient(case):
    problem = stacks.make(case)
    actual = solve(case, problem)
    assert np.all(actual.states[~VALID] == 0) and np.any(actual.states[VALID] != 0, axis=-1).all()
    assert np.all(actual.gradients.xs[~VALID] == 0)
    assert all(np.any(gradient != 0) for gradient in jax.tree.leaves(actual.gradients.weights))


@cases
def test_nothing_depends_on_what_the_padding_holds_nor_on_the_noise_there(case):
    problem, other = stacks.make(case), stacks.make(case, seed=5)
    xs = np.where(VALID[:, :, None], problem.arguments.xs, 1e3)
    filled = problem._replace(arguments=problem.arguments._replace(xs=xs))
    if case.noise:
        noise = jax.tree.map(
            lambda x, y: np.where(VALID[:, :, None], x, y) if x.ndim == 3 else x, problem.noise, other.noise
        )
        filled = filled._replace(noise=noise)
    same(solve(case, filled), solve(case, problem))


@pytest.mark.parametrize("name", ["lstm-both-all", "gru-both-layer_norm-truncated"])
def test_nothing_depends_on_how_much_padding_there_is(name):
    case = CASES[name]
    problem = stacks.make(case)._replace(lengths=np.array([HALF, 1, 0, 2], np.int32))
    actual, wanted = solve(case, problem), solve(case, problem.steps(0, HALF))
    same(actual.states[:, :HALF], wanted.states)
    same(actual._replace(states=0, gradients=0), wanted._replace(states=0, gradients=0))
    same(actual.gradients._replace(xs=actual.gradients.xs[:, :HALF]), wanted.gradients)


@cases
def test_a_sequence_does_not_depend_on_its_neighbors_in_the_batch(case):
    problem, kept_rows = stacks.make(case), slice(0, 2)
    other = stacks.make(case, seed=5)._replace(lengths=np.array([1, 2, 4, 6], np.int32))
    actual, wanted = solve(case, problem.rows(kept_rows, other)), solve(case, problem)
    for x, y in zip(actual[:3], wanted[:3], strict=True):
        same(jax.tree.map(lambda x: x[kept_rows], x), jax.tree.map(lambda x: x[kept_rows], y))
    same(actual.gradients.xs[kept_rows], wanted.gradients.xs[kept_rows])


@cases
def test_an_empty_sequence_ends_as_it_starts(case):
    problem, empty = stacks.make(case), LENGTHS.index(0)
    actual = solve(case, problem)
    initial = jax.tree.leaves(problem.arguments.weights["initial"]) if case.learned else [np.zeros(())]
    carries = jax.tree.leaves(actual.carries)
    for part, start in zip(carries, initial if case.learned else initial * len(carries), strict=True):
        same(part[empty], np.broadcast_to(start, part[empty].shape))


def halves(case: Case, problem: Problem, arguments: Arguments, stop: bool):
    """Return the results of the two halves of time; `stop` stops the gradient of the carry between them."""
    first, second = problem.steps(0, HALF), problem.steps(HALF, STEPS)
    states, carries, _ = stacks.results(case, arguments._replace(xs=arguments.xs[:, :HALF]), first)
    carries = jax.lax.stop_gradient(carries) if stop else carries
    more, carries, last = stacks.results(case, arguments._replace(xs=arguments.xs[:, HALF:]), second, carries)
    return jnp.concatenate([states, more], axis=1), carries, last


@pytest.mark.parametrize(
    ("name", "truncated"),
    [("rnn-residual", False), ("gru-skip", False), ("lstm-projection-all", False), ("gru-skip", True)],
)
def test_chunks_of_time_that_pass_on_the_carry_give_what_the_whole_gives_and_its_gradient(name, truncated):
    case = CASES[name]
    problem = stacks.make(case)
    if truncated:  # the cut would also stop the gradient of the last carry of a shorter sequence
        problem = problem._replace(lengths=np.maximum(problem.lengths, HALF + 1))

    @jax.jit
    def chunked(problem):
        def total(arguments):
            actual = halves(case, problem, arguments, stop=truncated)
            return stacks.loss(problem, *actual), actual

        gradients, actual = jax.grad(total, has_aux=True)(problem.arguments)
        return stacks.Solution(actual[0], actual[1], actual[2], gradients)

    with jax.enable_x64(True):
        wanted = jax.device_get(chunked(problem))
    same(solve(case.changed(tbptt_steps=HALF) if truncated else case, problem), wanted)


@one_way
def test_single_steps_give_what_the_whole_gives(case):
    problem = stacks.make(case)._replace(lengths=np.full(BATCH, STEPS, np.int32))

    @jax.jit
    def stepwise(problem):
        stack = stacks.merged(case, problem.arguments)

        def step(carries, inputs):
            t, x = inputs
            state, carries = stack.step(x, carries, None if problem.noise is None else problem.noise.steps(t))
            return carries, state

        return jax.lax.scan(
            step, stack.start(BATCH, jnp.float64), (jnp.arange(STEPS), jnp.swapaxes(problem.arguments.xs, 0, 1))
        )

    with jax.enable_x64(True):
        carries, states = stepwise(problem)
    actual = solve(case, problem)
    same((jnp.swapaxes(states, 0, 1), carries), (actual.states, actual.carries))
    same(actual.last, actual.states[:, -1])


@pytest.mark.parametrize(("name", "every"), [("gru-skip", -1), ("lstm-both-all", 4)])
def test_remat_changes_nothing(name, every):
    problem = stacks.make(CASES[name])
    same(solve(CASES[name].changed(remat_every=every), problem), solve(CASES[name], problem))


@pytest.mark.parametrize("reverse", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_remat_across_layers_changes_neither_the_profile_nor_omega(reverse):
    steps, lengths = 7, [7, 3, 0, 5]
    rng = np.random.default_rng(2)
    xs, share = rng.normal(size=(BATCH, steps, 2)), rng.normal(size=(BATCH, steps, HIDDEN))

    def solved(every: int) -> Any:
        options = StackOptions(HIDDEN, num_layers=2, remat_every=every)
        stack = Stack(
            GRU(), options, 2, InitScheme.of(InitOptions()), nnx.Rngs(params=jax.random.key(0)),
            length=steps, reverse=reverse,
        )  # fmt: skip
        graphdef, weights = nnx.split(stack)
        weights = jax.tree.map(lambda x: x.astype(jnp.float64), weights)

        def total(weights: Any, xs: Any, probe: Any, omega: Any) -> Any:
            module, zeros = nnx.merge(graphdef, weights), {stack.names[-1][0]: probe}
            states, last = module(xs, lengths=jnp.array(lengths), perturbation=zeros, omega=omega)
            return jnp.sum(states * share) + jnp.sum(last[0][0])

        return jax.grad(total, argnums=(0, 1, 2, 3))(weights, xs, jnp.zeros((steps, 1)), jnp.float64(0.5))

    with jax.enable_x64(True):
        wanted, actual = (jax.device_get(jax.jit(solved, static_argnums=0)(every)) for every in (0, 2))
    assert np.all(wanted[2][: max(lengths)] > 0) and wanted[3] > 0
    same(actual, wanted)


def layer_by_hand(cell: Cell, arrays: dict, xs: np.ndarray, noise, reverse: bool) -> tuple[np.ndarray, tuple]:
    """Return the states and the last carry of one layer, direction and sequence, step by step."""
    mask, hold = noise
    carry = tuple(np.zeros(part.shape[1]) for part in hold)
    ys = np.zeros((len(xs), len(carry[0])))
    for t in range(len(xs))[:: -1 if reverse else 1]:
        seen = (mask * carry[0], *carry[1:])  # in these cells h is in products only
        new = reference.CELLS[cell.name](xs[t], seen, arrays, cell, tuple(np.zeros_like(part) for part in carry))
        carry = tuple(share[t] * old + (1 - share[t]) * part for share, old, part in zip(hold, carry, new, strict=True))
        ys[t] = carry[0]
    return ys, carry


def stack_by_hand(cell: Cell, weights, problem: Problem) -> tuple[np.ndarray, list, np.ndarray]:
    """Return states, last carries and last states of two residual bidirectional layers with dropout and zoneout."""
    states = np.zeros((BATCH, STEPS, 2 * HIDDEN))
    carries = [[np.zeros_like(part) for part in carry] for carry in problem.carries_share]
    last = np.zeros((BATCH, 2 * HIDDEN))
    for row, length in enumerate(LENGTHS):
        below = problem.arguments.xs[row, :length] * problem.noise.inputs[row]
        x = None
        for depth, noise in enumerate(problem.noise.layers):
            actual = []
            for direction in range(2):
                columns = slice(direction * HIDDEN, (direction + 1) * HIDDEN)
                layer_noise = noise.state[row, columns], tuple(share[row, :length, columns] for share in noise.hold)
                ys, carry = layer_by_hand(cell, weights["layers"][depth][direction], below, layer_noise, direction == 1)
                actual.append(ys)
                for part, value in zip(carries[depth], carry, strict=True):
                    part[row, columns] = value
            y = np.concatenate(actual, axis=1)
            x = y if x is None else x + y
            below = x * noise.output[row]
        states[row, :length] = below
        if length:
            last[row] = np.concatenate([below[-1, :HIDDEN], below[0, HIDDEN:]])
    return states, carries, last


@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_two_residual_layers_with_dropout_and_zoneout_are_the_equations_step_by_step(name):
    cell = CELLS[name]()
    case = Case(cell, 2, ALL[:1])
    problem = stacks.make(case)
    weights = nnx.to_pure_dict(problem.arguments.weights)
    states, carries, last = stack_by_hand(cell, weights, problem)
    actual = solve(case, problem)
    same((actual.states, jax.tree.leaves(actual.carries), actual.last), (states, jax.tree.leaves(carries), last), 1e-13)
    rng, small = np.random.default_rng(1), 2e-6
    direction = jax.tree.map(lambda x: rng.normal(size=x.shape), weights)

    def at(distance: float) -> float:
        moved = jax.tree.map(lambda x, d: x + distance * d, weights, direction)
        return stacks.loss(problem, *stack_by_hand(cell, moved, problem))

    gradients = nnx.to_pure_dict(actual.gradients.weights)
    slope = sum(jax.tree.leaves(jax.tree.map(lambda g, d: np.sum(g * d), gradients, direction)))
    assert slope == pytest.approx((at(small) - at(-small)) / (2 * small), abs=1e-7)


def test_with_remat_ten_thousand_steps_of_three_layers_take_an_eighth_of_the_memory():
    def needed(every: int) -> int:
        options = StackOptions(16, num_layers=3, remat_every=every)
        init = InitScheme.of(InitOptions())
        stack = nnx.eval_shape(lambda: Stack(LSTM(), options, 2, init, nnx.Rngs(0), length=9))
        graphdef, params = nnx.split(stack)

        def total(params, xs):
            return jnp.sum(nnx.merge(graphdef, params)(xs)[1][-1][0])

        xs = jax.ShapeDtypeStruct((BATCH, 10_000, 2), jnp.float32)
        analysis = jax.jit(jax.grad(total)).lower(params, xs).compile().memory_analysis()
        assert analysis is not None
        return analysis.temp_size_in_bytes

    assert needed(-1) < needed(0) / 8


@pytest.mark.parametrize("directions", [1, 2])
def test_chrono_takes_the_length_that_each_layer_reads(directions):
    options, init = StackOptions(200, num_layers=2), InitScheme.of(InitOptions(bias="chrono"))
    between = [Halves(directions * 200)]
    stack = Stack(MinGRU(), options, 2, init, nnx.Rngs(params=0), length=101, directions=directions, between=between)
    for layer, length in zip(stack.layers, (101, 51), strict=True):
        for weights in layer:
            longest = np.exp(np.max(weights.b[...]))
            assert 0.95 * (length - 1) < longest < 1.001 * (length - 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "model.hidden_size=0: must be between 1 and"),
        ({"num_layers": 0}, "model.num_layers=0: must be between 1 and"),
        ({"residual": True}, "model.residual=True: must be False, as there is one layer only"),
        ({"remat_every": -2}, "model.remat_every=-2: must be at least -1"),
        ({"tbptt_steps": -1}, "model.tbptt_steps=-1: must be at least 0"),
    ],
)
def test_wrong_options_are_refused_in_a_line(options, message):
    with pytest.raises(UserError, match=f"^{message}"):
        StackOptions(**options)
