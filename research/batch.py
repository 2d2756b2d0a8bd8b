"""Data that tasks, the model and the trainer exchange. Axes: `B` batch, `S` source time, `U` target time."""

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

PAD, BOS, EOS = 0, 1, 2  # ids of the special tokens that start every vocabulary
FIRST_SYMBOL = 3  # id of the first symbol of a vocabulary
NO_LABEL = -1  # label of a step that the loss ignores

InputKind = Literal["features", "tokens"]
TargetKind = Literal["tokens", "labels", "class", "value"]

ArrayT = TypeVar("ArrayT", bound=Array | np.ndarray)
Tree = TypeVar("Tree")


@dataclass(frozen=True)
class TaskSpec:
    """Kind and size of a task's inputs and targets."""

    inputs: InputKind
    input_size: int
    """Width of a feature vector, or size of the source vocabulary."""
    input_length: int
    """Longest input, in steps."""
    target: TargetKind
    """labels: a class for each step of the input, or for some steps."""
    target_size: int
    """Size of the target vocabulary, number of classes, or width of the value."""
    target_length: int = 1
    """Longest target in steps, with EOS; for labels, the longest input."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Batch(Generic[ArrayT]):
    """Inputs and targets; NumPy arrays on the host, JAX arrays in a program."""

    inputs: Float[ArrayT, "B S D"] | Int[ArrayT, "B S"]
    input_lengths: Int[ArrayT, " B"] | None
    """None: all inputs have full length."""
    targets: Int[ArrayT, "B U"] | Int[ArrayT, " B"] | Float[ArrayT, "B D"]
    """Tokens, ended by EOS and padded; labels, or `NO_LABEL`; classes; or values."""
    target_lengths: Int[ArrayT, " B"] | None = None
    """Number of tokens of each target, with EOS, or number of labels; None for classes and values."""

    def count(self) -> Array:
        """Return the number of valid tokens or labels in the batch; of examples, if targets are classes or values."""
        return jnp.asarray(len(self.targets)) if self.target_lengths is None else jnp.sum(self.target_lengths)


@dataclass(frozen=True)
class Shard:
    """One of `count` equal parts of a batch, one for each device.

    Noise is sampled for the whole batch, so it does not depend on the number of parts.
    """

    index: Int[Array, ""] | int
    count: int

    def rows(self, whole: Tree) -> Tree:
        """Return the rows of this part from arrays of the whole batch."""
        if self.count == 1:
            return whole

        def take(x: Any) -> Any:
            size, rest = divmod(len(x), self.count)
            assert size and not rest, f"{len(x)} rows do not divide into {self.count} equal parts"
            return jax.lax.dynamic_slice_in_dim(x, self.index * size, size)

        return jax.tree.map(take, whole)


WHOLE = Shard(0, 1)
