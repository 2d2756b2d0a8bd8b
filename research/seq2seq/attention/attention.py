"""The contract of attention over the encoder's states.

    e_us = score(q_u, k_s) / temperature        a_us = exp(e_us) / sum over valid s        context_u = sum_s a_us m_s

With smoothing, sigmoid replaces exp (Chorowski et al. 2015). Some kinds shift the keys at each step, depending on the
weights of earlier steps:

    k_us = k_s + w_c sum_{v<u} a_vs             coverage (See, Liu, Manning 2017; Tu et al. 2016)
    k_us = k_s + U (F * a_{u-1})_s              location (Chorowski et al. 2015)

Other kinds take any number of queries at once, so with teacher forcing one product computes the attention of the whole
target.

A kind is a dataclass of options, which creates a module of weights.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from research.errors import require_returned
from research.options import LARGE, require_between
from research.seq2seq.encoder import Memory


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Source:
    """Keys and values of the encoder's states, computed once for each sequence."""

    keys: Float[Array, "B S K"]
    values: Float[Array, "B N S C"]
    """Values for each of N heads."""
    lengths: Int[Array, " B"] | None

    def valid(self) -> Bool[Array, "B S"]:
        steps = self.keys.shape[1]
        if self.lengths is None:
            return jnp.ones((len(self.keys), steps), bool)
        return jnp.arange(steps)[None, :] < self.lengths[:, None]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Trace:
    """Weights of earlier steps, for kinds whose keys depend on them."""

    last: Float[Array, "B S"]
    """Weights of the last step; zeros before the first."""
    total: Float[Array, "B S"]
    """Sum of the weights of all steps so far."""


@dataclass(frozen=True)
class Attention:
    """Options of one kind of attention; a subclass sets `name`, and `create` if it has weights."""

    name: str = ""

    has_weights: ClassVar[bool] = False
    """Whether there are weights over the source; without weights a context is the same at all steps."""
    has_context: ClassVar[bool] = False
    """Whether the decoder reads a context, as wide as the encoder's states."""
    initializes_decoder: ClassVar[bool] = True
    """Whether the decoder starts from the encoder's last state; otherwise from zeros."""

    @property
    def has_memory(self) -> bool:
        """Whether a step's keys depend on the weights of earlier steps."""
        return False

    @property
    def precedes_cell(self) -> bool:
        """Whether attention runs before the recurrence, with the previous state as the query."""
        return False

    @property
    def feeds_readout(self) -> bool:
        """Whether each step reads the previous readout."""
        return False

    def check_query_size(self, query_size: int) -> None:
        """Raise a UserError if the kind does not support queries of this width."""

    def create(self, query_size: int, memory_size: int, rngs: nnx.Rngs) -> "AttentionModule":
        """Sample the weights, for states of H features (decoder) and M features (encoder)."""
        raise NotImplementedError


@dataclass(frozen=True)
class WeightedAttention(Attention):
    """Options of the kinds with weights over the source."""

    placement: Literal["after", "before"] = "after"
    """Where the context enters: after the recurrence (Luong et al. 2015) or before it (Bahdanau et al. 2015)."""
    input_feeding: bool = False
    """Feed the previous readout to the next step (Luong et al. 2015)."""
    temperature: float = 1.0
    """Divisor of the scores; below 1 it sharpens the weights (Chorowski et al. 2015)."""
    smoothing: bool = False
    """Replace the softmax's exp by a sigmoid (Chorowski et al. 2015)."""
    coverage: bool = False
    """Shift each key by the sum of its state's weights so far (Tu et al. 2016; See et al. 2017)."""

    has_weights: ClassVar[bool] = True
    has_context: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_between(self, "attention", temperature=(1 / LARGE, LARGE))

    @property
    def has_memory(self) -> bool:
        return self.coverage

    @property
    def precedes_cell(self) -> bool:
        return self.placement == "before"

    @property
    def feeds_readout(self) -> bool:
        return self.input_feeding


