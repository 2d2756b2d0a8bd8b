"""Attention of the decoder's states on the encoder's.

    e_us = score(q_u, k_s) / temperature        a_us = exp(e_us) / sum over valid s        context_u = sum_s a_us m_s

With smoothing, sigmoid stands for exp (Chorowski et al. 2015). A kind whose keys see what has been looked at already
shifts them at each step, by the weights so far:

    k_us = k_s + w_c sum_{v<u} a_vs             coverage (See, Liu, Manning 2017; Tu et al. 2016)
    k_us = k_s + U (F * a_{u-1})_s              location (Chorowski et al. 2015)

Kinds that do not can be asked for any number of queries at once, so that with teacher forcing the whole target attends
in one go. What a kind is, is in `scores`; what there is without attention, in `fixed`.
"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from research import catalogue
from research.config import AttentionConfig
from research.seq2seq.encoder import Memory


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Source:
    """What attention reads of the encoder, computed once a sequence."""

    keys: Float[Array, "B S K"]
    values: Float[Array, "B N S C"]
    """What contexts are sums of, for each of N heads."""
    lengths: Int[Array, " B"] | None

    def valid(self) -> Bool[Array, "B S"]:
        steps = self.keys.shape[1]
        if self.lengths is None:
            return jnp.ones((len(self.keys), steps), bool)
        return jnp.arange(steps)[None, :] < self.lengths[:, None]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Trace:
    """What has been looked at, as shifts of the keys see it."""

    last: Float[Array, "B S"]
    """The weights of the last step; zeros before the first."""
    total: Float[Array, "B S"]
    """Their sum over all steps so far."""


class Attention(nnx.Module):
    """The contract: a subclass sets `name`, gives `keys` and `score`, and may give `values`, `shift` and `read`."""

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ("placement", "input_feeding", "temperature", "smoothing", "coverage")
    """The options of `AttentionConfig` that the kind reads."""
    weighs: ClassVar[bool] = True
    """Whether there are weights; else the context, if there is one, is the same at all steps."""
    sees: ClassVar[bool] = True
    """Whether there is a context, as wide as the encoder's states."""
    starts: ClassVar[bool] = True
    """Whether the decoder starts from the encoder's last state; else from zeros."""
    traces: bool
    """Whether a step's keys depend on the weights of the steps before."""
    heads: int = 1

    def __init__(self, config: AttentionConfig, features: int, memory_features: int, rngs: nnx.Rngs) -> None:
        """Draw the weights, for queries of H = `features` and states of M = `memory_features`."""
        self.config = config
        self.traces = config.coverage
        self.covered = nnx.Param(jnp.zeros(features)) if config.coverage else None

    def source(self, memory: Memory) -> Source:
        """What there is to attend to."""
        return Source(self.keys(memory.states), self.values(memory.states), memory.lengths)

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S K"]:
        raise NotImplementedError

    def values(self, states: Float[Array, "B S M"]) -> Float[Array, "B N S C"]:
        return states[:, None]

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        """The scores; -inf where a state is out of reach."""
        raise NotImplementedError

    def read(self, contexts: Float[Array, "B U NC"]) -> Float[Array, "B U M"]:
        """The context that the decoder sees, from those of all heads side by side."""
        return contexts

    def shift(self, trace: Trace) -> Float[Array, "B S K"] | Float[Array, ""]:
        """What is added to the keys."""
        if self.covered is None:
            return jnp.zeros((), trace.total.dtype)
        return trace.total[:, :, None] * self.covered[...][None, None, :]

    def trace(self, source: Source) -> Trace | None:
        """The trace before the first step; None where nothing reads it."""
        if not self.traces:
            return None
        none = jnp.zeros(source.keys.shape[:2], source.keys.dtype)
        return Trace(none, none)

    def __call__(
        self, queries: Float[Array, "B U H"], source: Source, dropped: Float[Array, "B U N S"] | None = None
    ) -> tuple[Float[Array, "B U M"], Float[Array, "B U S"]]:
        """Contexts, and the weights: zero on padding, summing to 1 (to 0 where a source is empty).

        Args:
            dropped: factors on the weights (dropout); those that come back are without them, the mean of all heads.
        """
        count, heads, states, width = source.values.shape
        if not states:  # of all sequences, so that there is nothing to score
            nothing = jnp.zeros((count, queries.shape[1], heads * width), queries.dtype)
            return self.read(nothing), nothing[:, :, :0]
        scores = self.score(queries, source) / self.config.temperature
        weights = normalised(scores, source.valid()[:, None, None, :], self.config.smoothing)
        kept = weights if dropped is None else weights * jnp.swapaxes(dropped, 1, 2)
        contexts = jnp.swapaxes(kept @ source.values, 1, 2)
        return self.read(contexts.reshape(*queries.shape[:2], -1)), jnp.mean(weights, axis=1)

    def step(
        self,
        query: Float[Array, "B H"],
        source: Source,
        trace: Trace | None,
        dropped: Float[Array, "B N S"] | None = None,
    ) -> tuple[Float[Array, "B M"], Float[Array, "B S"], Trace | None]:
        """Context and weights of one query, and the trace after it."""
        seen = source
        if trace is not None:
            seen = Source(source.keys + self.shift(trace), source.values, source.lengths)
        contexts, weights = self(query[:, None], seen, None if dropped is None else dropped[:, None])
        after = None if trace is None else Trace(weights[:, 0], trace.total + weights[:, 0])
        return contexts[:, 0], weights[:, 0], after

    def in_turn(
        self, queries: Float[Array, "B U H"], source: Source, dropped: Float[Array, "B U N S"] | None = None
    ) -> tuple[Float[Array, "B U M"], Float[Array, "B U S"]]:
        """As a call, with the trace of each step read by the next."""

        def step(trace: Trace | None, each: tuple[Array, Array | None]) -> tuple[Trace | None, tuple[Array, Array]]:
            context, weights, trace = self.step(each[0], source, trace, each[1])
            return trace, (context, weights)

        swapped = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (queries, dropped))
        found = jax.lax.scan(step, self.trace(source), swapped)[1]
        return jnp.swapaxes(found[0], 0, 1), jnp.swapaxes(found[1], 0, 1)


def kind(name: str) -> type[Attention]:
    """The attention of that name."""
    return catalogue.load("attentions", name)


def normalised(
    scores: Float[Array, "B N U S"], valid: Bool[Array, "B 1 1 S"], smoothing: bool = False
) -> Float[Array, "B N U S"]:
    """Weights over the valid states that are in reach, zeros on the rest."""
    valid = valid & (scores != -jnp.inf)
    if smoothing:  # exp(log sigmoid), whose largest is taken off like any other: no mass underflows
        scores = jax.nn.log_sigmoid(jnp.where(valid, scores, 0))
    lowest = jnp.finfo(scores.dtype).min
    largest = jax.lax.stop_gradient(jnp.max(jnp.where(valid, scores, lowest), axis=3, keepdims=True))
    mass = jnp.where(valid, jnp.exp(jnp.where(valid, scores - largest, 0)), 0)
    return mass / jnp.maximum(jnp.sum(mass, axis=3, keepdims=True), jnp.finfo(scores.dtype).tiny)
