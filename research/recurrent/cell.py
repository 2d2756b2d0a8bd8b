"""The contract of a recurrent cell.

    x_gates_t = x_t W + b                       many t in one product
    carry_t = step(carry_{t-1}, x_gates_t)      elementwise, but for products with the state

Most cells are a pointwise function of the former carry and of the gates, x_gates_t + h_{t-1} U: such a cell is a class
in one file of this folder that sets `name` and `gates` and writes `pointwise`. Others write `step`. Scan, backward
pass, probes, dropout, packing and tests are written once for all of them.

Axes: `B` batch, `T` time, `D` input features, `H` hidden features, `G` gates.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, final

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from research import catalogue
from research.config import CellConfig
from research.recurrent import initial
from research.recurrent.initial import InitScheme, Layout
from research.recurrent.tape import Tape, matmul

Carry = tuple[Float[Array, "..."], ...]
Activation = Literal["sigmoid", "tanh"]
EPSILON = 1e-5
"""What is added to the variance in a normalisation."""


class Cell:
    """A recurrent cell: equations and options. The weights are in `Weights`, the state is in the carry."""

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()
    """The options of `CellConfig` that the cell reads."""
    gates: tuple[str, ...]
    """Names of the G gate blocks; the last axis of `w`, `u` and `b` is G blocks of H in this order."""
    parts: tuple[str, ...] = ("h",)
    """Names of the parts of the carry; `h`, which the layer above reads, comes first."""
    state: str = "h"
    """The part that the next step reads, so that the gradient travels in it; its profile is the one summed up."""
    averages: bool = True
    """Whether the parts beside h of two steps can be averaged, as zoneout does in evaluation."""
    keep_gate: str | None = None
    """The gate that keeps the state where it is open: `init.forget_bias` and chrono set its bias."""
    write_gate: str | None = None
    """The gate that lets the input in, where it is not the complement of `keep_gate`; chrono closes it."""
    bias_in_step: bool = False
    """Whether the step adds `b` itself, as `tape.vector("b")`, and `x_gates` are without it."""

    def __init__(self, config: CellConfig = CellConfig()) -> None:
        self.config = config

    def pointwise(self, carry: Carry, gates: Float[Array, "B GH"], tape: Tape) -> Carry:
        """The carry after a step, elementwise.

        Args:
            carry: the parts before the step, each [B, H].
            gates: x_gates + h_gates, before any activation.
            tape: `tape.part("c", c)` is to be called on each part other than `h`, before `h` is formed from it.
        """
        raise NotImplementedError

    def step(self, carry: Carry, x_gates: Float[Array, "B GH"], tape: Tape) -> Carry:
        """The carry after a step; by default `pointwise` of the one sum of both products."""
        return self.pointwise(carry, tape.keep(x_gates + tape.recur("u", carry[0])), tape)

    @final
    def input_gates(self, weights: Mapping[str, Array], xs: Float[Array, "*B D"], compute: Any = None) -> Array:
        """`x_gates`: x W + b, [*B, G·H]."""
        products = matmul(xs, weights["w"], compute)
        return products if self.bias_in_step else products + weights["b"].reshape((1,) * (xs.ndim - 1) + (-1,))

    def widths(self, features: int) -> tuple[int, ...]:
        """The width of each part of the carry; H by default."""
        return (features,) * len(self.parts)

    def matrices(self, features: int) -> dict[str, tuple[int, int, int]]:
        """The matrices beside `w`: rows, columns of a block, blocks by name; `u` [H, G·H] by default."""
        return {"u": (self.widths(features)[0], features, len(self.gates))}

    def vectors(self, features: int) -> dict[str, tuple[int, initial.VectorInit]]:
        """The weights that are used elementwise: size and initialiser (`initial.gate_vector` or another) by name."""
        return {}

    def initial_carry(self, batch: int, features: int, dtype: Any = jnp.float32) -> Carry:
        """Zeros, [B, width] for each part."""
        return tuple(jnp.zeros((batch, width), dtype) for width in self.widths(features))

    def split(self, gates: Float[Array, "*B GH"]) -> tuple[Float[Array, "*B H"], ...]:
        """The gate blocks, in their order."""
        return tuple(jnp.split(gates, len(self.gates), axis=-1))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and type(self) is type(other) and self.config == other.config

    def __hash__(self) -> int:
        return hash((type(self), self.config))


def create(name: str, config: CellConfig = CellConfig()) -> Cell:
    """The cell of that name."""
    return catalogue.load("cells", name)(config)


class Weights(nnx.Module):
    """The weights of one layer and direction: `w` [D, G·H], `b` [G·H], the matrices and the vectors of the cell.

    They may be set from outside: `weights.u[...] = array`.
    """

    def __init__(self, cell: Cell, inputs: int, features: int, init: InitScheme, key: Array) -> None:
        matrices, vectors = cell.matrices(features), cell.vectors(features)
        keep, write = (None if gate is None else cell.gates.index(gate) for gate in (cell.keep_gate, cell.write_gate))
        layout = Layout(inputs, features, len(cell.gates), keep, write, tuple(matrices.items()), tuple(vectors.items()))
        self.names = ("w", "b", *matrices, *vectors)
        for name, value in initial.draw(init, layout, key).items():
            setattr(self, name, nnx.Param(value))

    def arrays(self) -> dict[str, Array]:
        """All weights by name."""
        return {name: getattr(self, name)[...] for name in self.names}


def activate(gates: Float[Array, "*B GH"], *activations: Activation) -> tuple[Array, ...]:
    """Apply one activation to each gate block, with one tanh over the whole block.

    sigmoid(z) = tanh(z/2)/2 + 1/2. Splitting first would break the vectorised elementwise kernel into G pieces.
    """
    features = gates.shape[-1] // len(activations)
    half = np.array([0.5 if kind == "sigmoid" else 1.0 for kind in activations], gates.dtype)
    scale = np.repeat(half, features).reshape((1,) * (gates.ndim - 1) + (-1,))
    return tuple(jnp.split(jnp.tanh(gates * scale) * scale + (1 - scale), len(activations), axis=-1))


def standardised(z: Float[Array, "B N"]) -> Float[Array, "B N"]:
    """Layer normalisation without its gain and shift: mean 0 and variance 1 over the features."""
    centred = z - jnp.mean(z, axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.mean(jnp.square(centred), axis=-1, keepdims=True) + EPSILON)
