"""The options of `unroll`: rematerialization, truncation, dropout, zoneout, rounding."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.cells.cell import Weights
from research.cells.initializers import InitOptions, InitScheme
from research.recurrence.unroll import remat_block
from tests.cells.cases import cell_of
from tests.recurrence import problem as problems
from tests.recurrence.problem import BATCH, BLOCK, HIDDEN, LENGTHS, STEPS, Arguments, Problem, solve, unrolled

names = pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
directions = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
EVERY = 2
CUT = {"tbptt_steps": EVERY, "remat_every": 4}


def same(x, y, atol: float = 1e-12) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=atol), x, y)


@pytest.mark.parametrize(("name", "reverse", "every"), [("lstm", True, BLOCK), ("gru", False, 5), ("rnn", False, -1)])
def test_remat_changes_nothing_but_rounding(name, reverse, every):
    problem = problems.make(name)
    wanted = solve(name, problem, masked=True, reverse=reverse)
    actual = solve(name, problem, masked=True, reverse=reverse, remat_every=every)
    same(actual, wanted, 1e-13)
    if every == BLOCK:  # as without remat, so that even rounding is equal
        jax.tree.map(np.testing.assert_array_equal, (actual.ys, actual.last), (wanted.ys, wanted.last))


def test_the_root_of_the_steps_is_rounded_up_and_no_block_is_longer_than_time():
    assert [remat_block(steps, -1) for steps in (1, 2, 4, 5, 9, 10, 10_000)] == [1, 2, 2, 3, 3, 4, 100]
    assert [remat_block(6, every) for every in (0, 4, 9)] == [0, 4, 6]


@pytest.mark.parametrize("inputs", [problems.INPUTS, 8 * problems.HIDDEN])
def test_with_remat_10_000_steps_take_an_eighth_of_the_memory(inputs):
    """This includes the gradient of the inputs, which are not copied, whatever their width."""
    cell, arrays = cell_of("lstm"), problems.make("lstm").arguments.weights

    def needed(every: int) -> int:
        def total(arrays, xs):
            return jnp.sum(unrolled(cell, arrays, xs, remat_every=every)[1][0])

        shapes = {name: x.shape for name, x in arrays.items()} | {"w": (inputs, arrays["w"].shape[1])}
        arguments = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}
        xs = jax.ShapeDtypeStruct((4, 10_000, inputs), jnp.float32)
        analysis = jax.jit(jax.grad(total, argnums=(0, 1))).lower(arguments, xs).compile().memory_analysis()
        assert analysis is not None
        return analysis.temp_size_in_bytes

    assert needed(-1) < needed(0) / 8
    assert needed(5000) < 1.6 * needed(0)  # one of two blocks at a time, and its recomputed values


def truncated_by_hand(name: str, problem: Problem, arguments: Arguments, row: int, reverse: bool):
    """Return the results of one sequence in pieces of `EVERY` steps in reading order, without gradient between them."""
    cell, weights, length = cell_of(name), arguments.weights, LENGTHS[row]
    xs = arguments.xs[row : row + 1, :length]
    xs = xs[:, ::-1] if reverse else xs
    carry, pieces = tuple(part[row : row + 1] for part in arguments.carry), []
    for start in range(0, length, EVERY):
        ys, carry = unrolled(cell, weights, xs[:, start : start + EVERY], carry=carry)
        pieces.append(ys)
        carry = jax.lax.stop_gradient(carry) if start + EVERY < length else carry
    ys = jnp.concatenate(pieces, axis=1) if pieces else jnp.zeros((1, 0, HIDDEN))
    ys = jnp.pad(ys[:, ::-1] if reverse else ys, ((0, 0), (0, STEPS - length), (0, 0)))
    return ys, carry


@pytest.mark.parametrize(("name", "reverse"), [("rnn", False), ("lstm", True)])
def test_truncated_gradients_are_those_of_pieces_that_pass_on_the_carry_without_its_gradient(name, reverse):
    problem = problems.make(name)

    @jax.jit
    def by_hand(problem):
        def total(arguments):
            actual = [truncated_by_hand(name, problem, arguments, row, reverse) for row in range(BATCH)]
            ys, last = jax.tree.map(lambda *rows: jnp.concatenate(rows), *actual)
            return problem.loss(ys, last), (ys, last)

        return jax.grad(total, has_aux=True)(problem.arguments)

    with jax.enable_x64(True):
        gradients, (ys, last) = by_hand(problem)
    actual = solve(name, problem, masked=True, reverse=reverse, tbptt_steps=EVERY)
    same((actual.ys, actual.last, actual.gradients), (ys, last, gradients), 1e-13)
    plain = solve(name, problem, masked=True, reverse=reverse)
    same((actual.ys, actual.last), (plain.ys, plain.last), 1e-13)
    assert not np.allclose(actual.gradients.weights["u"], plain.gradients.weights["u"], rtol=1e-3)


@directions
def test_truncation_does_not_depend_on_how_much_padding_there_is(reverse):
    problem = problems.make("lstm", lengths=(3, 1, 0, 2))
    short = problem.replace(xs=problem.arguments.xs[:, :3], ys_share=problem.ys_share[:, :3])
    actual, wanted = (
        solve("lstm", variant, masked=True, reverse=reverse, tbptt_steps=EVERY, block=3) for variant in (problem, short)
    )
    same(actual.gradients._replace(xs=actual.gradients.xs[:, :3]), wanted.gradients, 1e-13)


@directions
def test_without_lengths_truncation_is_that_of_full_lengths(reverse):
    problem, name = problems.make("rnn", lengths=(STEPS,) * BATCH), "rnn"
    actual, wanted = (
        solve(name, problem, masked=masked, reverse=reverse, tbptt_steps=EVERY) for masked in (False, True)
    )
    same(actual, wanted, 1e-13)


@functools.cache
def noise(name: str):
    """Return dropout of the state, and zoneout of each part with values from 0 to 1."""
    rng, widths = np.random.default_rng(3), cell_of(name).widths(HIDDEN)
    mask = (rng.random((BATCH, widths[0])) < 0.6) / 0.6
    return mask, tuple(np.clip(rng.normal(0.5, 0.6, size=(BATCH, STEPS, width)), 0, 1) for width in widths)


@pytest.mark.parametrize(("name", "reverse", "options"), [("rnn", True, {}), ("lstm", False, CUT)])
def test_with_dropout_and_zoneout_the_backward_pass_is_that_of_the_plain_scan(name, reverse, options):
    problem, cell = problems.make(name), cell_of(name)

    @jax.jit
    def gradients(problem, noise):
        mask, hold = noise

        def total(arguments, plain):
            ys, last = unrolled(
                cell, arguments.weights, arguments.xs, arguments.carry, lengths=problem.lengths, reverse=reverse,
                mask=mask, hold=hold, plain=plain, **options,
            )  # fmt: skip
            return problem.loss(ys, last), (ys, last)

        return [
            jax.grad(functools.partial(total, plain=plain), has_aux=True)(problem.arguments) for plain in (False, True)
        ]

    with jax.enable_x64(True):
        actual, wanted = gradients(problem, noise(name))
    same(actual, wanted)


def test_zoneout_of_1_keeps_the_state_and_zoneout_of_0_changes_nothing():
    problem, cell = problems.make("lstm"), cell_of("lstm")

    @jax.jit
    def run(arguments):
        def held(share):
            hold = None if share is None else (jnp.full((1, 1, 1), share),) * len(arguments.carry)
            return unrolled(cell, arguments.weights, arguments.xs, carry=arguments.carry, hold=hold)

        return held(None), held(0.0), held(1.0)

    with jax.enable_x64(True):
        plain, never, always = run(problem.arguments)
    jax.tree.map(np.testing.assert_array_equal, never, plain)
    jax.tree.map(np.testing.assert_array_equal, always[1], problem.arguments.carry)


def relative(actual, wanted) -> float:
    x, y = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in (actual, wanted))
    return float(np.linalg.norm(x - y) / np.linalg.norm(y))


KINKED = ("rnn-relu", "ligru", "indrnn")
"""Cells with relu: rounding may move a state across 0, which changes its gradient completely."""


MEASURED = ("rnn", "lstm", "gru", "slstm", "sru", "mingru", "lru", *KINKED)
"""Cells whose error is documented, one for each structure."""
QUICK = ("lstm", "slstm", "lru", "rnn-relu")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in MEASURED]
)
def test_bfloat16_rounds_factors_and_nothing_else(name):
    """At 100 steps the error is still that of the factors, 2^-9."""
    steps, hidden_size, cell = 100, 64, cell_of(name)
    rng = np.random.default_rng(0)
    xs, share = (jnp.asarray(rng.normal(size=(8, steps, width)), jnp.float32) for width in (16, hidden_size))
    scheme = InitScheme.of(InitOptions())
    arrays = jax.jit(lambda: Weights(cell, 16, hidden_size, scheme, jax.random.key(0), length=steps).arrays())()

    @functools.partial(jax.jit, static_argnums=1)
    def run(arrays, compute_dtype):
        def total(arrays, xs):
            ys, last = unrolled(cell, arrays, xs, compute_dtype=compute_dtype)
            return jnp.sum(ys * share), (ys, last)

        return jax.grad(total, argnums=(0, 1), has_aux=True)(arrays, xs)

    (gradients, results), (exact_gradients, exact) = run(arrays, jnp.bfloat16), run(arrays, None)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves((gradients, results)))
    assert 1e-3 < relative(results[0], exact[0]) < 5e-3
    assert 1e-3 < relative(results[0][:, -1], exact[0][:, -1]) < 5e-3
    assert 1e-3 < relative(gradients, exact_gradients) < (0.1 if name in KINKED else 8e-3)


@names
def test_sums_of_rounded_factors_are_of_single_precision_on_any_device(name):
    """On a CPU XLA may compute with higher precision than the program asks for, so this reads the program."""
    problem = problems.make(name)
    arrays, xs = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), (problem.arguments.weights, problem.arguments.xs))

    def loss(arrays, xs):
        return jnp.sum(unrolled(cell_of(name), arrays, xs, compute_dtype=jnp.bfloat16)[0])

    text = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(arrays, xs).as_text()
    products = [line for line in text.splitlines() if "stablehlo.dot_general" in line]
    assert len(products) >= 5
    assert all(line.count("bf16>") == 2 and line.rstrip().endswith("xf32>") for line in products), products
