"""A layer over time, for every cell: equations in NumPy, flax's cells, and invariances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.recurrence.unroll import block_length, kernel_of, step
from tests.cells import reference
from tests.cells.cases import STRUCTURES, cell_of, each_case
from tests.recurrence import problem as problems
from tests.recurrence.problem import BATCH, HIDDEN, INPUTS, LENGTHS, STEPS, Arguments, Problem, solve, unrolled

ALIKE = pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])  # the cells that flax has in the same form
HALF = STEPS // 2
VALID = np.arange(STEPS)[None, :] < np.array(LENGTHS)[:, None]


def same(x, y) -> None:
    """Assert equality up to rounding."""
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-13), x, y)


@each_case("reverse")
def test_past_its_length_a_sequence_yields_zeros_and_holds_the_carry(name, reverse):
    problem = problems.make(name)
    actual = solve(name, problem, masked=True, reverse=reverse)
    assert np.all(actual.ys[~VALID] == 0) and np.any(actual.ys[VALID] != 0)
    for row, length in enumerate(LENGTHS):
        last = actual.ys[row, 0 if reverse else length - 1] if length else problem.arguments.carry[0][row]
        np.testing.assert_array_equal(actual.last[0][row], last)
    empty = LENGTHS.index(0)
    same([part[empty] for part in actual.last], [part[empty] for part in problem.arguments.carry])
    assert np.all(actual.gradients.xs[~VALID] == 0)
    same([part[empty] for part in actual.gradients.carry], [part[empty] for part in problem.last_share])


@each_case("reverse")
def test_nothing_depends_on_what_the_padding_holds(name, reverse):
    problem = problems.make(name)
    filled = problem.replace(xs=np.where(VALID[:, :, None], problem.arguments.xs, np.nan))
    same(solve(name, filled, masked=True, reverse=reverse), solve(name, problem, masked=True, reverse=reverse))


@each_case("reverse", variants=False, cells=STRUCTURES)
def test_nothing_depends_on_how_much_padding_there_is(name, reverse):
    problem = problems.make(name, lengths=(HALF, 1, 0, 2))
    short = problem.replace(xs=problem.arguments.xs[:, :HALF], ys_share=problem.ys_share[:, :HALF])
    actual, wanted = (solve(name, variant, masked=True, reverse=reverse) for variant in (problem, short))
    same(actual.ys[:, :HALF], wanted.ys)
    same(actual.last, wanted.last)
    same(actual.norms[:HALF], wanted.norms)
    same(actual.gradients._replace(xs=actual.gradients.xs[:, :HALF]), wanted.gradients)


@each_case("reverse")
def test_a_sequence_does_not_depend_on_its_neighbors_in_the_batch(name, reverse):
    problem, other = problems.make(name), problems.make(name, seed=5)
    kept_rows, rest = slice(0, 2), slice(2, BATCH)
    mixed = problem.replace(
        xs=np.concatenate([problem.arguments.xs[kept_rows], other.arguments.xs[rest]]),
        carry=tuple(
            np.concatenate([x[kept_rows], y[rest]])
            for x, y in zip(problem.arguments.carry, other.arguments.carry, strict=True)
        ),
        lengths=np.array([*LENGTHS[kept_rows], 4, 6], np.int32),
    )
    actual, wanted = (solve(name, variant, masked=True, reverse=reverse) for variant in (mixed, problem))
    for x, y in ((actual.ys, wanted.ys), (actual.gradients.xs, wanted.gradients.xs)):
        same(x[kept_rows], y[kept_rows])
    for x, y in ((actual.last, wanted.last), (actual.gradients.carry, wanted.gradients.carry)):
        same([part[kept_rows] for part in x], [part[kept_rows] for part in y])


@each_case(variants=False, cells=STRUCTURES)
def test_to_read_in_reverse_is_to_flip_each_sequence_within_its_length(name):
    problem = problems.make(name)
    flipped = problem.replace(xs=flip(problem.arguments.xs), ys_share=flip(problem.ys_share))
    actual = solve(name, problem, masked=True, reverse=True)
    wanted = solve(name, flipped, masked=True, reverse=False)
    same(actual.ys, flip(wanted.ys))
    same(actual.last, wanted.last)
    same(actual.gradients, wanted.gradients._replace(xs=flip(wanted.gradients.xs)))


@pytest.mark.parametrize(
    ("name", "options", "kernel"),
    [
        ("lstm", {}, "scan"),
        ("lru", {}, "associative"),
        ("mingru", {"only_scan": True}, "associative"),
        ("mingru", {"stepwise": True}, "scan"),
    ],
)
def test_the_kernel_that_runs_a_layer_is_told(name, options, kernel):
    assert kernel_of(cell_of(name), **options) == kernel


def flip(x: np.ndarray) -> np.ndarray:
    flipped = x.copy()
    for row, length in enumerate(LENGTHS):
        flipped[row, :length] = x[row, :length][::-1]
    return flipped


@each_case("reverse", variants=False, cells=STRUCTURES)
def test_chunks_of_time_that_pass_on_the_carry_give_what_the_whole_gives(name, reverse):
    problem = problems.make(name)
    whole = solve(name, problem, masked=True, reverse=reverse)
    starts, carry, ys = (HALF, 0) if reverse else (0, HALF), problem.arguments.carry, {}
    for start in starts:
        chunk = slice(start, start + HALF)
        lengths = np.clip(problem.lengths - start, 0, HALF)
        part = problem.replace(
            xs=problem.arguments.xs[:, chunk], lengths=lengths, carry=carry, ys_share=problem.ys_share[:, chunk]
        )
        actual = solve(name, part, masked=True, reverse=reverse)
        carry, ys[start] = actual.last, actual.ys
    same(np.concatenate([ys[0], ys[HALF]], axis=1), whole.ys)
    same(carry, whole.last)


@each_case()
def test_single_steps_give_what_the_whole_gives(name):
    problem = problems.make(name, lengths=(STEPS,) * BATCH)
    whole = solve(name, problem, masked=True, reverse=True)
    with jax.enable_x64(True):
        arrays, xs, carry = jax.tree.map(jnp.asarray, problem.arguments)
        one_step = jax.jit(lambda x, carry: step(cell_of(name), arrays, x, carry))
        for t in reversed(range(STEPS)):
            carry = one_step(xs[:, t], carry)
            same(carry[0], whole.ys[:, t])
    same(carry, whole.last)


@each_case(variants=False, cells=("lstm", "lru"))
def test_the_carry_is_zero_at_first(name):
    problem, cell = problems.make(name), cell_of(name)
    zeros = problem.replace(carry=jax.tree.map(np.zeros_like, problem.arguments.carry))
    wanted = solve(name, zeros, masked=True, reverse=True)
    with jax.enable_x64(True):
        weights, lengths = jax.tree.map(jnp.asarray, problem.arguments.weights), jnp.asarray(LENGTHS)
        run = jax.jit(lambda xs: unrolled(cell, weights, xs, lengths=lengths, reverse=True))
        same(run(problem.arguments.xs), (wanted.ys, wanted.last))


@each_case(variants=False, cells=STRUCTURES)
def test_where_there_are_no_steps_the_carry_stays(name):
    problem, cell = problems.make(name), cell_of(name)
    with jax.enable_x64(True):
        arrays, xs, carry = jax.tree.map(jnp.asarray, problem.arguments)
        run = jax.jit(lambda arrays: unrolled(cell, arrays, xs[:, :0], carry=carry))
        ys, last = run(arrays)
    assert ys.shape == (BATCH, 0, cell.widths(HIDDEN)[0])
    same(last, problem.arguments.carry)
    assert [part.shape for part in cell.initial_carry(BATCH, HIDDEN)] == [part.shape for part in last]


@pytest.mark.parametrize(
    ("steps", "batch", "hidden_size", "length"),
    [(400, 8, 64, 50), (128, 32, 256, 8), (64, 16, 512, 32), (64, 16, 1024, 64), (7, 1000, 512, 7), (97, 8, 64, 64)],
)
def test_a_block_fits_the_cache_unless_its_rows_are_fewer_than_those_of_a_matrix(steps, batch, hidden_size, length):
    if jax.default_backend() != "cpu":
        length = steps
    assert block_length(steps, batch, 4 * hidden_size * 4, hidden_size) == length


def reference_loss(name: str, problem: Problem, reverse: bool, nudges: list[np.ndarray] | None = None) -> float:
    ys, last = reference.unroll(name, *problem.arguments, problem.lengths, reverse, nudges)
    return problem.loss(ys, last)


@each_case("masked", "reverse", cells=reference.CELLS)
def test_results_over_time_are_those_of_the_equations(name, masked, reverse):
    problem = problems.make(name)
    lengths = problem.lengths if masked else np.full_like(problem.lengths, STEPS)
    ys, last = reference.unroll(name, *problem.arguments, lengths, reverse)
    actual = solve(name, problem, masked=masked, reverse=reverse)
    np.testing.assert_allclose(actual.ys, ys, rtol=0, atol=1e-13)
    for part, wanted in zip(actual.last, last, strict=True):
        np.testing.assert_allclose(part, wanted, rtol=0, atol=1e-13)


@each_case("reverse", cells=reference.CELLS)
def test_gradients_are_the_finite_differences_of_the_equations(name, reverse):
    problem = problems.make(name)
    rng, small = np.random.default_rng(1), 2e-6
    direction = jax.tree.map(lambda x: rng.normal(size=x.shape), problem.arguments)

    def at(distance: float) -> float:
        moved = jax.tree.map(lambda x, d: x + distance * d, problem.arguments, direction)
        return reference_loss(name, problem.replace(**moved._asdict()), reverse)

    gradients = solve(name, problem, masked=True, reverse=reverse).gradients
    slope = sum(jax.tree.leaves(jax.tree.map(lambda g, d: np.sum(g * d), gradients, direction)))
    assert slope == pytest.approx((at(small) - at(-small)) / (2 * small), abs=1e-7)


@each_case("reverse", variants=False, cells=reference.CELLS)
def test_the_probe_reads_the_gradient_of_every_part_including_the_way_from_c_through_h(name, reverse):
    problem = problems.make(name)
    zeros, small = [np.zeros((STEPS, *part.shape)) for part in problem.arguments.carry], 3e-6
    gradients = [np.zeros_like(zero) for zero in zeros]
    for index, gradient in enumerate(gradients):
        for place in np.ndindex(gradient.shape):
            nudges = [zero.copy() for zero in zeros]
            nudges[index][place] = small
            above, below = (reference_loss(name, problem, reverse, [s * x for x in nudges]) for s in (1, -1))
            gradient[place] = (above - below) / (2 * small)
    norms = np.stack([np.sqrt(np.sum(np.square(gradient), axis=(1, 2))) for gradient in gradients], axis=1)
    assert np.all(norms > 0.1)
    np.testing.assert_allclose(solve(name, problem, masked=True, reverse=reverse).norms, norms, rtol=1e-7)


def flax_cell(name: str, arguments: Arguments) -> nnx.RNNCellBase:
    """Return flax's cell with these weights; its gates have the same order, its bias is with the input or the state."""
    kind = {"rnn": nnx.SimpleCell, "lstm": nnx.OptimizedLSTMCell, "gru": nnx.GRUCell}[name]
    cell = nnx.eval_shape(lambda: kind(INPUTS, HIDDEN, dtype=jnp.float64, rngs=nnx.Rngs(0)))
    with_bias = cell.dense_h if name == "lstm" else cell.dense_i
    cell.dense_i.kernel = nnx.Param(arguments.weights["w"])
    cell.dense_h.kernel = nnx.Param(arguments.weights["u"])
    with_bias.bias = nnx.Param(arguments.weights["b"])
    return cell


@ALIKE
def test_results_and_gradients_are_those_of_flax_with_the_same_weights(name):
    problem = problems.make(name)

    def loss(arguments):
        cell, carry, ys = flax_cell(name, arguments), arguments.carry, []
        state = carry[0] if len(carry) == 1 else carry[::-1]  # flax puts c before h
        for t in range(STEPS):
            state, y = cell(state, arguments.xs[:, t])
            ys.append(y)
        last = (state,) if len(carry) == 1 else state[::-1]
        return problem.loss(jnp.stack(ys, axis=1), last), (jnp.stack(ys, axis=1), last)

    with jax.enable_x64(True):
        gradients, (ys, last) = jax.jit(jax.grad(loss, has_aux=True))(problem.arguments)
    actual = solve(name, problem, masked=False, reverse=False)
    pairs = (actual.ys, ys), (actual.last, last), (actual.gradients, gradients)
    for kept_rows, wanted in pairs:
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-12), kept_rows, wanted)
