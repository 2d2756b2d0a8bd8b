"""What a step of a cell does beyond elementwise arithmetic, told to the pass that runs it.

The forward pass records what a cell keeps; the backward pass replays the step from it, so that nothing is computed
twice, and collects both sides of every matrix product, so that weight gradients are formed for many steps at once.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Weights = Mapping[str, Float[Array, "..."]]


def matmul(a: Float[Array, "*B M"], b: Float[Array, "M N"], compute: Any = None) -> Float[Array, "*B N"]:
    """`a @ b`, with factors rounded to the type `compute` and a sum in the type of `a`."""
    if compute is None or compute == a.dtype:
        return a @ b
    return jnp.matmul(a.astype(compute), b.astype(compute), preferred_element_type=a.dtype)


class Tape:
    """The plain tape: values are what they are, and JAX differentiates the step as it stands."""

    def __init__(
        self,
        weights: Weights,
        mask: Float[Array, "B H"] | None = None,
        eps: Mapping[str, Array] | None = None,
        compute: Any = None,
    ) -> None:
        """A tape for one step.

        Args:
            weights: the weights of the cell's own names: matrices of its products, and vectors.
            mask: factors on a state that enters a recurrent product: variational dropout, the same for all steps.
            eps: what is added to each part of the carry as it is computed, to differentiate with respect to it.
            compute: the type that the factors of products are rounded to.
        """
        self.weights, self.mask, self.eps, self.compute = weights, mask, eps, compute

    def recur(self, name: str, h: Float[Array, "B M"]) -> Float[Array, "B N"]:
        """The recurrent product of a state with the matrix of that name; dropout of the state comes first."""
        return self.project(name, self.dropped(h))

    def project(self, name: str, x: Float[Array, "B M"]) -> Float[Array, "B N"]:
        """The product with the matrix of that name; each matrix may be used once a step."""
        return matmul(x, self.weights[name], self.compute)

    def vector(self, name: str) -> Float[Array, "1 N"]:
        """The vector of that name, to be used elementwise."""
        return self.weights[name][None, :]

    def dropped(self, h: Float[Array, "B M"]) -> Float[Array, "B M"]:
        return h if self.mask is None else h * self.mask

    def keep(self, value: Array) -> Array:
        """Keep the value for the backward pass: to be called on what is then read other than linearly.

        What is in front of it is not computed again. The carry before the step is kept in any case; the gates of the
        input are not, so `x_gates` is to be kept, or a sum that it is in.
        """
        return value

    def part(self, name: str, value: Float[Array, "B N"]) -> Float[Array, "B N"]:
        """To be called on each part of the carry but the first as soon as it is computed, before the first is formed.

        Gradients of the loss with respect to that part are read there.
        """
        return value if self.eps is None else value + self.eps[name]


class Recorder(Tape):
    """The tape of the forward pass: `kept` lists what is kept, in order."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kept: list[Array] = []

    def keep(self, value: Array) -> Array:
        self.kept.append(value)
        return value


class Replay(Tape):
    """The tape of the backward pass: kept values return as they were, products yield their gradients.

    Differentiate with respect to `offsets`, which are added to the products: the gradient of a matrix is then
    `operands[name].T @ d_offsets[name]`, summed over the steps.
    """

    def __init__(self, *args: Any, kept: list[Array], offsets: Weights, transposed: Weights, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kept, self.offsets, self.transposed = iter(kept), offsets, transposed
        self.operands: dict[str, Array] = {}

    def project(self, name: str, x: Float[Array, "B M"]) -> Float[Array, "B N"]:
        assert name not in self.operands, f"the matrix {name} is used twice in a step"
        self.operands[name] = x
        product: Any = _linked_product(x, self.weights[name], self.transposed[name], self.compute)
        return product + self.offsets[name]

    def keep(self, value: Array) -> Array:
        return _kept(value, next(self.kept))


@jax.custom_vjp
def _kept(value: Array, kept: Array) -> Array:
    """`kept`, with the derivative of `value`, which is thereby not computed."""
    del value
    return kept


_kept.defvjp(lambda value, kept: (kept, None), lambda _, d: (d, None))


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _linked_product(x: Array, matrix: Array, transposed: Array, compute: Any) -> Array:
    """`x @ matrix`, with a gradient for x alone, by a product with the matrix transposed beforehand."""
    del transposed
    return matmul(x, matrix, compute)


_linked_product.defvjp(
    lambda x, matrix, transposed, compute: (matmul(x, matrix, compute), transposed),
    lambda compute, transposed, d: (matmul(d, transposed, compute), None, None),
)
