"""Linear maps (`flax.nnx.Linear`) whose backward pass is two products of plain matrices.

The backward pass that JAX derives takes a transposed copy of the gradient on a CPU, which for logits is the largest
array of a model.
"""

from typing import Any

import jax
from flax import nnx
from jaxtyping import Array, Float


def linear(inputs: int, outputs: int, rngs: nnx.Rngs, use_bias: bool = False) -> nnx.Linear:
    """Return a map `x @ kernel`, and `+ bias`, with a Glorot uniform kernel (Glorot, Bengio 2010)."""
    init = nnx.initializers.glorot_uniform()
    return nnx.Linear(inputs, outputs, use_bias=use_bias, kernel_init=init, dot_general=_dot_general, rngs=rngs)


def _dot_general(x: Float[Array, "*B M"], kernel: Float[Array, "M N"], *_: Any, **__: Any) -> Float[Array, "*B N"]:
    return _product(x.reshape(-1, x.shape[-1]), kernel).reshape(*x.shape[:-1], kernel.shape[1])


@jax.custom_vjp
def _product(x: Float[Array, "R M"], kernel: Float[Array, "M N"]) -> Float[Array, "R N"]:
    return x @ kernel


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ kernel, (x, kernel)


def _backward(kept: tuple[Array, Array], d: Float[Array, "R N"]) -> tuple[Array, Array]:
    x, kernel = kept
    return d @ kernel.T, x.T @ d


_product.defvjp(_forward, _backward)