class AttentionModule(nnx.Module):
    """Weights and equations of a kind; a subclass defines `keys` and `score`."""

    num_heads: int = 1

    def __init__(self, options: WeightedAttention, query_size: int) -> None:
        self.options = options
        self.coverage = nnx.Param(jnp.zeros(query_size)) if options.coverage else None

    def source(self, memory: Memory) -> Source:
        """Return the keys and values of the encoder's states."""
        keys, values, around = self.keys(memory.states), self.values(memory.states), memory.states.shape[:2]
        self._require_shape("keys", keys, (*around, None), "[B, S, K]")
        self._require_shape("values", values, (around[0], self.num_heads, around[1], None), "[B, N, S, C]")
        return Source(keys, values, memory.lengths)

    def _require_shape(self, method: str, found: Any, shape: tuple[int | None, ...], axes: str) -> None:
        """Check what a method of a subclass has returned; None stands for any size."""
        sizes = getattr(found, "shape", ())
        fits = len(sizes) == len(shape) and all(want in (None, size) for size, want in zip(sizes, shape, strict=True))
        allowed = ", ".join("any" if size is None else str(size) for size in shape)
        require_returned(
            fits, f"attention {self.options.name}: {method} returns", found, f"an array {axes} = [{allowed}]"
        )

    def keys(self, states: Float[Array, "B S M"]) -> Float[Array, "B S K"]:
        """Return the keys of states."""
        raise NotImplementedError

    def values(self, states: Float[Array, "B S M"]) -> Float[Array, "B N S C"]:
        """Return the values of states; by default the states, with one head."""
        return states[:, None]

    def score(self, queries: Float[Array, "B U H"], source: Source) -> Float[Array, "B N U S"]:
        """Return the scores; -inf excludes a state."""
        raise NotImplementedError

    def output(self, contexts: Float[Array, "B U NC"]) -> Float[Array, "B U M"]:
        """Return the context for the decoder, from the concatenated contexts of all heads."""
        return contexts

    def shift(self, trace: Trace) -> Float[Array, "B S K"] | Float[Array, ""]:
        """Return the shift of the keys."""
        if self.coverage is None:
            return jnp.zeros((), trace.total.dtype)
        return trace.total[:, :, None] * self.coverage[...][None, None, :]

    def trace(self, source: Source) -> Trace | None:
        """Return the trace before the first step; None if no key depends on it."""
        if not self.options.has_memory:
            return None
        zeros = jnp.zeros(source.keys.shape[:2], source.keys.dtype)
        return Trace(zeros, zeros)

    def __call__(
        self, queries: Float[Array, "B U H"], source: Source, dropout: Float[Array, "B U N S"] | None = None
    ) -> tuple[Float[Array, "B U M"], Float[Array, "B U S"]]:
        """Return contexts and weights.

        The weights are zero on padding and sum to 1, or to 0 for an empty source. They are the mean of all heads,
        before the factors `dropout`.
        """
        batch, heads, steps, width = source.values.shape
        if not steps:  # all sequences are empty
            empty = jnp.zeros((batch, queries.shape[1], heads * width), queries.dtype)
            return self.output(empty), empty[:, :, :0]
        scores = self.score(queries, source)
        self._require_shape("score", scores, (batch, heads, queries.shape[1], steps), "[B, N, U, S]")
        scores = scores / self.options.temperature
        weights = normalize_scores(scores, source.valid()[:, None, None, :], self.options.smoothing)
        kept = weights if dropout is None else weights * jnp.swapaxes(dropout, 1, 2)
        contexts = jnp.swapaxes(kept @ source.values, 1, 2)
        return self.output(contexts.reshape(*queries.shape[:2], -1)), jnp.mean(weights, axis=1)

    def step(
        self,
        query: Float[Array, "B H"],
        source: Source,
        trace: Trace | None,
        dropout: Float[Array, "B N S"] | None = None,
    ) -> tuple[Float[Array, "B M"], Float[Array, "B S"], Trace | None]:
        """Return context and weights of one query, and the trace after it."""
        if trace is not None:
            source = Source(source.keys + self.shift(trace), source.values, source.lengths)
        contexts, weights = self(query[:, None], source, None if dropout is None else dropout[:, None])
        after = None if trace is None else Trace(weights[:, 0], trace.total + weights[:, 0])
        return contexts[:, 0], weights[:, 0], after

    def scan(
        self, queries: Float[Array, "B U H"], source: Source, dropout: Float[Array, "B U N S"] | None = None
    ) -> tuple[Float[Array, "B U M"], Float[Array, "B U S"]]:
        """Return the same as a call, with the keys of each step shifted by the weights of earlier steps."""

        def step(trace: Trace | None, inputs: tuple[Array, Array | None]) -> tuple[Trace | None, tuple[Array, Array]]:
            context, weights, trace = self.step(inputs[0], source, trace, inputs[1])
            return trace, (context, weights)

        time_major = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (queries, dropout))
        contexts, weights = jax.lax.scan(step, self.trace(source), time_major)[1]
        return jnp.swapaxes(contexts, 0, 1), jnp.swapaxes(weights, 0, 1)


def normalize_scores(
    scores: Float[Array, "B N U S"], valid: Bool[Array, "B 1 1 S"], smoothing: bool = False
) -> Float[Array, "B N U S"]:
    """Return weights over the valid states with scores above -inf, and zeros elsewhere.

    Smoothing normalizes sigmoids of the scores instead of exponentials.
    """
    valid = valid & (scores != -jnp.inf)
    if smoothing:  # exp(log sigmoid), so that subtracting the largest score prevents underflow here as well
        scores = jax.nn.log_sigmoid(jnp.where(valid, scores, 0))
    lowest = jnp.finfo(scores.dtype).min
    largest = jax.lax.stop_gradient(jnp.max(scores, axis=3, keepdims=True, initial=lowest, where=valid))
    mass = jnp.where(valid, jnp.exp(jnp.where(valid, scores - largest, 0)), 0)
    return mass / jnp.maximum(jnp.sum(mass, axis=3, keepdims=True), jnp.finfo(scores.dtype).tiny)
