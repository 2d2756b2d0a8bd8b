"""The contract of a recurrent cell: a pointwise function between two matrix products.

    x_gates_t = x_t W + b             all t in one product, before the scan
    h_gates_t = h_{t-1} U             the only product inside the scan
    carry_t = pointwise(carry_{t-1}, x_gates_t, h_gates_t)

A cell is a class in one file of this folder that sets `name` and `gates` and writes `pointwise`. Axes: `B` batch,
`T` time, `D` input features, `H` hidden features, `G` gates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from research import catalogue

Carry = tuple[Float[Array, "*B H"], ...]
Perturb = Callable[[str, Array], Array]
Activation = Literal["sigmoid", "tanh"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InitScheme:
    """The initialiser policy of all cells; every field may be traced, so trials of one program can differ in it."""

    gain: Float[Array, ""]
    """Factor on the orthogonal recurrent matrix of each gate."""
    forget_bias: Float[Array, ""]
    """Bias of the gate that keeps the state."""
    chrono_length: Float[Array, ""]
    """T_max of the chrono initialisation (Tallec & Ollivier 2018), which then replaces the forget bias; 0: constant."""


def unperturbed(part: str, value: Array) -> Array:
    del part
    return value


class Cell:
    """A recurrent cell. Subclasses are stateless: the weights are in `Weights`, the state is in the carry."""

    name: ClassVar[str]
    gates: ClassVar[int]
    """Number G of gate blocks; the last axis of the gates is G blocks of H, in the order of the class docstring."""
    parts: ClassVar[tuple[str, ...]] = ("h",)
    """Names of the parts of the carry; `h`, which the next step's product and the layer above read, comes first."""
    adds_gates: ClassVar[bool] = True
    """Whether `pointwise` reads `x_gates + h_gates` only, so that both have one gradient and one buffer."""
    keep_gate: ClassVar[int | None] = None
    """The gate that keeps the state where it is open: `init.forget_bias` and chrono set its bias."""
    write_gate: ClassVar[int | None] = None
    """The gate that lets the input in, where it is not the complement of `keep_gate`; chrono closes it."""

    def pointwise(self, carry: Carry, x_gates: Array, h_gates: Array, perturb: Perturb = unperturbed) -> Carry:
        """One step, elementwise over leading axes.

        Args:
            carry: the parts of the former step, each [*B, H].
            x_gates: the input's share of the gates, [*B, G·H].
            h_gates: the former state's share of the gates, [*B, G·H].
            perturb: to be called as `perturb("c", c)` on each part other than `h` as soon as it is computed, before `h`
                is formed from it; gradients of the loss with respect to that part are read there.
        """
        raise NotImplementedError

    def initial_carry(self, batch: int, features: int, dtype: Any = jnp.float32) -> Carry:
        """Zeros, [B, H] for each part."""
        return tuple(jnp.zeros((batch, features), dtype) for _ in self.parts)


def create(name: str) -> Cell:
    """The cell of that name."""
    return catalogue.load("cells", name)()


class Weights(nnx.Module):
    """The weights of one layer and direction: `w` [D, G·H], `u` [H, G·H], `b` [G·H]; gates in the cell's order."""

    def __init__(self, cell: Cell, inputs: int, features: int, init: InitScheme, key: Array) -> None:
        input_key, recurrent_key, bias_key = jax.random.split(key, 3)
        glorot, orthogonal = nnx.initializers.glorot_uniform(), nnx.initializers.orthogonal()
        self.w = nnx.Param(_per_gate(cell, lambda k: glorot(k, (inputs, features)), input_key))
        self.u = nnx.Param(init.gain * _per_gate(cell, lambda k: orthogonal(k, (features, features)), recurrent_key))
        self.b = nnx.Param(_bias(cell, features, init, bias_key))


def activate(gates: Float[Array, "*B GH"], *activations: Activation) -> tuple[Array, ...]:
    """Apply one activation to each gate block, with one tanh over the whole block.

    sigmoid(z) = tanh(z/2)/2 + 1/2. Splitting first would break the vectorised elementwise kernel into G pieces.
    """
    features = gates.shape[-1] // len(activations)
    half = np.array([0.5 if kind == "sigmoid" else 1.0 for kind in activations], gates.dtype)
    scale = np.repeat(half, features).reshape((1,) * (gates.ndim - 1) + (-1,))
    return tuple(jnp.split(jnp.tanh(gates * scale) * scale + (1 - scale), len(activations), axis=-1))


def _per_gate(cell: Cell, draw: Callable[[Array], Array], key: Array) -> Array:
    return jnp.concatenate([draw(k) for k in jax.random.split(key, cell.gates)], axis=-1)


def _bias(cell: Cell, features: int, init: InitScheme, key: Array) -> Float[Array, " GH"]:
    blocks = [jnp.zeros(features)] * cell.gates
    if cell.keep_gate is not None:
        chrono = init.chrono_length > 0
        longest = jnp.maximum(init.chrono_length - 1, 1)  # chrono draws log U[1, T_max - 1]
        drawn = jnp.log(jax.random.uniform(key, (features,)) * (longest - 1) + 1)
        blocks[cell.keep_gate] = jnp.where(chrono, drawn, init.forget_bias)
        if cell.write_gate is not None:
            blocks[cell.write_gate] = jnp.where(chrono, -drawn, 0.0)
    return jnp.concatenate(blocks)
