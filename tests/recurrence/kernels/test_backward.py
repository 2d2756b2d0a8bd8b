"""The hand-written backward pass and the probe compute the derivative, for every cell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.recurrence.norms import norm
from tests import production
from tests.cells.cases import cell_of, each_case
from tests.recurrence import problem as problems
from tests.recurrence.problem import BATCH, BLOCK, HIDDEN, LENGTHS, STEPS, solve, unrolled


@each_case("masked", "reverse")
def test_the_backward_pass_is_the_derivative_of_the_plain_scan(name, masked, reverse):
    problem = problems.make(name)
    actual = solve(name, problem, masked=masked, reverse=reverse)
    plain = solve(name, problem, masked=masked, reverse=reverse, plain=True)
    started = plain.gradients.carry[cell_of(name).state != "h" :]  # the first h has no gradient if no step reads it
    read = plain.gradients._replace(carry=started)
    assert all(np.linalg.norm(part) > 0.1 for part in jax.tree.leaves(read))
    assert np.all(plain.norms > 0.1)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-12), actual, plain)


@each_case(variants=False, cells=("slstm", "minlstm"))
def test_forward_mode_and_second_derivatives_work_on_the_plain_scan(name):
    cell, problem, rng = cell_of(name), problems.make(name), np.random.default_rng(1)
    direction = jax.tree.map(lambda x: rng.normal(size=x.shape), problem.arguments)

    def loss(arguments):
        options = {"lengths": jnp.asarray(LENGTHS), "reverse": True, "plain": True}
        ys, last = unrolled(cell, arguments.weights, arguments.xs, arguments.carry, **options)
        return problem.loss(ys, last)

    def slope(distance: float) -> float:
        moved = jax.tree.map(lambda x, d: x + distance * d, problem.arguments, direction)
        actual = solve(name, problem.replace(**moved._asdict()), masked=True, reverse=True)
        return sum(jax.tree.leaves(jax.tree.map(lambda g, d: np.sum(g * d), actual.gradients, direction)))

    def forward(arguments):
        return jax.jvp(loss, (arguments,), (direction,))[1]

    with jax.enable_x64(True):
        actual = jax.jit(lambda arguments: jax.jvp(forward, (arguments,), (direction,)))(problem.arguments)
    curvature = (slope(1e-5) - slope(-1e-5)) / 2e-5
    assert jax.device_get(actual) == pytest.approx((slope(0), curvature), rel=1e-7)


@each_case(variants=False, cells=("lstm", "slstm", "lru"))
def test_norms_survive_where_their_squares_would_not_in_single_precision(name):
    cell, problem = cell_of(name), problems.make(name)
    arrays, xs, carry = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), problem.arguments)
    shares = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), (problem.ys_share, problem.last_share))

    @production.jit  # XLA may fuse the scale with other operations
    def norms(scale):
        def loss(probe):
            ys, last = unrolled(cell, arrays, xs, carry=carry, perturbation=probe)
            values, shared = jax.tree.leaves((ys, last)), jax.tree.leaves(shares)
            return sum(jnp.sum(value * (share * scale)) for value, share in zip(values, shared, strict=True))

        return jax.grad(loss)(jnp.zeros((STEPS, len(cell.parts))))

    plain = np.asarray(norms(jnp.float32(1)))
    for scale in (1e-30, 1e30):
        np.testing.assert_allclose(np.asarray(norms(jnp.float32(scale))), plain * np.float32(scale), rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-37, 1e-30, 1.0, 1e30, 3e37])
def test_a_norm_is_right_at_any_scale_that_holds_it(scale):
    x = np.random.default_rng(0).normal(size=(BATCH, HIDDEN)) * scale
    assert production.jit(norm)(jnp.asarray(x, jnp.float32)) == pytest.approx(np.linalg.norm(x), rel=1e-6)


def test_a_norm_of_zeros_is_zero_and_of_what_is_not_finite_is_not_finite():
    x = jnp.ones((BATCH, HIDDEN))
    assert norm(x * 0) == 0
    assert norm(x.at[1, 2].set(-jnp.inf)) == jnp.inf
    assert jnp.isnan(norm(x.at[1, 2].set(jnp.nan)))
    assert norm(x * 3e38) == jnp.inf  # 1e39 is not a float32
    assert norm(x * 1e-40) < 1e-37  # platforms differ in flushing subnormals to zero


@each_case(variants=False)
def test_the_gradient_reaches_the_first_step_in_the_part_that_the_next_step_reads(name):
    problem, cell = problems.make(name, lengths=(STEPS,) * BATCH), cell_of(name)
    at_the_end = np.zeros_like(problem.ys_share)
    at_the_end[:, 0] = problem.ys_share[:, 0]  # the step that is read last in reverse
    nothing = tuple(np.zeros_like(part) for part in problem.last_share)
    norms = solve(name, problem.replace(ys_share=at_the_end, last_share=nothing), masked=True, reverse=True).norms
    assert np.all(norms[:, cell.parts.index(cell.state)] > 0)


@each_case(variants=False, cells=("lstm", "lru"))
def test_the_hand_written_backward_pass_can_be_differentiated_again(name):
    cell, problem = cell_of(name), problems.make(name)

    def slope(arguments, plain):
        def loss(arguments):
            lengths = jnp.asarray(LENGTHS)
            options = {"lengths": lengths, "plain": plain, "block": BLOCK}
            return problem.loss(*unrolled(cell, arguments.weights, arguments.xs, arguments.carry, **options))

        return sum(jnp.sum(jnp.sin(d)) for d in jax.tree.leaves(jax.grad(loss)(arguments)))

    with jax.enable_x64(True):
        actual, wanted = (
            jax.jit(jax.grad(lambda arguments, plain=plain: slope(arguments, plain)))(problem.arguments)
            for plain in (False, True)
        )
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=1e-11), actual, wanted)


@pytest.mark.parametrize("case", ["lstm", "lru"])
def test_norms_of_each_sequence_add_up_to_those_of_the_batch_and_padding_has_none(case):
    problem, cell = problems.make(case), cell_of(case)
    parts = len(cell.parts)

    def norms(shape):
        def loss(probe):
            weights, xs, carry = problem.arguments
            ys, last = unrolled(cell, weights, xs, carry=carry, lengths=problem.lengths, perturbation=probe)
            return problem.loss(ys, last)

        return jax.jit(jax.grad(loss))(jnp.zeros(shape))

    with jax.enable_x64(True):
        problem = jax.tree.map(jnp.asarray, problem)
        each, whole = jax.device_get((norms((STEPS, BATCH, parts)), norms((STEPS, parts))))
    np.testing.assert_allclose(np.sqrt(np.sum(each**2, axis=1)), whole, rtol=1e-12)
    for row, length in enumerate(LENGTHS):
        assert np.all(each[:length, row] > 0) and not np.any(each[length:, row])
