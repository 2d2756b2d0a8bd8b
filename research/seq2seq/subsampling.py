"""Subsampling: the encoder joins f steps into one, so that attention and the layers above process fewer steps.

    group_s = x_{fs} .. x_{fs+f-1}      S = ceil(T / f) groups, counted from the start; padding is zeros

    pyramid        [x_{fs}; ..; x_{fs+f-1}]                           Chan, Jaitly, Le, Vinyals 2016 (LAS)
    mean, max      over the valid steps of the group, for each feature
    convolution    relu(W [x_{fs-f+1}; ..; x_{fs+f-1}] + b)           over time, with all features as channels

Pyramid, mean and max are in front of every layer from the second on: L layers shorten by f^(L-1). The convolution is in
front of the first layer and shortens by f in total. If f is a power of two, it is log2(f) layers of stride 2 and width
3, each with `model.hidden_size` outputs, as in speech recognition (Dong, Xu, Xu 2018; Watanabe et al. 2018, ESPnet,
which also convolves over frequencies); otherwise it is one layer of stride f.

The window of a convolution ends with its group and starts f - 1 steps before it. So, as in the other kinds, state s
does not depend on steps from f(s + 1) on. Results do not depend on the padding.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from research.seq2seq.model_options import BETWEEN_LAYERS, ModelOptions

Lengths = Int[Array, " B"] | None


class Subsampling(nnx.Module):
    """Joins groups of `factor` steps into one step each."""

    def __init__(self, factor: int, output_size: int) -> None:
        self.factor = factor
        self.output_size = output_size
        """Features of an output step."""

    def __call__(self, xs: Float[Array, "B T D"], lengths: Lengths) -> tuple[Float[Array, "B S M"], Lengths]:
        """Return the shortened sequences, with zeros past their lengths, and their lengths; None: all are full."""
        batch, steps, features = xs.shape
        groups = self.shortened(steps)
        xs = jnp.pad(xs, ((0, 0), (0, groups * self.factor - steps), (0, 0)))
        ends = jnp.array([steps]) if lengths is None else lengths
        valid = jnp.arange(groups * self.factor)[None, :] < ends[:, None]
        xs = jnp.where(valid[:, :, None], xs, 0)  # inf or nan in the padding times a zero gradient would be nan
        valid = valid.reshape(len(valid), groups, self.factor)
        ys = self.join(xs.reshape(batch, groups, self.factor, features), valid)
        return jnp.where(valid[:, :, :1], ys, 0), self.shortened(lengths)

    def shortened(self, lengths: Any) -> Any:
        """Return the shortened lengths, of an array, an int, or None (full length)."""
        return None if lengths is None else -(-lengths // self.factor)

    def join(self, groups: Float[Array, "B S F D"], valid: Bool[Array, "_ S F"]) -> Float[Array, "B S M"]:
        """Join the steps of each group; invalid steps are zeros, and groups without valid steps may be anything."""
        raise NotImplementedError


class Grouping(Subsampling):
    """Pyramid, mean or max, between two layers."""

    def __init__(self, kind: str, factor: int, inputs: int) -> None:
        super().__init__(factor, factor * inputs if kind == "pyramid" else inputs)
        self.kind = kind

    def join(self, groups: Float[Array, "B S F D"], valid: Bool[Array, "_ S F"]) -> Float[Array, "B S M"]:
        if self.kind == "pyramid":
            return groups.reshape(*groups.shape[:2], self.output_size)
        if self.kind == "mean":
            count = jnp.maximum(jnp.sum(valid, axis=2), 1).astype(groups.dtype)
            return jnp.sum(groups, axis=2) / count[:, :, None]
        return jnp.max(jnp.where(valid[:, :, :, None], groups, -jnp.inf), axis=2)


class Strided(Subsampling):
    """One layer of the convolution, initialized for relu (He et al. 2015); it ignores `model.compute_dtype`."""

    def __init__(self, stride: int, inputs: int, outputs: int, rngs: nnx.Rngs) -> None:
        super().__init__(stride, outputs)
        window = (2 * stride - 1) * inputs
        self.linear = nnx.Linear(window, outputs, kernel_init=nnx.initializers.he_normal(), rngs=rngs)

    def join(self, groups: Float[Array, "B S F D"], valid: Bool[Array, "_ S F"]) -> Float[Array, "B S M"]:
        before = jnp.pad(groups, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1, 1:]
        windows = jnp.concatenate([before, groups], axis=2)
        return jax.nn.relu(self.linear(windows.reshape(*groups.shape[:2], self.linear.in_features)))


class Convolution(Subsampling):
    """Stacked strided layers; with a factor of 1 there are none, and sequences stay unchanged."""

    def __init__(self, factor: int, inputs: int, outputs: int, rngs: nnx.Rngs) -> None:
        super().__init__(factor, inputs if factor == 1 else outputs)
        power_of_two = factor & (factor - 1) == 0
        strides = [2] * (factor.bit_length() - 1) if power_of_two else [factor]
        self.layers = nnx.List(
            [Strided(stride, outputs if depth else inputs, outputs, rngs) for depth, stride in enumerate(strides)]
        )

    def __call__(self, xs: Float[Array, "B T D"], lengths: Lengths) -> tuple[Float[Array, "B S M"], Lengths]:
        for layer in self.layers:
            xs, lengths = layer(xs, lengths)
        return xs, lengths


def create(
    options: ModelOptions, inputs: int, layer_outputs: int, rngs: nnx.Rngs
) -> tuple[Convolution, list[Grouping]]:
    """Return the convolution in front of the first layer, and the subsampling between layers of `layer_outputs`."""
    kind, factor = options.subsampling, options.subsampling_factor
    front = Convolution(factor if kind == "convolution" else 1, inputs, options.hidden_size, rngs)
    gaps = options.num_layers - 1 if kind in BETWEEN_LAYERS else 0
    return front, [Grouping(kind, factor, layer_outputs) for _ in range(gaps)]
