"""A recurrent layer with given weights, on NumPy or JAX arrays, and the gradient of a loss with respect to its states.

    layer = Layer("lstm", {"w": w, "u": u, "b": b})         # or Layer.init("lstm", input_size=2, hidden_size=8)
    states, (h, c) = layer(xs, lengths)
    d_h = hidden_gradients(lambda states: jnp.sum(states[:, -1]), layer, xs, lengths)["h"]

Weights by name: `w` [D, G·H] for the inputs, `u` [H, G·H] for the state and `b` [G·H], each as G gate blocks of H
columns side by side; some cells have other matrices and vectors. The docstring of a cell's class names its weights and
the order of its gates: `help(research.cells.LSTM)`.

A layer computes in the type of its weights: float32, or float64 where `jax_enable_x64` is on.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.errors import TracerArrayConversionError
from jaxtyping import Array, Float

from research.cells import CELLS
from research.cells.cell import Carry, Cell, Weights
from research.cells.initializers import InitOptions, InitScheme
from research.errors import UserError, kind_of, suggest
from research.recurrence.kernels.backward import Noise, Plan, plain_recurrence
from research.recurrence.unroll import LayerInputs, unroll


class Layer:
    """A recurrent layer: the equations of a cell, and its weights."""

    def __init__(self, cell: Cell | str, weights: Mapping[str, Any]) -> None:
        """Take weights that there are.

        Args:
            cell: such as `research.cells.LSTM(peephole=True)`, or the name of one.
            weights: arrays by name, as the module says.

        Raises:
            UserError: for a cell that does not exist, and for weights that are missing, too many or of a wrong shape.
        """
        self.cell = _cell_of(cell)
        arrays = {name: jnp.asarray(weight) for name, weight in weights.items()}
        dtype = jnp.result_type(float, *arrays.values())
        self._weights = {name: array.astype(dtype) for name, array in arrays.items()}
        _check_weights(self.cell, self._weights)

    @classmethod
    def init(
        cls, cell: Cell | str, input_size: int, hidden_size: int, seed: int = 0, length: int = 100, **init: Any
    ) -> "Layer":
        """Return a layer with random weights, as a training with these options starts from.

        Args:
            cell: or its name.
            input_size: D.
            hidden_size: H.
            seed: decides the weights.
            length: steps of the longest sequences that it will read, for `bias="chrono"` and the IndRNN.
            init: options of `research.cells.initializers.InitOptions`, such as `forget_bias=1.0`.
        """
        options = [item.name for item in fields(InitOptions)]
        for name in init.keys() - {*options}:
            raise UserError(f"{name}: no such option of an initializer; {suggest(name, options)}")
        cell, scheme = _cell_of(cell), InitScheme.of(InitOptions(**init))
        drawn = Weights(cell, input_size, hidden_size, scheme, jax.random.key(seed), length=length)
        return cls(cell, drawn.arrays())

    def __repr__(self) -> str:
        options = {item.name: (getattr(self.cell, item.name), item.default) for item in fields(self.cell)}
        changed = [f"{name}={value!r}" for name, (value, default) in options.items() if value != default]
        cell = f"{type(self.cell).__name__}({', '.join(changed)})"
        sizes = f"input_size={self.input_size}, hidden_size={self.hidden_size}"
        return f"Layer({cell}, {sizes}, dtype={self._weights['w'].dtype})"

    @property
    def weights(self) -> dict[str, np.ndarray]:
        return {name: np.asarray(weight) for name, weight in self._weights.items()}

    @property
    def input_size(self) -> int:
        """Features of an input, D."""
        return self._weights["w"].shape[0]

    @property
    def hidden_size(self) -> int:
        """Units of the layer, H."""
        return len(self._weights["b"]) // len(self.cell.gates)

    def __call__(
        self, xs: Any, lengths: Any = None, initial_carry: Any = None, reverse: bool = False
    ) -> tuple[Float[Array, "B T H"], Carry]:
        """Return the state h at all steps, and the last carry: its parts in the order of `cell.parts`, such as (h, c).

        Args:
            xs: inputs [B, T, D].
            lengths: valid steps of each sequence [B], all by default; states past them are zeros.
            initial_carry: the parts before the first step, [B, H] each, or one array for a cell with one part; zeros by
                default.
            reverse: read from the last valid step to the first; states stay in the order of the inputs.
        """
        arguments = self._arguments(xs, lengths, initial_carry)
        return _states(self.cell, reverse, self._weights, *arguments)

    def _arguments(self, xs: Any, lengths: Any, initial_carry: Any) -> tuple[Array, Array | None, Carry]:
        """Return arrays of the layer's type; refuse those of a wrong shape."""
        dtype = self._weights["w"].dtype
        xs = jnp.asarray(xs, dtype)
        if xs.ndim != 3 or xs.shape[2] != self.input_size:
            raise UserError(f"xs: has the shape {xs.shape}; must be [batch, steps, {self.input_size}]")
        batch, steps, _ = xs.shape
        if lengths is not None:
            if not isinstance(lengths, Tracer):
                values = np.asarray(lengths)
                whole = values.shape == (batch,) and np.issubdtype(values.dtype, np.integer)
                if not whole or np.any((values < 0) | (values > steps)):
                    raise UserError(f"lengths={values.tolist()}: must be {batch} whole numbers from 0 to {steps}")
            lengths = jnp.asarray(lengths, jnp.int32)
        if initial_carry is None:
            return xs, lengths, self.cell.initial_carry(batch, self.hidden_size, dtype)
        parts = (initial_carry,) if getattr(initial_carry, "ndim", 0) == 2 else initial_carry
        carry = tuple(jnp.asarray(part, dtype) for part in parts)
        shapes, wanted = (
            [part.shape for part in carry],
            [(batch, width) for width in self.cell.widths(self.hidden_size)],
        )
        if shapes != wanted:
            names = ", ".join(self.cell.parts)
            raise UserError(f"initial_carry: has the shapes {shapes}; must be {wanted}, those of ({names})")
        return xs, lengths, carry


