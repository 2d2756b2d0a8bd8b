"""What holds of stacked layers in all combinations of structure and noise, and their equations anew in NumPy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.config import CellConfig, InitConfig, ModelConfig
from research.cells.cell import create
from research.cells.initializers import InitScheme
from research.recurrence.stack import Stack
from tests import quick
from tests.cells import reference
from tests.recurrence import stacks
from tests.recurrence.stacks import BATCH, HIDDEN, LENGTHS, STEPS, Case, Given, Problem, solve

HALF = STEPS // 2
VALID = np.arange(STEPS)[None, :] < np.array(LENGTHS)[:, None]
ALL = (("residual", True), ("skip", True), ("layer_norm", True))
CASES = {
    "rnn-residual": Case("rnn", 1, ALL[:1]),
    "gru-skip": Case("gru", 1, ALL[1:2], learned=True),
    "lstm-projection-all": Case("lstm", 1, ALL, (("projection", 2),), learned=True),
    "lstm-both-all": Case("lstm", 2, ALL, learned=True),
    "gru-both-layer_norm-truncated": Case("gru", 2, (*ALL[2:], ("tbptt_steps", 2))),
    "rnn-both-plain": Case("rnn", 2, noise=False),
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
one_way = pytest.mark.parametrize(
    "case",
    [case for case in CASES.values() if case.directions == 1],
    ids=[k for k, c in CASES.items() if c.directions == 1],
)


def same(x, y, atol: float = 1e-12) -> None:
    """Equal up to the order of a sum."""
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=atol), x, y)


@cases
def test_past_its_length_a_sequence_yields_zeros_and_every_weight_has_a_gradient(case):
    problem = stacks.make(case)
    found = solve(case, problem)
    assert np.all(found.states[~VALID] == 0) and np.any(found.states[VALID] != 0, axis=-1).all()
    assert np.all(found.gradients.xs[~VALID] == 0)
    assert all(np.any(gradient != 0) for gradient in jax.tree.leaves(found.gradients.weights))


@cases
def test_nothing_depends_on_what_the_padding_holds_nor_on_the_noise_there(case):
    problem, other = stacks.make(case), stacks.make(case, seed=5)
    xs = np.where(VALID[:, :, None], problem.given.xs, 1e3)
    filled = problem._replace(given=problem.given._replace(xs=xs))
    if case.noise:
        noise = jax.tree.map(
            lambda x, y: np.where(VALID[:, :, None], x, y) if x.ndim == 3 else x, problem.noise, other.noise
        )
        filled = filled._replace(noise=noise)
    same(solve(case, filled), solve(case, problem))


@cases
def test_nothing_depends_on_how_much_padding_there_is(case):
    problem = stacks.make(case)._replace(lengths=np.array([HALF, 1, 0, 2], np.int32))
    found, wanted = solve(case, problem), solve(case, problem.steps(0, HALF))
    same(found.states[:, :HALF], wanted.states)
    same(found._replace(states=0, gradients=0), wanted._replace(states=0, gradients=0))
    same(found.gradients._replace(xs=found.gradients.xs[:, :HALF]), wanted.gradients)


@cases
def test_a_sequence_does_not_depend_on_its_neighbours_in_the_batch(case):
    problem, own = stacks.make(case), slice(0, 2)
    other = stacks.make(case, seed=5)._replace(lengths=np.array([1, 2, 4, 6], np.int32))
    found, wanted = solve(case, problem.rows(own, other)), solve(case, problem)
    for x, y in zip(found[:3], wanted[:3], strict=True):
        same(jax.tree.map(lambda x: x[own], x), jax.tree.map(lambda x: x[own], y))
    same(found.gradients.xs[own], wanted.gradients.xs[own])


@cases
def test_an_empty_sequence_ends_as_it_starts(case):
    problem, empty = stacks.make(case), LENGTHS.index(0)
    found = solve(case, problem)
    initial = jax.tree.leaves(problem.given.weights["initial"]) if case.learned else [np.zeros(())]
    carries = jax.tree.leaves(found.carries)
    for part, start in zip(carries, initial if case.learned else initial * len(carries), strict=True):
        same(part[empty], np.broadcast_to(start, part[empty].shape))


def halves(case: Case, problem: Problem, given: Given, stop: bool):
    """The two halves of time, with the carry passed on, with its gradient or without."""
    first, second = problem.steps(0, HALF), problem.steps(HALF, STEPS)
    states, carries, _ = stacks.results(case, given._replace(xs=given.xs[:, :HALF]), first)
    carries = jax.lax.stop_gradient(carries) if stop else carries
    more, carries, last = stacks.results(case, given._replace(xs=given.xs[:, HALF:]), second, carries)
    return jnp.concatenate([states, more], axis=1), carries, last


@pytest.mark.parametrize(
    ("name", "truncated"),
    [("rnn-residual", False), ("gru-skip", False), ("lstm-projection-all", False), ("gru-skip", True)],
)
def test_chunks_of_time_that_pass_on_the_carry_give_what_the_whole_gives_and_its_gradient(name, truncated):
    """Truncated, the carry is passed on without its gradient."""
    case = CASES[name]
    problem = stacks.make(case)
    if truncated:  # a sequence that has ended would lose the gradient of its last carry, too
        problem = problem._replace(lengths=np.maximum(problem.lengths, HALF + 1))

    @quick.jit
    def chunked(problem):
        def total(given):
            found = halves(case, problem, given, stop=truncated)
            return stacks.loss(problem, *found), found

        gradients, found = jax.grad(total, has_aux=True)(problem.given)
        return stacks.Solution(found[0], found[1], found[2], gradients)

    with jax.enable_x64(True):
        wanted = jax.device_get(chunked(problem))
    same(solve(case.changed(tbptt_steps=HALF) if truncated else case, problem), wanted)


@one_way
def test_single_steps_give_what_the_whole_gives(case):
    problem = stacks.make(case)._replace(lengths=np.full(BATCH, STEPS, np.int32))

    @quick.jit
    def stepwise(problem):
        own = stacks.merged(case, problem.given)

        def step(carries, inputs):
            t, x = inputs
            state, carries = own.step(x, carries, None if problem.noise is None else problem.noise.steps(t))
            return carries, state

        return jax.lax.scan(
            step, own.start(BATCH, jnp.float64), (jnp.arange(STEPS), jnp.swapaxes(problem.given.xs, 0, 1))
        )

    with jax.enable_x64(True):
        carries, states = stepwise(problem)
    found = solve(case, problem)
    same((jnp.swapaxes(states, 0, 1), carries), (found.states, found.carries))
    same(found.last, found.states[:, -1])


@pytest.mark.parametrize(
    ("name", "every"), [("gru-skip", -1), ("lstm-projection-all", 4), ("rnn-residual", 9), ("lstm-both-all", 4)]
)
def test_checkpoints_change_nothing(name, every):
    problem = stacks.make(CASES[name])
    same(solve(CASES[name].changed(remat_every=every), problem), solve(CASES[name], problem))


@pytest.mark.parametrize("reverse", [False, True])
def test_checkpoints_across_layers_change_neither_the_profile_nor_omega(reverse):
    steps, lengths = 7, [7, 3, 0, 5]
    rng = np.random.default_rng(2)
    xs, share = rng.normal(size=(BATCH, steps, 2)), rng.normal(size=(BATCH, steps, HIDDEN))

    def solved(every: int) -> Any:
        config = ModelConfig("gru", HIDDEN, layers=2, remat_every=every)
        stack = Stack(
            create("gru"), config, 2, InitScheme.of(InitConfig(), steps), nnx.Rngs(params=jax.random.key(0)),
            reverse=reverse,
        )  # fmt: skip
        graphdef, weights = nnx.split(stack)
        weights = jax.tree.map(lambda x: x.astype(jnp.float64), weights)

        def total(weights: Any, xs: Any, probe: Any, omega: Any) -> Any:
            states, last = nnx.merge(graphdef, weights)(xs, lengths=jnp.array(lengths), probe=probe, omega=omega)
            return jnp.sum(states * share) + jnp.sum(last[0][0])

        return jax.grad(total, argnums=(0, 1, 2, 3))(weights, xs, jnp.zeros((steps, 1)), jnp.float64(0.5))

    with jax.enable_x64(True):
        wanted, found = (jax.device_get(quick.jit(solved, static_argnums=0)(every)) for every in (0, 2))
    assert np.all(wanted[2][: max(lengths)] > 0) and wanted[3] > 0
    same(found, wanted)


def layer_by_hand(cell: str, arrays: dict, xs: np.ndarray, own, reverse: bool) -> tuple[np.ndarray, tuple]:
    """One layer in one direction and one sequence, step by step: states, and the last carry."""
    mask, hold = own
    carry = tuple(np.zeros(part.shape[1]) for part in hold)
    ys = np.zeros((len(xs), len(carry[0])))
    for t in range(len(xs))[:: -1 if reverse else 1]:
        seen = (mask * carry[0], *carry[1:])  # h enters the products of these cells and nothing else
        new = reference.CELLS[cell](xs[t], seen, arrays, CellConfig(), tuple(np.zeros_like(part) for part in carry))
        carry = tuple(share[t] * old + (1 - share[t]) * part for share, old, part in zip(hold, carry, new, strict=True))
        ys[t] = carry[0]
    return ys, carry


def stack_by_hand(cell: str, weights, problem: Problem) -> tuple[np.ndarray, list, np.ndarray]:
    """Two residual layers in both directions, with dropout and zoneout: states, last carries, last states."""
    states = np.zeros((BATCH, STEPS, 2 * HIDDEN))
    carries = [[np.zeros_like(part) for part in carry] for carry in problem.carries_share]
    last = np.zeros((BATCH, 2 * HIDDEN))
    for row, length in enumerate(LENGTHS):
        below = problem.given.xs[row, :length] * problem.noise.inputs[row]
        x = None
        for depth, noise in enumerate(problem.noise.layers):
            found = []
            for direction in range(2):
                mine = slice(direction * HIDDEN, (direction + 1) * HIDDEN)
                own = noise.state[row, mine], tuple(share[row, :length, mine] for share in noise.hold)
                ys, carry = layer_by_hand(cell, weights["layers"][depth][direction], below, own, direction == 1)
                found.append(ys)
                for part, value in zip(carries[depth], carry, strict=True):
                    part[row, mine] = value
            y = np.concatenate(found, axis=1)
            x = y if x is None else x + y
            below = x * noise.output[row]
        states[row, :length] = below
        if length:
            last[row] = np.concatenate([below[-1, :HIDDEN], below[0, HIDDEN:]])
    return states, carries, last


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_two_residual_layers_with_dropout_and_zoneout_are_the_equations_step_by_step(cell):
    case = Case(cell, 2, ALL[:1])
    problem = stacks.make(case)
    weights = nnx.to_pure_dict(problem.given.weights)
    states, carries, last = stack_by_hand(cell, weights, problem)
    found = solve(case, problem)
    same((found.states, jax.tree.leaves(found.carries), found.last), (states, jax.tree.leaves(carries), last), 1e-13)
    rng, small = np.random.default_rng(1), 2e-6
    direction = jax.tree.map(lambda x: rng.normal(size=x.shape), weights)

    def at(distance: float) -> float:
        moved = jax.tree.map(lambda x, d: x + distance * d, weights, direction)
        return stacks.loss(problem, *stack_by_hand(cell, moved, problem))

    gradients = nnx.to_pure_dict(found.gradients.weights)
    slope = sum(jax.tree.leaves(jax.tree.map(lambda g, d: np.sum(g * d), gradients, direction)))
    assert slope == pytest.approx((at(small) - at(-small)) / (2 * small), abs=1e-7)


@pytest.mark.parametrize("layers", [1, 3])
def test_with_checkpoints_ten_thousand_steps_take_an_eighth_of_the_memory(layers):
    def needed(every: int) -> int:
        config = ModelConfig(cell="lstm", features=16, layers=layers, remat_every=every)
        stack = nnx.eval_shape(lambda: Stack(create("lstm"), config, 2, InitScheme.of(InitConfig(), 9), nnx.Rngs(0)))
        graphdef, params = nnx.split(stack)

        def total(params, xs):
            return jnp.sum(nnx.merge(graphdef, params)(xs)[1][-1][0])

        xs = jax.ShapeDtypeStruct((BATCH, 10_000, 2), jnp.float32)
        analysis = quick.jit(jax.grad(total)).lower(params, xs).compile().memory_analysis()
        assert analysis is not None
        return analysis.temp_size_in_bytes

    assert needed(-1) < needed(0) / 8
