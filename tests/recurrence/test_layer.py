"""A layer with given weights is the layer of the equations; gradients are those of a perturbed state."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.cells import LSTM
from research.cells.cell import Cell
from research.errors import UserError
from research.recurrence.layer import Layer, hidden_gradients
from tests.cells import reference
from tests.cells.cases import cell_of
from tests.recurrence import problem as problems
from tests.recurrence.problem import HIDDEN, INPUTS, LENGTHS, STEPS, Problem

WIDEST = "lstm-peephole-projection-layer-norm"
CASES = pytest.mark.parametrize(
    ("case", "reverse"), [("lstm", False), ("lstm", True), ("gru-before", True), ("lru", True), (WIDEST, False)]
)
EPS = 1e-5


def numpy_states(case: str, problem: Problem, reverse: bool, nudges=None):
    weights, xs, carry = problem.arguments
    return reference.unroll(case, weights, xs, carry, problem.lengths, reverse, nudges)


@CASES
def test_states_and_carry_are_those_of_the_equations(case, reverse):
    problem = problems.make(case)
    weights, xs, carry = problem.arguments
    with jax.enable_x64(True):
        states, last = Layer(cell_of(case), weights)(xs, LENGTHS, carry, reverse)
        assert states.dtype == np.float64
    wanted = numpy_states(case, problem, reverse)
    for ours, theirs in zip((states, *last), (wanted[0], *wanted[1]), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@CASES
def test_gradients_are_those_of_a_state_that_is_perturbed(case, reverse):
    """By central differences of the equations in NumPy, in float64 and in float32."""
    problem, cell = problems.make(case), cell_of(case)
    weights, xs, carry = problem.arguments
    steps, widths = range(STEPS), cell.widths(HIDDEN)
    wanted = {part: np.zeros((len(xs), STEPS, width)) for part, width in zip(cell.parts, widths, strict=True)}
    for index, part in enumerate(cell.parts):
        for t, unit in ((t, unit) for t in steps for unit in range(widths[index])):
            # a sequence depends on its own state alone: all of them are perturbed at once
            nudges = [np.zeros((STEPS, len(xs), width)) for width in widths]
            sums = []
            for sign in (1, -1):
                nudges[index][t, :, unit] = sign * EPS
                ys = numpy_states(case, problem, reverse, nudges)[0]
                sums.append(np.sum(ys * problem.ys_share, axis=(1, 2)))
            wanted[part][:, t, unit] = (sums[0] - sums[1]) / (2 * EPS)

    def gradients():
        loss = lambda states: jnp.sum(states * problem.ys_share)  # noqa: E731
        return hidden_gradients(loss, Layer(cell, weights), xs, LENGTHS, carry, reverse)

    with jax.enable_x64(True):
        exact = gradients()
    assert list(exact) == list(cell.parts)
    for part, values in gradients().items():
        assert np.any(wanted[part])
        np.testing.assert_allclose(exact[part], wanted[part], atol=1e-6)
        np.testing.assert_allclose(values, exact[part], rtol=1e-5, atol=1e-5)


def test_drawn_weights_are_given_back_and_make_the_same_layer():
    layer = Layer.init("lstm", INPUTS, HIDDEN, seed=1, forget_bias=2.0)
    weights = layer.weights
    assert (layer.input_size, layer.hidden_size) == (INPUTS, HIDDEN)
    assert {name: (type(x), x.shape) for name, x in weights.items()} == {
        "w": (np.ndarray, (INPUTS, 4 * HIDDEN)),
        "u": (np.ndarray, (HIDDEN, 4 * HIDDEN)),
        "b": (np.ndarray, (4 * HIDDEN,)),
    }
    assert weights["b"].tolist() == [0.0] * 3 + [2.0] * 3 + [0.0] * 6
    xs = np.ones((2, 4, INPUTS))
    np.testing.assert_array_equal(layer(xs)[0], Layer("lstm", weights)(xs)[0])
    assert np.any(Layer.init("lstm", INPUTS, HIDDEN, seed=2).weights["w"] != weights["w"])


def test_a_layer_is_differentiated_with_respect_to_its_weights():
    weights = Layer.init("rnn", INPUTS, HIDDEN).weights
    xs = np.ones((2, 4, INPUTS), np.float32)
    gradients = jax.jit(jax.grad(lambda weights: jnp.sum(Layer("rnn", weights)(xs)[0])))(weights)
    assert all(np.any(gradients[name]) for name in weights)


WEIGHTS = {"w": np.zeros((2, 12)), "u": np.zeros((3, 12)), "b": np.zeros(12)}


def test_a_layer_is_shown_as_its_cell_with_the_options_that_differ_and_its_sizes():
    layer = Layer.init(LSTM(peephole=True, projection_size=2), input_size=2, hidden_size=3)
    assert repr(layer) == "Layer(LSTM(peephole=True, projection_size=2), input_size=2, hidden_size=3, dtype=float32)"


def test_a_layer_before_the_loss_is_named():
    with pytest.raises(UserError, match="layer: is .*function.*; must be a Layer, the second argument after the loss"):
        inspect.unwrap(hidden_gradients)(Layer("lstm", WEIGHTS), lambda states: states.sum(), np.zeros((1, 4, 2)))


def test_a_cell_with_one_part_starts_from_an_array_as_from_a_tuple_of_it():
    layer = Layer.init("gru", 2, 3)
    xs, h = np.ones((2, 4, 2)), np.full((2, 3), 0.5)
    np.testing.assert_array_equal(layer(xs, initial_carry=h)[0], layer(xs, initial_carry=(h,))[0])
    assert not np.array_equal(layer(xs, initial_carry=h)[0], layer(xs)[0])


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda states: states, r"loss: returns an array \[1, 4, 3\] of float32; must be one real number"),
        (
            lambda states: (jnp.sum(states), 1),
            r"loss: returns tuple \(an array \[\] of float32, int\); must be one real number",
        ),
        (lambda states: jnp.sum(states > 0), r"loss: returns an array \[\] of int32; must be one real number"),
        (lambda states: None, "loss: returns NoneType; must be one real number"),
        (lambda states: np.sum(np.asarray(states)), "loss: must be computed by jax.numpy, not by numpy"),
        (lambda states: 1.0, "loss: returns a constant; must be computed from the states"),
    ],
)
def test_a_loss_without_a_gradient_is_refused_in_one_line(loss, message):
    with pytest.raises(UserError, match=message):
        hidden_gradients(loss, Layer("lstm", WEIGHTS), np.zeros((1, 4, 2)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Layer.init("lstm", 2, 3, forget_bais=1.0),
            "forget_bais: no such option of an initializer; did you mean forget_bias?",
        ),
        (lambda: Layer("lstn", WEIGHTS), "cell=lstn: no such cell; did you mean lstm?"),
        (lambda: Layer("lstm", {"w": 1.0}), r"weights: are w \(\); those of lstm with 1 units must be w \(1, 4\), u"),
        (
            lambda: Layer("lstm", WEIGHTS | {"u": np.zeros((12, 3))}),
            r"u \(12, 3\), .* with 3 units must be .*u \(3, 12\).*the transpose of PyTorch.s$",
        ),
        (
            lambda: Layer("gru", WEIGHTS | {"b": np.zeros(4)}),
            r"those of gru with 3 units must be w \(2, 9\), u \(3, 9\)",
        ),
        (lambda: Layer("lstm", WEIGHTS)(np.zeros((4, 5))), r"xs: has the shape \(4, 5\); must be \[batch, steps, 2\]"),
        (
            lambda: Layer("lstm", WEIGHTS)(np.zeros((2, 5, 2)), [5, 6]),
            r"lengths=\[5, 6\]: must be 2 whole numbers from 0",
        ),
        (
            lambda: Layer("lstm", WEIGHTS)(np.zeros((2, 5, 2)), [2.9, 3]),
            r"lengths=\[2.9, 3.0\]: must be 2 whole numbers",
        ),
        (
            lambda: Layer("lstm", WEIGHTS)(np.zeros((1, 5, 2)), None, (np.zeros((1, 3)),)),
            r"initial_carry: .* must be \[\(1, 3\), \(1, 3\)\], those of \(h, c\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, message):
    with pytest.raises(UserError, match=message) as raised:
        call()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("returned", "what"),
    [
        (lambda h: h, r"an array \[2, 3\] of float32"),
        (lambda h: (h[:, :2],), r"tuple \(an array \[2, 2\] of float32\)"),
        (lambda h: [h], r"list \(an array \[2, 3\] of float32\)"),
        (lambda h: None, "NoneType"),
    ],
)
def test_a_step_of_a_cell_that_returns_no_carry_is_one_line(returned, what):
    methods = {"gates": ("g",), "step": lambda self, carry, x_gates, tape: returned(carry[0])}
    cell = type("Wrong", (Cell,), methods)(name="wrong")
    weights = {"w": np.zeros((2, 3)), "u": np.zeros((3, 3)), "b": np.zeros(3)}
    wanted = r"the new carry \(h\), tuple \(an array \[2, 3\] of float32\)"
    with pytest.raises(UserError, match=f"^cell wrong: a step returns {what}; must be {wanted}"):
        Layer(cell, weights)(np.zeros((2, 4, 2)))
