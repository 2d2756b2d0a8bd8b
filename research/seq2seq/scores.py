"""The kinds of attention: what a query makes of a state.

dot             q . k                    k = m, or W m where encoder and decoder differ in width
scaled_dot      q . k / sqrt(H)          as dot (Vaswani et al. 2017)
general         q . W m                  (dot, general: Luong, Pham, Manning 2015)
additive        v . tanh(W q + U m)      (Bahdanau, Cho, Bengio 2015)
location        v . tanh(W q + U m + V (F * a_{u-1}))        (Chorowski et al. 2015)
multi_head      N scaled dots of W_n q and U_n m; the contexts sum_s a_us V_n m_s side by side, mapped once more
                (Vaswani et al. 2017)
local_p         as general, minus (s - p)^2 / (2 sigma^2), where |s - p| <= window; sigma = window / 2 and
                p = (length - 1) sigmoid(v . tanh(W q)) (Luong, Pham, Manning 2015). They multiply by the Gaussian
                after the softmax; here it comes before, so that the weights sum to 1.
"""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from research.config import AttentionConfig
from research.seq2seq import additive
from research.seq2seq.attention import Attention, Source, Trace
from research.seq2seq.linear import linear


class DotAttention(Attention):
    """Dot product of state and query (Luong et al. 2015)."""

    name: ClassVar[str] = "dot"

    def __init__(self, config: AttentionConfig, features: int, memory_features: int, rngs: nnx.Rngs) -> None:
        super().__init__(config, features, memory_features, rngs)
        self.project = _matched(features, memory_features, rngs)

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S K"]:
        return states if self.project is None else self.project(states)

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        return products(queries, source.keys)[:, None]


class ScaledDotAttention(Attention):
    """Dot product over the root of its features (Vaswani et al. 2017)."""

    name: ClassVar[str] = "scaled_dot"

    def __init__(self, config: AttentionConfig, features: int, memory_features: int, rngs: nnx.Rngs) -> None:
        super().__init__(config, features, memory_features, rngs)
        self.project = _matched(features, memory_features, rngs)

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S K"]:
        return states if self.project is None else self.project(states)

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        return products(queries, source.keys)[:, None] / math.sqrt(queries.shape[2])


class GeneralAttention(Attention):
    """Dot product of the query and a map of the state (Luong et al. 2015)."""

    name: ClassVar[str] = "general"

    def __init__(self, config: AttentionConfig, features: int, memory_features: int, rngs: nnx.Rngs) -> None:
        super().__init__(config, features, memory_features, rngs)
        self.project = linear(memory_features, features, rngs)

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S K"]:
        return self.project(states)

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        return products(queries, source.keys)[:, None]


class AdditiveAttention(Attention):
    """One hidden layer of state and query (Bahdanau et al. 2015)."""

    name: ClassVar[str] = "additive"

    def __init__(self, config: AttentionConfig, features: int, memory_features: int, rngs: nnx.Rngs) -> None:
        super().__init__(config, features, memory_features, rngs)
        self.query = linear(features, features, rngs)
        self.memory = linear(memory_features, features, rngs)
        self.weight = linear(features, 1, rngs)

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S K"]:
        return self.memory(states)

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        return additive.scores(self.query(queries), source.keys, self.weight.kernel[...][:, 0])[:, None]


class LocationAttention(Attention):
    """Additive, with a convolution of the last step's weights (Chorowski et al. 2015)."""

    name: ClassVar[str] = "location"
    options: ClassVar[tuple[str, ...]] = (
        "placement",
        "input_feeding",
        "temperature",
        "smoothing",
        "coverage",
        "filters",
        "filter_width",
    )

    def __init__(self, config: AttentionConfig, features: int, memory_features: int, rngs: nnx.Rngs) -> None:
        super().__init__(config, features, memory_features, rngs)
        self.traces = True
        self.additive = AdditiveAttention(config, features, memory_features, rngs)
        self.convolution = linear(config.filter_width, config.filters, rngs)
        self.place = linear(config.filters, features, rngs)

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S K"]:
        return self.additive.keys(states)

    def shift(self, trace: Trace) -> Float[Array, "B S K"]:
        half, steps = self.config.filter_width // 2, trace.last.shape[1]
        padded = jnp.pad(trace.last, ((0, 0), (half, half)))
        seen = jnp.arange(steps)[:, None] + jnp.arange(self.config.filter_width)[None, :]
        return self.place(self.convolution(padded[:, seen])) + super().shift(trace)

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        return self.additive.score(queries, source)


class MultiHeadAttention(Attention):
    """Several scaled dot products side by side, each on maps of its own (Vaswani et al. 2017)."""

    name: ClassVar[str] = "multi_head"
    options: ClassVar[tuple[str, ...]] = (
        "placement",
        "input_feeding",
        "temperature",
        "smoothing",
        "coverage",
        "heads",
    )

    def __init__(self, config: AttentionConfig, features: int, memory_features: int, rngs: nnx.Rngs) -> None:
        super().__init__(config, features, memory_features, rngs)
        self.heads = config.heads
        self.query = linear(features, features, rngs)
        self.key = linear(memory_features, features, rngs)
        self.value = linear(memory_features, features, rngs)
        self.output = linear(features, memory_features, rngs)

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S K"]:
        return self.key(states)

    def values(self, states: Float[Array, "B S M"]) -> Float[Array, "B N S C"]:
        return self._apart(self.value(states))

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        own = self._apart(self.query(queries))
        return own @ jnp.swapaxes(self._apart(source.keys), 2, 3) / math.sqrt(own.shape[3])

    def read(self, contexts: Float[Array, "B U NC"]) -> Float[Array, "B U M"]:
        return self.output(contexts)

    def _apart(self, x: Float[Array, "B T H"]) -> Float[Array, "B N T C"]:
        return jnp.swapaxes(x.reshape(*x.shape[:2], self.heads, x.shape[2] // self.heads), 1, 2)


class LocalAttention(Attention):
    """A window around a place that the query predicts (Luong et al. 2015)."""

    name: ClassVar[str] = "local_p"
    options: ClassVar[tuple[str, ...]] = (
        "placement",
        "input_feeding",
        "temperature",
        "smoothing",
        "coverage",
        "window",
    )

    def __init__(self, config: AttentionConfig, features: int, memory_features: int, rngs: nnx.Rngs) -> None:
        super().__init__(config, features, memory_features, rngs)
        self.project = linear(memory_features, features, rngs)
        self.hidden = linear(features, features, rngs)
        self.place = linear(features, 1, rngs)

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S K"]:
        return self.project(states)

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        scores = products(queries, source.keys)
        steps = scores.shape[2]
        last = jnp.asarray(steps if source.lengths is None else source.lengths[:, None, None]) - 1
        share = jax.nn.sigmoid(self.place(jnp.tanh(self.hidden(queries))))
        away = jnp.arange(steps)[None, None, :] - jnp.maximum(last, 0).astype(share.dtype) * share
        window = self.config.window
        near = scores - jnp.square(away) / (2 * (window / 2) ** 2)
        return jnp.where(jnp.abs(away) <= window, near, -jnp.inf)[:, None]


def _matched(features: int, memory_features: int, rngs: nnx.Rngs) -> nnx.Linear | None:
    """What brings states to the width of the queries, where they differ."""
    return None if features == memory_features else linear(memory_features, features, rngs)


def products(queries: Float[Array, "B U H"], keys: Float[Array, "B S H"]) -> Float[Array, "B U S"]:
    return queries @ jnp.swapaxes(keys, 1, 2)