def hidden_gradients(
    loss: Callable[[Float[Array, "B T H"]], Array],
    layer: Layer,
    xs: Any,
    lengths: Any = None,
    initial_carry: Any = None,
    reverse: bool = False,
) -> dict[str, Float[Array, "B T H"]]:
    """Return dL/dh_t for all steps, and the same for the other parts of the carry: {"h": ..., "c": ...} for an LSTM.

    It is the total derivative, through step t itself and all steps that are read after it. A part is varied as it is
    computed, so dL/dc_t of an LSTM includes what c_t does by way of h_t. Past a sequence's length it is 0.

    Args:
        loss: a number from the states [B, T, H] that the layer returns, by `jax.numpy`.
        layer: the cell and its weights.
        xs: and the others, as for a call of the layer.
        lengths: valid steps of each sequence.
        initial_carry: the parts before the first step.
        reverse: read from the end.

    Raises:
        UserError: if the loss is no real number, and for what a call of the layer refuses.
    """
    if not isinstance(layer, Layer):
        raise UserError(f"layer: is {kind_of(layer)}; must be a Layer, the second argument after the loss")
    xs, lengths, carry = layer._arguments(xs, lengths, initial_carry)
    zeros = tuple(jnp.zeros((xs.shape[1], *part.shape), part.dtype) for part in carry)

    def states(eps: tuple[Array, ...]) -> Array:
        return _perturbed_states(layer.cell, reverse, layer._weights, xs, lengths, carry, eps)

    hidden, pullback = jax.vjp(states, zeros)
    (gradients,) = pullback(jax.grad(_checked(loss))(hidden))
    return {name: jnp.swapaxes(part, 0, 1) for name, part in zip(layer.cell.parts, gradients, strict=True)}


def _checked(loss: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Return a loss that refuses a result that has no gradient."""

    def checked(states: Array) -> Array:
        try:
            value = loss(states)
        except TracerArrayConversionError as error:
            raise UserError("loss: must be computed by jax.numpy, not by numpy") from error
        is_array = isinstance(value, Array | np.ndarray | float)
        if not is_array or np.shape(value) or not jnp.issubdtype(jnp.result_type(value), jnp.floating):
            allowed = "one real number, such as jnp.mean(states[:, -1] ** 2)"
            raise UserError(f"loss: returns {kind_of(value)}; must be {allowed}")
        if not isinstance(value, Tracer):
            raise UserError("loss: returns a constant; must be computed from the states that it is given")
        return value

    return checked


@functools.partial(jax.jit, static_argnums=(0, 1))
def _states(
    cell: Cell, reverse: bool, weights: dict[str, Array], xs: Array, lengths: Array | None, carry: Carry
) -> tuple[Array, Carry]:
    return unroll(LayerInputs("", cell, weights, xs, carry, lengths, reverse))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _perturbed_states(
    cell: Cell,
    reverse: bool,
    weights: dict[str, Array],
    xs: Array,
    lengths: Array | None,
    carry: Carry,
    eps: tuple[Array, ...],
) -> Array:
    """Return the states [B, T, H] where `eps` [T, B, H] is added to each part of the carry."""
    steps = xs.shape[1]
    valid = None if lengths is None else jnp.arange(steps)[:, None] < lengths[None, :]
    if valid is not None:  # what is not finite past a sequence's end must not meet the zeros of a gradient
        xs = jnp.where(valid.T[:, :, None], xs, 0)
    hidden, _ = plain_recurrence(Plan(cell, steps, reverse), weights, xs, carry, Noise(valid), eps)
    return jnp.swapaxes(hidden, 0, 1)


def _cell_of(cell: Cell | str) -> Cell:
    if isinstance(cell, Cell):
        return cell
    if cell not in CELLS:
        raise UserError(f"cell={cell}: no such cell; {suggest(cell, CELLS)}")
    return CELLS[cell]()


def _check_weights(cell: Cell, weights: Mapping[str, Array]) -> None:
    """Refuse weights that are not those of a layer of this cell."""
    blocks = len(cell.gates)
    size = weights["b"].size // blocks if "b" in weights and weights["b"].size % blocks == 0 else 0
    size = size or (weights["u"].shape[0] if "u" in weights and weights["u"].ndim else 1)
    inputs = weights["w"].shape[0] if "w" in weights and weights["w"].ndim else 1
    matrices = {name: (rows, blocks * columns) for name, (rows, columns, blocks, _) in cell.matrices(size).items()}
    vectors = {name: (vector.size,) for name, vector in cell.vectors(size).items()}
    shapes = {"w": (inputs, blocks * size), **matrices, "b": (blocks * size,), **vectors}
    actual = {name: weight.shape for name, weight in weights.items()}
    if actual != shapes:
        has, wanted = (", ".join(f"{name} {shape}" for name, shape in named.items()) for named in (actual, shapes))
        turned = any(
            weight.ndim == 2 and weight.shape[1:] != shapes[name][1:] == weight.T.shape[1:]
            for name, weight in weights.items()
            if name in shapes
        )
        hint = "; a matrix [inputs, gates · units] is the transpose of PyTorch's" if turned else ""
        raise UserError(f"weights: are {has or 'none'}; those of {cell.name} with {size} units must be {wanted}{hint}")
