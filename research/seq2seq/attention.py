"""Attention of the decoder's states on the encoder's.

    e_us = score(q_u, k_s)        a_u = softmax over valid s of e_u        context_u = sum_s a_us m_s

All kinds work on any number of queries at once, so that with teacher forcing the whole target attends in one go.
"""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from research import catalogue


class Attention(nnx.Module):
    """The contract: a subclass sets `name` and gives `keys` and `score`."""

    name: ClassVar[str]

    def __init__(self, features: int, memory_features: int, rngs: nnx.Rngs) -> None:
        self.context_features = memory_features

    def keys(self, states: Float[Array, "B S M"]) -> Any:
        """What scores need of the encoder's states; computed once a sequence."""
        raise NotImplementedError

    def score(self, queries: Float[Array, "B U H"], keys: Any) -> Float[Array, "B U S"]:
        raise NotImplementedError

    def __call__(
        self,
        queries: Float[Array, "B U H"],
        keys: Any,
        states: Float[Array, "B S M"],
        lengths: Int[Array, " B"] | None,
    ) -> tuple[Float[Array, "B U M"], Float[Array, "B U S"]]:
        """Contexts, and the weights: zero on padding, summing to 1 (to 0 where a source is empty)."""
        weights = masked_softmax(self.score(queries, keys), lengths)
        return jnp.einsum("bus,bsm->bum", weights, states), weights


class NoAttention(Attention):
    """None: the decoder sees only the encoder's last state (Sutskever et al. 2014)."""

    name: ClassVar[str] = "none"

    def __init__(self, features: int, memory_features: int, rngs: nnx.Rngs) -> None:
        self.context_features = 0

    def keys(self, states: Float[Array, "B S M"]) -> Any:
        return None

    def __call__(self, queries, keys, states, lengths):
        batch, steps, _ = queries.shape
        return jnp.zeros((batch, steps, 0), queries.dtype), jnp.zeros((batch, steps, states.shape[1]), queries.dtype)


class DotAttention(Attention):
    """Dot product q · k; the keys are projected where encoder and decoder differ in width (Luong et al. 2015)."""

    name: ClassVar[str] = "dot"

    def __init__(self, features: int, memory_features: int, rngs: nnx.Rngs) -> None:
        super().__init__(features, memory_features, rngs)
        self.project = None if features == memory_features else _linear(memory_features, features, rngs)

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S H"]:
        return states if self.project is None else self.project(states)

    def score(self, queries: Float[Array, "B U H"], keys: Float[Array, "B S H"]) -> Float[Array, "B U S"]:
        return jnp.einsum("buh,bsh->bus", queries, keys)


class AdditiveAttention(Attention):
    """v · tanh(W q + U m) (Bahdanau et al. 2015)."""

    name: ClassVar[str] = "additive"

    def __init__(self, features: int, memory_features: int, rngs: nnx.Rngs) -> None:
        super().__init__(features, memory_features, rngs)
        self.query = _linear(features, features, rngs)
        self.memory = _linear(memory_features, features, rngs)
        self.weight = _linear(features, 1, rngs)

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S H"]:
        return self.memory(states)

    def score(self, queries: Float[Array, "B U H"], keys: Float[Array, "B S H"]) -> Float[Array, "B U S"]:
        mixed = jnp.tanh(self.query(queries)[:, :, None, :] + keys[:, None, :, :])
        return self.weight(mixed)[..., 0]


def create(name: str, features: int, memory_features: int, rngs: nnx.Rngs) -> Attention:
    """The attention of that name, for queries of H = `features` and memory of M = `memory_features`."""
    return catalogue.load("attentions", name)(features, memory_features, rngs)


def masked_softmax(scores: Float[Array, "B U S"], lengths: Int[Array, " B"] | None) -> Float[Array, "B U S"]:
    """Softmax over the first `lengths` entries of the last axis, zeros on the rest."""
    if lengths is None:
        valid = jnp.ones((1, 1, scores.shape[2]), bool)
    else:
        valid = (jnp.arange(scores.shape[2])[None, :] < lengths[:, None])[:, None, :]
    lowest = jnp.finfo(scores.dtype).min
    largest = jnp.max(jnp.where(valid, scores, lowest), axis=2, keepdims=True)
    weights = jnp.where(valid, jnp.exp(jnp.where(valid, scores - largest, 0)), 0)
    return weights / jnp.maximum(jnp.sum(weights, axis=2, keepdims=True), jnp.finfo(scores.dtype).tiny)


def _linear(inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Linear:
    return nnx.Linear(inputs, outputs, use_bias=False, kernel_init=nnx.initializers.glorot_uniform(), rngs=rngs)
