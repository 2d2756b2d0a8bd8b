"""The update of the weights, shared by the devices that share a batch (ZeRO, stage 1: Rajbhandari et al. 2020).

Each device adds up one stretch of the gradient, updates that stretch of the weights, with the part of the optimizer's
state that belongs to it, and hands it to the others: as much traffic as an all-reduce, and no update is made twice.
Sums are taken in the order of the parts, so that they are the same to the last bit in every run, whatever connects the
devices.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.training import shards

LARGE = 2**16
"""Elements of a leaf that is cut by itself."""
Stretch = Any
"""What one device has of a tree: a list of vectors, or the tree itself where nothing is cut."""


class Stretches:
    """How trees like that of the weights are cut, one stretch a device. With one device nothing is cut.

    A large leaf is cut by itself, which takes no copy. The small ones are joined first, so that they are exchanged at
    once: matrices and vectors apart, because weight decay tells them apart.
    """

    def __init__(self, like: Any, count: int) -> None:
        """Plan for trees like this one, of arrays or of their shapes."""
        self.count = count
        leaves, self.structure = jax.tree.flatten(like)
        self.shapes: list[tuple[int, ...]] = [leaf.shape for leaf in leaves]
        groups: dict[int | str, list[int]] = {}
        for index, shape in enumerate(self.shapes):
            small = "matrices" if len(shape) > 1 else "vectors"
            groups.setdefault(index if math.prod(shape) >= LARGE else small, []).append(index)
        self.groups = list(groups.values())
        """The leaves that are cut together."""
        in_groups = [len(self.shapes[group[0]]) > 1 for group in self.groups]
        self.matrices = in_groups if count > 1 else jax.tree.map(lambda leaf: len(leaf.shape) > 1, like)
        """Which parts of a stretch are of matrices."""

    def own(self, tree: Any) -> Stretch:
        """This device's stretch of a tree that all have."""
        if self.count == 1:
            return tree
        place = jax.lax.axis_index(shards.AXIS)
        return [jax.lax.dynamic_index_in_dim(rows, place, keepdims=False) for rows in self._rows(tree)]

    def total(self, tree: Any) -> Stretch:
        """This device's stretch of the sum of all devices' trees."""
        if self.count == 1:
            return tree
        return [shards.added(jax.lax.all_to_all(rows, shards.AXIS, 0, 0)) for rows in self._rows(tree)]

    def whole(self, stretch: Stretch) -> Any:
        """The tree of which each device has a stretch."""
        if self.count == 1:
            return stretch
        leaves: list[Any] = [None] * len(self.shapes)
        for group, own in zip(self.groups, stretch, strict=True):
            vector, start = jax.lax.all_gather(own, shards.AXIS).reshape(-1), 0
            for index in group:
                size = math.prod(self.shapes[index])
                leaves[index] = vector[start : start + size].reshape(self.shapes[index])
                start += size
        return jax.tree.unflatten(self.structure, leaves)

    def cut(self, state: Any) -> Any:
        """A state that has such trees in it, with this device's stretches in their place."""
        return self._replaced(state, self.structure, self.own)

    def joined(self, state: Any) -> Any:
        """The inverse of `cut`."""
        return self._replaced(state, jax.tree.structure([0] * len(self.groups)), self.whole)

    def _replaced(self, state: Any, structure: Any, function: Any) -> Any:
        if self.count == 1:
            return state

        def found(x: Any) -> bool:
            return jax.tree.structure(x) == structure

        return jax.tree.map(lambda x: function(x) if found(x) else x, state, is_leaf=found)

    def _rows(self, tree: Any) -> list[Float[Array, "devices _"]]:
        """The stretches of all devices."""
        leaves = jax.tree.leaves(tree)
        rows = []
        for group in self.groups:
            vector = jnp.concatenate([leaves[index].reshape(-1) for index in group])
            rows.append(jnp.pad(vector, (0, -len(vector) % self.count)).reshape(self.count, -1))
        return rows
