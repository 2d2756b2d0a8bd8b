"""What shortens the source within the encoder: f steps become one, so that attention and layers above have fewer.

    group_s = x_{fs} .. x_{fs+f-1}      S = ceil(T / f) groups, counted from the start; steps past the end hold zeros

    pyramid        [x_{fs}; ..; x_{fs+f-1}]                           Chan, Jaitly, Le, Vinyals 2016 (LAS)
    mean, max      over the valid steps of the group, each feature by itself
    convolution    relu(W [x_{fs-f+1}; ..; x_{fs+f-1}] + b)           over time, with all features as channels

Pyramid, mean and max stand between two layers, before every layer from the second on: L layers shorten by f^(L-1).
The convolution stands in front of the first layer, and shortens by f in all: for each prime factor p of f one layer,
the smallest first, of stride p and width 2p - 1, which puts out `model.features`. So factor 4 is two layers of width 3
and stride 2, and factor 6 one of width 3 and one of width 5, as in speech recognition (Dong, Xu, Xu 2018; Watanabe et
al. 2018, ESPnet, which convolves over frequencies, too).

A window ends with the group whose state it makes, and looks back p - 1 steps: as with all kinds, state s depends on no
step from f(s + 1) on. Nothing depends on what the steps past a sequence's length hold, nor on how many they are.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from research.config import ModelConfig

Lengths = Int[Array, " B"] | None


class Subsampling(nnx.Module):
    """Groups of `factor` steps to one step each."""

    def __init__(self, factor: int, features: int) -> None:
        self.factor = factor
        self.features = features
        """Of what comes out."""

    def __call__(self, xs: Float[Array, "B T D"], lengths: Lengths) -> tuple[Float[Array, "B S M"], Lengths]:
        """The shorter sequences, zeros past their lengths, and their lengths; None: all are of full length."""
        batch, steps, features = xs.shape
        groups = -(-steps // self.factor)
        xs = jnp.pad(xs, ((0, 0), (0, groups * self.factor - steps), (0, 0)))
        ends = jnp.array([steps]) if lengths is None else lengths
        valid = jnp.arange(groups * self.factor)[None, :] < ends[:, None]
        xs = jnp.where(valid[:, :, None], xs, 0)  # so that what is not finite there meets no zeros of a gradient
        valid = valid.reshape(len(valid), groups, self.factor)
        ys = self.joined(xs.reshape(batch, groups, self.factor, features), valid)
        return jnp.where(valid[:, :, :1], ys, 0), self.shortened(lengths)

    def shortened(self, lengths: Lengths) -> Lengths:
        """The lengths that come out."""
        return None if lengths is None else -(-lengths // self.factor)

    def joined(self, groups: Float[Array, "B S F D"], valid: Bool[Array, "_ S F"]) -> Float[Array, "B S M"]:
        """What each group becomes; anything where none of its steps is valid.

        Args:
            groups: zeros where steps are not valid.
            valid: for each sequence, or one for all.
        """
        raise NotImplementedError


class Whole(Subsampling):
    """What stands where nothing is shortened."""

    def __init__(self, features: int) -> None:
        super().__init__(1, features)

    def __call__(self, xs: Float[Array, "B T D"], lengths: Lengths) -> tuple[Float[Array, "B T D"], Lengths]:
        return xs, lengths


class Pyramid(Subsampling):
    """Side by side."""

    def __init__(self, factor: int, inputs: int) -> None:
        super().__init__(factor, factor * inputs)

    def joined(self, groups: Float[Array, "B S F D"], valid: Bool[Array, "_ S F"]) -> Float[Array, "B S M"]:
        return groups.reshape(*groups.shape[:2], self.features)


class Mean(Subsampling):
    """The mean over valid steps."""

    def joined(self, groups: Float[Array, "B S F D"], valid: Bool[Array, "_ S F"]) -> Float[Array, "B S D"]:
        count = jnp.maximum(jnp.sum(valid, axis=2), 1).astype(groups.dtype)
        return jnp.sum(groups, axis=2) / count[:, :, None]


class Max(Subsampling):
    """The largest value of each feature over valid steps."""

    def joined(self, groups: Float[Array, "B S F D"], valid: Bool[Array, "_ S F"]) -> Float[Array, "B S D"]:
        return jnp.max(jnp.where(valid[:, :, :, None], groups, -jnp.inf), axis=2)


class Strided(Subsampling):
    """One layer of the convolution; its products keep the type of the arrays, also with `model.precision=bfloat16`.

    Initial weights are those of He et al. 2015 for relu, with zeros for the bias.
    """

    def __init__(self, stride: int, inputs: int, features: int, rngs: nnx.Rngs) -> None:
        super().__init__(stride, features)
        seen = (2 * stride - 1) * inputs
        self.linear = nnx.Linear(seen, features, kernel_init=nnx.initializers.he_normal(), rngs=rngs)

    def joined(self, groups: Float[Array, "B S F D"], valid: Bool[Array, "_ S F"]) -> Float[Array, "B S M"]:
        before = jnp.pad(groups, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1, 1:]
        windows = jnp.concatenate([before, groups], axis=2)
        return jax.nn.relu(self.linear(windows.reshape(*groups.shape[:2], self.linear.in_features)))


class Convolution(Subsampling):
    """Strided layers, one on the other."""

    def __init__(self, factor: int, inputs: int, features: int, rngs: nnx.Rngs) -> None:
        super().__init__(factor, features)
        strides = primes(factor)
        widths = [inputs] + [features] * (len(strides) - 1)
        self.layers = nnx.List([Strided(p, width, features, rngs) for p, width in zip(strides, widths, strict=True)])

    def __call__(self, xs: Float[Array, "B T D"], lengths: Lengths) -> tuple[Float[Array, "B S M"], Lengths]:
        for layer in self.layers:
            xs, lengths = layer(xs, lengths)
        return xs, lengths


BETWEEN: dict[str, type[Pyramid | Mean | Max]] = {"pyramid": Pyramid, "mean": Mean, "max": Max}
"""What stands between two layers; everything else stands in front of the first."""


def create(config: ModelConfig, inputs: int, width: int, rngs: nnx.Rngs) -> tuple[Subsampling, list[Subsampling]]:
    """What stands in front of the first layer, and what between each two.

    Args:
        inputs: features of what the encoder reads.
        width: features of what a layer puts out.
    """
    kind, factor = config.subsampling, config.subsampling_factor
    if kind == "convolution":
        return Convolution(factor, inputs, config.features, rngs), []
    between = [BETWEEN[kind](factor, width) for _ in range(config.layers - 1)] if kind in BETWEEN else []
    return Whole(inputs), list(between)


def primes(number: int) -> list[int]:
    """The prime factors, the smallest first."""
    for factor in range(2, number + 1):
        if number % factor == 0:
            return [factor, *primes(number // factor)]
    return []
