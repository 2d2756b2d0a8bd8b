"""What holds of a layer over time, for every cell of the catalogue, in both directions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.recurrence.unroll import block_length, step, unroll
from tests import quick
from tests.recurrence import problem as problems
from tests.cells.cases import cell_of, each_case
from tests.recurrence.problem import BATCH, HIDDEN, LENGTHS, STEPS, solve, weights_of

HALF = STEPS // 2
VALID = np.arange(STEPS)[None, :] < np.array(LENGTHS)[:, None]


def same(x, y) -> None:
    """Equal up to the order of a sum."""
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-13), x, y)


@each_case("reverse")
def test_past_its_length_a_sequence_yields_zeros_and_holds_the_carry(name, reverse):
    problem = problems.make(name)
    found = solve(name, problem, masked=True, reverse=reverse)
    assert np.all(found.ys[~VALID] == 0) and np.any(found.ys[VALID] != 0)
    for row, length in enumerate(LENGTHS):
        last = found.ys[row, 0 if reverse else length - 1] if length else problem.given.carry[0][row]
        np.testing.assert_array_equal(found.last[0][row], last)
    empty = LENGTHS.index(0)
    same([part[empty] for part in found.last], [part[empty] for part in problem.given.carry])
    assert np.all(found.gradients.xs[~VALID] == 0)
    same([part[empty] for part in found.gradients.carry], [part[empty] for part in problem.last_share])


@each_case("reverse")
def test_nothing_depends_on_what_the_padding_holds(name, reverse):
    problem = problems.make(name)
    filled = problem.replace(xs=np.where(VALID[:, :, None], problem.given.xs, np.nan))  # also what is not finite
    same(solve(name, filled, masked=True, reverse=reverse), solve(name, problem, masked=True, reverse=reverse))


@each_case("reverse", variants=False)
def test_nothing_depends_on_how_much_padding_there_is(name, reverse):
    problem = problems.make(name, lengths=(HALF, 1, 0, 2))
    short = problem.replace(xs=problem.given.xs[:, :HALF], ys_share=problem.ys_share[:, :HALF])
    found, wanted = (solve(name, each, masked=True, reverse=reverse) for each in (problem, short))
    same(found.ys[:, :HALF], wanted.ys)
    same(found.last, wanted.last)
    same(found.norms[:HALF], wanted.norms)
    same(found.gradients._replace(xs=found.gradients.xs[:, :HALF]), wanted.gradients)


@each_case("reverse")
def test_a_sequence_does_not_depend_on_its_neighbours_in_the_batch(name, reverse):
    problem, other = problems.make(name), problems.make(name, seed=5)
    own, rest = slice(0, 2), slice(2, BATCH)
    mixed = problem.replace(
        xs=np.concatenate([problem.given.xs[own], other.given.xs[rest]]),
        carry=tuple(
            np.concatenate([x[own], y[rest]]) for x, y in zip(problem.given.carry, other.given.carry, strict=True)
        ),
        lengths=np.array([*LENGTHS[own], 4, 6], np.int32),
    )
    found, wanted = (solve(name, each, masked=True, reverse=reverse) for each in (mixed, problem))
    for x, y in ((found.ys, wanted.ys), (found.gradients.xs, wanted.gradients.xs)):
        same(x[own], y[own])
    for x, y in ((found.last, wanted.last), (found.gradients.carry, wanted.gradients.carry)):
        same([part[own] for part in x], [part[own] for part in y])


@each_case(variants=False)
def test_to_read_in_reverse_is_to_flip_each_sequence_within_its_length(name):
    problem = problems.make(name)
    flipped = problem.replace(xs=flip(problem.given.xs), ys_share=flip(problem.ys_share))
    found = solve(name, problem, masked=True, reverse=True)
    wanted = solve(name, flipped, masked=True, reverse=False)
    same(found.ys, flip(wanted.ys))
    same(found.last, wanted.last)
    same(found.gradients, wanted.gradients._replace(xs=flip(wanted.gradients.xs)))


def flip(x: np.ndarray) -> np.ndarray:
    flipped = x.copy()
    for row, length in enumerate(LENGTHS):
        flipped[row, :length] = x[row, :length][::-1]
    return flipped


@each_case("reverse", variants=False)
def test_chunks_of_time_that_pass_on_the_carry_give_what_the_whole_gives(name, reverse):
    problem = problems.make(name)
    whole = solve(name, problem, masked=True, reverse=reverse)
    starts, carry, ys = (HALF, 0) if reverse else (0, HALF), problem.given.carry, {}
    for start in starts:
        chunk = slice(start, start + HALF)
        lengths = np.clip(problem.lengths - start, 0, HALF)
        part = problem.replace(
            xs=problem.given.xs[:, chunk], lengths=lengths, carry=carry, ys_share=problem.ys_share[:, chunk]
        )
        found = solve(name, part, masked=True, reverse=reverse)
        carry, ys[start] = found.last, found.ys
    same(np.concatenate([ys[0], ys[HALF]], axis=1), whole.ys)
    same(carry, whole.last)


@each_case()
def test_single_steps_give_what_the_whole_gives(name):
    problem = problems.make(name, lengths=(STEPS,) * BATCH)
    whole = solve(name, problem, masked=True, reverse=True)
    with jax.enable_x64(True):
        arrays, xs, carry = jax.tree.map(jnp.asarray, problem.given)
        weights = weights_of(cell_of(name), arrays)
        one = quick.jit(lambda x, carry: step(cell_of(name), weights, x, carry))
        for t in reversed(range(STEPS)):
            carry = one(xs[:, t], carry)
            same(carry[0], whole.ys[:, t])
    same(carry, whole.last)


@each_case()
def test_the_carry_is_zero_at_first_and_stays_where_there_are_no_steps(name):
    problem, cell = problems.make(name), cell_of(name)
    zeros = problem.replace(carry=jax.tree.map(np.zeros_like, problem.given.carry))
    wanted = solve(name, zeros, masked=True, reverse=True)
    with jax.enable_x64(True):
        arrays, xs, carry = jax.tree.map(jnp.asarray, problem.given)
        weights, lengths = weights_of(cell, arrays), jnp.asarray(LENGTHS)
        found = quick.jit(lambda xs: unroll(cell, weights, xs, lengths=lengths, reverse=True))(xs)
        same(found, (wanted.ys, wanted.last))
        ys, last = unroll(cell, weights, xs[:, :0], carry=carry)
    assert ys.shape == (BATCH, 0, cell.widths(HIDDEN)[0])
    same(last, problem.given.carry)


@pytest.mark.parametrize(
    ("steps", "batch", "features", "length"),
    [(400, 8, 64, 50), (128, 32, 256, 8), (64, 16, 512, 32), (64, 16, 1024, 64), (7, 1000, 512, 7), (97, 8, 64, 64)],
)
def test_a_block_fits_the_cache_unless_its_rows_are_fewer_than_those_of_a_matrix(steps, batch, features, length):
    if jax.default_backend() != "cpu":
        length = steps
    assert block_length(steps, batch, 4 * features * 4, features) == length
