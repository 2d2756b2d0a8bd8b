"""The contract of a recurrent cell.

    x_gates_t = x_t W + b                       many t in one product
    carry_t = step(carry_{t-1}, x_gates_t)      elementwise, but for products with the state

Most cells are a pointwise function of the former carry and of the gates, x_gates_t + h_{t-1} U: such a cell is a class
that sets `name` and `gates` and writes `pointwise`. Others write `step`. Scan, backward pass, probes, dropout, packing
and tests are written once for all of them.

A cell is a frozen dataclass: its fields are its options, with the defaults that `cell.name=...` starts from, and their
docstrings are the text of `--help`. To add one, write a file of this folder and enter the class in `CELLS`.

Axes: `B` batch, `T` time, `D` input features, `H` hidden features, `G` gates.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, final

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from research.cells import initializers
from research.cells.initializers import InitScheme, Layout, Matrix, Vector
from research.options import require

Carry = tuple[Float[Array, "..."], ...]
Activation = Literal["sigmoid", "tanh"]
EPSILON = 1e-5
"""What is added to the variance in a normalization."""


class Tape:
    """What a step does beyond elementwise arithmetic.

    This is the plain tape: values pass unchanged, and JAX differentiates the step as it stands. The tapes of
    `recurrence.kernels.tape` record a step and replay it for the backward pass.
    """

    def __init__(
        self,
        weights: Mapping[str, Float[Array, "..."]],
        mask: Float[Array, "B H"] | None = None,
        eps: Mapping[str, Array] | None = None,
        compute_dtype: Any = None,
    ) -> None:
        """Start a tape for one step.

        Args:
            weights: by the cell's names: the matrices of its products, and vectors.
            mask: factors on a state that enters a recurrent product: variational dropout, the same for all steps.
            eps: what is added to each part of the carry as it is computed, to differentiate with respect to it.
            compute_dtype: the type that the factors of products are rounded to.
        """
        self.weights, self.mask, self.eps, self.compute_dtype = weights, mask, eps, compute_dtype

    def recur(self, name: str, h: Float[Array, "B M"]) -> Float[Array, "B N"]:
        """Return the recurrent product of a state with the matrix of that name; dropout of the state comes first."""
        return self.project(name, self.dropped(h))

    def project(self, name: str, x: Float[Array, "B M"]) -> Float[Array, "B N"]:
        """Return the product with the matrix of that name; each matrix may be used once a step."""
        return matmul(x, self.weights[name], self.compute_dtype)

    def vector(self, name: str) -> Float[Array, "1 N"]:
        """Return the vector of that name, to be used elementwise."""
        return self.weights[name][None, :]

    def dropped(self, h: Float[Array, "B M"]) -> Float[Array, "B M"]:
        """Apply dropout to a state that enters the recurrence."""
        return h if self.mask is None else h * self.mask

    def keep(self, value: Array) -> Array:
        """Keep the value for the backward pass: to be called on what is then read other than linearly.

        What is in front of it is not computed again. The carry before the step is kept in any case; the gates of the
        input are not, so `x_gates` is to be kept, or a sum that it is in.
        """
        return value

    def part(self, name: str, value: Float[Array, "B N"]) -> Float[Array, "B N"]:
        """Return the value of a part of the carry; to be called on each but the first, before the first is formed.

        Gradients of the loss with respect to that part are read at this point.
        """
        return value if self.eps is None else value + self.eps[name]


@dataclass(frozen=True)
class Cell:
    """A recurrent cell: equations and options. The weights are in `Weights`, the state is in the carry."""

    name: str = ""

    gates: ClassVar[tuple[str, ...]]
    """Names of the G gate blocks; the last axis of `w`, `u` and `b` is G blocks of H in this order."""
    parts: ClassVar[tuple[str, ...]] = ("h",)
    """Names of the parts of the carry; `h`, which the layer above reads, comes first."""
    state: ClassVar[str] = "h"
    """The part that the next step reads, so that the gradient travels in it; its profile is the one summed up."""
    averages: ClassVar[bool] = True
    """Whether the parts besides h of two steps can be averaged, as zoneout does in evaluation."""
    keep_gate: ClassVar[str | None] = None
    """The gate whose bias `init.forget_bias` and chrono set: open, it keeps the state."""
    write_gate: ClassVar[str | None] = None
    """The gate that lets the input in, where it is not the complement of `keep_gate`; chrono closes it."""
    bias_in_step: ClassVar[bool] = False
    """Whether the step adds `b` itself, as `tape.vector("b")`, and `x_gates` are without it."""

    def pointwise(self, carry: Carry, gates: Float[Array, "B GH"], tape: Tape) -> Carry:
        """Return the carry after a step, elementwise, from x_gates + h_gates before any activation.

        `tape.part("c", c)` is to be called on each part other than `h`, before `h` is formed from it.
        """
        raise NotImplementedError

    def step(self, carry: Carry, x_gates: Float[Array, "B GH"], tape: Tape) -> Carry:
        """Return the carry after a step; by default `pointwise` of the one sum of both products."""
        return self.pointwise(carry, tape.keep(x_gates + tape.recur("u", carry[0])), tape)

    @final
    def input_gates(self, weights: Mapping[str, Array], xs: Float[Array, "*B D"], compute_dtype: Any = None) -> Array:
        """Return `x_gates`: x W + b, [*B, G·H]."""
        products = matmul(xs, weights["w"], compute_dtype)
        return products if self.bias_in_step else products + weights["b"].reshape((1,) * (xs.ndim - 1) + (-1,))

    def widths(self, hidden_size: int) -> tuple[int, ...]:
        """Return the width of each part of the carry; H by default."""
        return (hidden_size,) * len(self.parts)

    def matrices(self, hidden_size: int) -> dict[str, Matrix]:
        """Return the matrices besides `w` by name, and which are recurrent; by default `u` [H, G·H], which is."""
        return {"u": Matrix(self.widths(hidden_size)[0], hidden_size, len(self.gates))}

    def vectors(self, hidden_size: int) -> dict[str, Vector]:
        """Return the weights that are used elementwise, by name."""
        return {}

    def initial_carry(self, batch: int, hidden_size: int, dtype: Any = jnp.float32) -> Carry:
        """Return zeros, [B, width] for each part."""
        return tuple(jnp.zeros((batch, width), dtype) for width in self.widths(hidden_size))

    def split(self, gates: Float[Array, "*B GH"]) -> tuple[Float[Array, "*B H"], ...]:
        """Return the gate blocks, in their order."""
        return tuple(jnp.split(gates, len(self.gates), axis=-1))

    @property
    def has_recurrent_weights(self) -> bool:
        """Whether a step reads the state through weights: what `init.gain` scales and `dropout.recurrent` drops."""
        return any(weight.recurrent for weight in (*self.matrices(1).values(), *self.vectors(1).values()))

    def unused_init_options(self) -> tuple[str, ...]:
        """Return the options of `init` that do nothing for this cell, whatever the others are."""
        gain = () if self.has_recurrent_weights else ("gain",)
        matrices = () if self.matrices(1) else ("recurrent", "sparse_fan_in")
        return (*gain, *matrices, *(() if self.keep_gate else ("bias", "forget_bias", "chrono_max_length")))

    @final
    def gate_index(self, role: Literal["keep_gate", "write_gate"]) -> int | None:
        """Return the index in `gates` of the gate that has this role; None if none has.

        Raises:
            UserError: if the attribute does not name one of the gates.
        """
        gate = getattr(self, role)
        allowed = f"None or one of the gates of the cell {self.name}: {', '.join(self.gates)}"
        require(gate is None or gate in self.gates, role, gate, allowed)
        return None if gate is None else self.gates.index(gate)


class Weights(nnx.Module):
    """The weights of one layer and direction: `w` [D, G·H], `b` [G·H], the matrices and the vectors of the cell.

    They may be set from outside: `weights.u[...] = array`.
    """

    def __init__(self, cell: Cell, inputs: int, hidden_size: int, init: InitScheme, key: Array, *, length: int) -> None:
        """Draw the weights; `length`: of the longest sequence that the layer reads, for chrono and the IndRNN."""
        matrices, vectors = cell.matrices(hidden_size), cell.vectors(hidden_size)
        keep, write = cell.gate_index("keep_gate"), cell.gate_index("write_gate")
        blocks = len(cell.gates)
        layout = Layout(inputs, hidden_size, blocks, keep, write, tuple(matrices.items()), tuple(vectors.items()))
        self.names = ("w", "b", *matrices, *vectors)
        for name, value in initializers.draw(replace(init, length=np.float32(length)), layout, key).items():
            setattr(self, name, nnx.Param(value))

    def arrays(self) -> dict[str, Array]:
        """Return all weights by name."""
        return {name: getattr(self, name)[...] for name in self.names}


def matmul(a: Float[Array, "*B M"], b: Float[Array, "M N"], compute_dtype: Any = None) -> Float[Array, "*B N"]:
    """Return `a @ b`, with factors rounded to the type `compute_dtype` and a sum in the type of `a`."""
    if compute_dtype is None or compute_dtype == a.dtype:
        return a @ b
    return jnp.matmul(a.astype(compute_dtype), b.astype(compute_dtype), preferred_element_type=a.dtype)


def activate(gates: Float[Array, "*B GH"], *activations: Activation) -> tuple[Array, ...]:
    """Apply one activation to each gate block, with one tanh over the whole block.

    sigmoid(z) = tanh(z/2)/2 + 1/2. Splitting first would break the vectorized elementwise kernel into G pieces.
    """
    hidden_size = gates.shape[-1] // len(activations)
    half = np.array([0.5 if kind == "sigmoid" else 1.0 for kind in activations], gates.dtype)
    scale = np.repeat(half, hidden_size).reshape((1,) * (gates.ndim - 1) + (-1,))
    return tuple(jnp.split(jnp.tanh(gates * scale) * scale + (1 - scale), len(activations), axis=-1))


def normalize(z: Float[Array, "B N"]) -> Float[Array, "B N"]:
    """Return `z` with mean 0 and variance 1 over the features: layer normalization without its gain and shift."""
    centered = z - jnp.mean(z, axis=-1, keepdims=True)
    return centered * jax.lax.rsqrt(jnp.mean(jnp.square(centered), axis=-1, keepdims=True) + EPSILON)
