"""Heads: predict the target from the encoder's memory, and score the prediction.

A decoder predicts a sequence of tokens. A linear map of each state predicts labels; a linear map of the last state
predicts a class or a value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from research.batch import NO_LABEL, Batch, Shard, TaskSpec
from research.cells.initializers import InitScheme
from research.recurrence.dropout import Rates
from research.recurrence.stack import Stack
from research.seq2seq.decoder import Decoder
from research.seq2seq.encoder import Memory
from research.seq2seq.linear import linear
from research.seq2seq.loss import argmax, cross_entropy
from research.seq2seq.options import Seq2seqOptions
from research.seq2seq.step_options import StepOptions
from research.seq2seq.teacher_forcing import Feedback, decoder_inputs, previous_tokens


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Score:
    """Losses and errors of tokens or labels, zeros on padding; U = 1 for a class or a value."""

    objective: Float[Array, "B U"]
    """The loss that is minimized: with label smoothing."""
    loss: Float[Array, "B U"]
    """The loss without label smoothing."""
    errors: Float[Array, "B U"]
    """1 for a wrong token, label or class, else 0; for a value, the absolute error."""
    count: Float[Array, " B"]
    """Number of valid tokens or labels."""
    predictions: Int[Array, "B U"] | None = None
    """The likeliest token at each position, in evaluation; None for other targets."""

    @classmethod
    def of(
        cls,
        logits: Float[Array, "B U V"],
        targets: Int[Array, "B U"],
        valid: Bool[Array, "B U"],
        smoothing: Float[Array, ""] | None = None,
        predictions: Int[Array, "B U"] | None = None,
    ) -> "Score":
        """Return the score of logits; invalid targets may be any class."""
        losses = cross_entropy(logits, targets, smoothing)
        objective, loss, errors = (jnp.where(valid, value, 0) for value in losses)
        return cls(objective, loss, errors, jnp.sum(valid, axis=1).astype(logits.dtype), predictions)


class TokenHead(nnx.Module):
    """Predicts a sequence of tokens by a decoder."""

    def __init__(
        self, options: Seq2seqOptions, spec: TaskSpec, encoder: Stack, init: InitScheme, rngs: nnx.Rngs
    ) -> None:
        self.target = spec.target
        self.decoder = Decoder(options.model, options.attention, options.cell, spec, encoder, init, rngs)
        self.decoding = options.decoding.resolve(spec.target_length)
        self.feedback: Feedback = options.teacher_forcing.feedback

    def training_score(
        self,
        memory: Memory,
        batch: Batch,
        options: StepOptions,
        key: Array,
        shard: Shard,
        perturbation: Mapping[str, Array] | None = None,
    ) -> Score:
        """Return the score of an update, with its decoder inputs and noise; `perturbation` is that of the decoder."""
        inputs_key, noise_key = jax.random.split(key)
        count, steps = batch.targets.shape
        sizes = (shard.count * count, steps, memory.states.shape[1])
        noise = shard.rows(self.decoder.noise(options.rates, noise_key, *sizes))
        tokens = decoder_inputs(self.decoder, memory, batch.targets, options, inputs_key, shard, noise, self.feedback)
        logits, _ = self.decoder(memory, tokens, batch.target_lengths, noise, perturbation)
        return Score.of(logits, batch.targets, valid_tokens(batch), options.label_smoothing)

    def predict(self, memory: Memory, batch: Batch, rates: Rates, key: Array | None) -> tuple[Score, Array]:
        """Return the score with teacher forcing, and the best output of free-running decoding [B, U]."""
        noise = self.decoder.expected(rates)
        logits, _ = self.decoder(memory, previous_tokens(batch.targets), batch.target_lengths, noise)
        outputs = self.decoding(self.decoder, memory, key, noise)
        score = Score.of(logits, batch.targets, valid_tokens(batch), predictions=argmax(logits))
        return score, outputs.tokens[:, 0]


class LinearHead(nnx.Module):
    """Predicts labels from the state at each step, a class or a value from the last state."""

    def __init__(self, spec: TaskSpec, memory_size: int, rngs: nnx.Rngs) -> None:
        self.target = spec.target
        self.linear = linear(memory_size, spec.target_size, rngs, use_bias=True)

    def __call__(self, memory: Memory) -> Float[Array, "B *U V"]:
        """Return logits, or values."""
        return self.linear(memory.states if self.target == "labels" else memory.last)

    def score(self, output: Array, batch: Batch, smoothing: Float[Array, ""] | None = None) -> Score:
        """Return the score of logits or values."""
        if self.target == "labels":
            valid = batch.targets != NO_LABEL
            return Score.of(output, jnp.where(valid, batch.targets, 0), valid, smoothing)
        if self.target == "class":
            targets = batch.targets[:, None]
            return Score.of(output[:, None], targets, jnp.ones_like(targets, bool), smoothing)
        difference = output - batch.targets
        loss, errors = (jnp.mean(value, axis=1, keepdims=True) for value in (difference**2, jnp.abs(difference)))
        return Score(loss, loss, errors, jnp.ones_like(loss[:, 0]))

    def training_score(self, memory: Memory, batch: Batch, options: StepOptions, *_: Any) -> Score:
        """Return the score of an update; nothing is sampled."""
        return self.score(self(memory), batch, options.label_smoothing)

    def predict(self, memory: Memory, batch: Batch, *_: Any) -> tuple[Score, Array]:
        """Return the score, and the labels, logits or values."""
        output = self(memory)
        return self.score(output, batch), argmax(output) if self.target == "labels" else output


def valid_tokens(batch: Batch) -> Bool[Array, "B U"]:
    """Return which tokens are not padding."""
    assert batch.target_lengths is not None, "targets of tokens have lengths"
    return jnp.arange(batch.targets.shape[1])[None, :] < batch.target_lengths[:, None]
