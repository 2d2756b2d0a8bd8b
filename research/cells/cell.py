"""The contract of a recurrent cell.

    x_gates_t = x_t W + b                       for many t in one product
    carry_t = step(carry_{t-1}, x_gates_t)      elementwise, except for products with the state

Most cells compute the new carry elementwise from the previous carry and the sum x_gates_t + h_{t-1} U: such a cell sets
`name` and `gates` and defines `pointwise`. Other cells define `step`. The scan, the backward pass, probes, dropout,
packing and the tests work with every cell.

A cell is a frozen dataclass: its fields are its options, and the docstrings of the fields are the text of `--help`. To
add a cell, write a file in this folder and enter the class in `CELLS`.

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
from research.errors import kind_of, require_returned
from research.options import require

Carry = tuple[Float[Array, "..."], ...]
Activation = Literal["sigmoid", "tanh"]
EPSILON = 1e-5
"""Added to the variance in layer normalization."""


class Tape:
    """Products and bookkeeping of one step.

    With this tape JAX differentiates the step. The subclasses in `recurrence.kernels.tape` record the step and replay
    it in the backward pass.
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
            weights: matrices and vectors by name.
            mask: variational dropout: factors on the state in recurrent products, the same at all steps.
            eps: zeros added to each part of the carry, to differentiate with respect to them.
            compute_dtype: type to which the factors of products are rounded.
        """
        self.weights, self.mask, self.eps, self.compute_dtype = weights, mask, eps, compute_dtype

    def recur(self, name: str, h: Float[Array, "B M"]) -> Float[Array, "B N"]:
        """Return the product of a state, after dropout, with a recurrent matrix."""
        return self.project(name, self.dropped(h))

    def project(self, name: str, x: Float[Array, "B M"]) -> Float[Array, "B N"]:
        """Return the product with a matrix; use each matrix once per step."""
        return matmul(x, self.weights[name], self.compute_dtype)

    def vector(self, name: str) -> Float[Array, "1 N"]:
        """Return a vector of weights, for elementwise use."""
        return self.weights[name][None, :]

    def dropped(self, h: Float[Array, "B M"]) -> Float[Array, "B M"]:
        """Return the state after recurrent dropout."""
        return h if self.mask is None else h * self.mask

    def keep(self, value: Array) -> Array:
        """Keep a value for the backward pass, which then does not compute it again.

        Call this on every value that a nonlinear function reads. The backward pass has the carry before the step, but
        not `x_gates`: keep `x_gates`, or a sum that contains it.
        """
        return value

    def gate(self, name: str, value: Float[Array, "*B H"]) -> Float[Array, "*B H"]:
        """Mark a gate: a factor between 0 and 1 for each unit, under its name in the equations.

        Call this on every gate; `recurrence.trajectory` and the probe `gates` read them there.
        """
        return value

    def part(self, name: str, value: Float[Array, "B N"]) -> Float[Array, "B N"]:
        """Mark where a part of the carry is computed: the gradient profile takes dL/d(part) there.

        Call this on every part except the first, before computing the first from it.
        """
        return value if self.eps is None else value + self.eps[name]


@dataclass(frozen=True)
class Cell:
    """Options and equations of a recurrent cell. `Weights` holds the weights, the carry holds the state."""

    name: str = ""

    gates: ClassVar[tuple[str, ...]]
    """Names of the G gate blocks, in their order along the last axis of `w`, `u` and `b`."""
    parts: ClassVar[tuple[str, ...]] = ("h",)
    """Names of the parts of the carry. The first is `h`, which the layer above reads."""
    state: ClassVar[str] = "h"
    """The part that carries the gradient through time; metrics summarize its gradient profile."""
    averages: ClassVar[bool] = True
    """Whether the parts other than h can be averaged over two steps, as zoneout does in evaluation."""
    keep_gate: ClassVar[str | None] = None
    """The gate that keeps the state when it is open; `init.forget_bias` and chrono set its bias."""
    write_gate: ClassVar[str | None] = None
    """The gate that lets the input in, unless it is 1 - `keep_gate`; chrono sets its bias, too."""
    bias_in_step: ClassVar[bool] = False
    """Whether the step adds the bias, `tape.vector("b")`; `x_gates` then does not contain it."""

    def pointwise(self, carry: Carry, gates: Float[Array, "B GH"], tape: Tape) -> Carry:
        """Return the carry after a step, computed elementwise from the gates before their activations.

        Call `tape.part("c", c)` on each part other than `h`, before computing `h` from it.
        """
        raise NotImplementedError

    def step(self, carry: Carry, x_gates: Float[Array, "B GH"], tape: Tape) -> Carry:
        """Return the carry after a step; by default `pointwise` of x_gates_t + h_{t-1} U."""
        return self.pointwise(carry, tape.keep(x_gates + tape.recur("u", carry[0])), tape)

    @final
    def advance(self, carry: Carry, x_gates: Float[Array, "B GH"], tape: Tape) -> Carry:
        """Return the carry after a `step`.

        Raises:
            UserError: if that is no tuple of arrays like those of the carry.
        """
        new: Any = self.step(carry, x_gates, tape)
        shapes = [(part.shape, part.dtype) for part in carry]
        fits = isinstance(new, tuple) and [(getattr(x, "shape", 0), getattr(x, "dtype", 0)) for x in new] == shapes
        names = ", ".join(self.parts)
        require_returned(fits, f"cell {self.name}: a step returns", new, f"the new carry ({names}), {kind_of(carry)}")
        return new

    @final
    def input_gates(self, weights: Mapping[str, Array], xs: Float[Array, "*B D"], compute_dtype: Any = None) -> Array:
        """Return `x_gates` = x W + b, [*B, G·H]."""
        products = matmul(xs, weights["w"], compute_dtype)
        return products if self.bias_in_step else products + weights["b"].reshape((1,) * (xs.ndim - 1) + (-1,))

    def widths(self, hidden_size: int) -> tuple[int, ...]:
        """Return the width of each part of the carry; H by default."""
        return (hidden_size,) * len(self.parts)

    def matrices(self, hidden_size: int) -> dict[str, Matrix]:
        """Return the matrices other than `w` by name; by default the recurrent `u` [H, G·H]."""
        return {"u": Matrix(self.widths(hidden_size)[0], hidden_size, len(self.gates))}

    def vectors(self, hidden_size: int) -> dict[str, Vector]:
        """Return the elementwise weights by name."""
        return {}

    def initial_carry(self, batch: int, hidden_size: int, dtype: Any = jnp.float32) -> Carry:
        """Return zeros [B, width] for each part."""
        return tuple(jnp.zeros((batch, width), dtype) for width in self.widths(hidden_size))

    def split(self, gates: Float[Array, "*B GH"]) -> tuple[Float[Array, "*B H"], ...]:
        """Return the blocks of the gates."""
        return tuple(jnp.split(gates, len(self.gates), axis=-1))

    @property
    def has_recurrent_weights(self) -> bool:
        """Whether a step multiplies the state by weights, which `init.gain` scales and `dropout.recurrent` drops."""
        return any(weight.recurrent for weight in (*self.matrices(1).values(), *self.vectors(1).values()))

    def unused_init_options(self) -> tuple[str, ...]:
        """Return the options of `init` that have no effect on this cell."""
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

    Set them by `weights.u[...] = array`.
    """

    def __init__(self, cell: Cell, inputs: int, hidden_size: int, init: InitScheme, key: Array, *, length: int) -> None:
        """Sample the weights; `length` is the longest sequence that the layer reads, used by chrono and the IndRNN."""
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
    """Return `a @ b`, with factors rounded to `compute_dtype` and sums in the type of `a`."""
    if compute_dtype is None or compute_dtype == a.dtype:
        return a @ b
    return jnp.matmul(a.astype(compute_dtype), b.astype(compute_dtype), preferred_element_type=a.dtype)


def activate(gates: Float[Array, "*B GH"], *activations: Activation) -> tuple[Array, ...]:
    """Apply an activation to each gate block, by one tanh over all blocks: sigmoid(z) = tanh(z/2)/2 + 1/2.

    Splitting first would split XLA's vectorized kernel as well.
    """
    hidden_size = gates.shape[-1] // len(activations)
    half = np.array([0.5 if kind == "sigmoid" else 1.0 for kind in activations], gates.dtype)
    scale = np.repeat(half, hidden_size).reshape((1,) * (gates.ndim - 1) + (-1,))
    return tuple(jnp.split(jnp.tanh(gates * scale) * scale + (1 - scale), len(activations), axis=-1))


def normalize(z: Float[Array, "B N"]) -> Float[Array, "B N"]:
    """Return `z` with mean 0 and variance 1 over the features: layer normalization without gain and shift."""
    centered = z - jnp.mean(z, axis=-1, keepdims=True)
    return centered * jax.lax.rsqrt(jnp.mean(jnp.square(centered), axis=-1, keepdims=True) + EPSILON)
