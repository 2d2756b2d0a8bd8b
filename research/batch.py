"""What passes between a task, the model and the trainer. Axes: `B` batch, `S` source time, `U` target time."""

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

PAD, BOS, EOS = 0, 1, 2  # ids of the marks that every token vocabulary starts with
FIRST_SYMBOL = 3  # id of the first symbol of a vocabulary
NO_LABEL = -1  # in the place of the class of a step that is not asked for one

ArrayT = TypeVar("ArrayT", bound=Array | np.ndarray)
Tree = TypeVar("Tree")


@dataclass(frozen=True)
class TaskSpec:
    """What a task asks of a model: the kind and size of its inputs and targets."""

    inputs: Literal["features", "tokens"]
    input_size: int
    """Width of a feature vector, or size of the source vocabulary."""
    input_length: int
    """Longest input, in steps."""
    target: Literal["tokens", "labels", "class", "value"]
    """labels: a class for each step of the input, or for some of them."""
    target_size: int
    """Size of the target vocabulary, number of classes, or width of the value."""
    target_length: int = 1
    """Longest target, in steps, the end mark included; of labels, the longest input."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Batch(Generic[ArrayT]):
    """Sequences and what they should become; NumPy arrays on the host, JAX arrays in a program."""

    inputs: Float[ArrayT, "B S D"] | Int[ArrayT, "B S"]
    input_lengths: Int[ArrayT, " B"] | None
    """None: all are of full length."""
    targets: Int[ArrayT, "B U"] | Int[ArrayT, " B"] | Float[ArrayT, "B D"]
    """Tokens that close with the end mark and are then padded; labels, or `NO_LABEL`; classes; or values."""
    target_lengths: Int[ArrayT, " B"] | None = None
    """Tokens of each target, the end mark included; how many labels it has; None where the target is no sequence."""

    def count(self) -> Array:
        """Return the number of valid tokens or labels of all targets; of examples, where targets are no sequences."""
        return jnp.asarray(len(self.targets)) if self.target_lengths is None else jnp.sum(self.target_lengths)


@dataclass(frozen=True)
class Shard:
    """One of `count` equal parts of a batch: devices compute them side by side.

    Whatever is drawn at random is drawn for the whole batch, so that it does not depend on the number of parts.
    """

    index: Int[Array, ""] | int
    count: int

    def rows(self, whole: Tree) -> Tree:
        """Return its rows of arrays that hold the whole batch."""
        if self.count == 1:
            return whole

        def take(x: Any) -> Any:
            size, rest = divmod(len(x), self.count)
            assert size and not rest, f"{len(x)} rows are not those of {self.count} equal parts"
            return jax.lax.dynamic_slice_in_dim(x, self.index * size, size)

        return jax.tree.map(take, whole)


WHOLE = Shard(0, 1)
