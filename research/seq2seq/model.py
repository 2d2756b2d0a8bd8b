"""The model of all tasks: an encoder and a head. The trainer calls `loss` and `predict` only."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from research.batch import NO_LABEL, WHOLE, Batch, Shard, TaskSpec
from research.cells.initializers import InitScheme
from research.recurrence import dropout
from research.recurrence.dropout import NO_DROPOUT, Rates
from research.recurrence.unroll import LayerInputs
from research.seq2seq.decoding import Decoding, Hypotheses
from research.seq2seq.encoder import Encoder, Memory
from research.seq2seq.heads import LinearHead, Score, TokenHead
from research.seq2seq.options import Seq2seqOptions
from research.seq2seq.step_options import DEFAULT_STEP_OPTIONS, StepOptions
from research.seq2seq.teacher_forcing import previous_tokens

Way = Literal["all", "recurrence", "attention"]
"""How the gradient gets from the head to the encoder: by its last carries, by the attention to its states, or both."""


class Seq2seq(nnx.Module):
    """An encoder and a head."""

    def __init__(self, options: Seq2seqOptions, spec: TaskSpec, init: InitScheme, rngs: nnx.Rngs) -> None:
        """Sample the weights; numbers of `init` may be traced."""
        assert not options.model.parameter_budget, "call resolve_hidden_size() first"
        self.encoder = Encoder(options.model, options.cell, spec, init, rngs)
        if spec.target == "tokens":
            self.head = TokenHead(options, spec, self.encoder.stack, init, rngs)
        else:
            self.head = LinearHead(spec, self.encoder.stack.output_size, rngs)

    def loss(
        self,
        batch: Batch,
        key: Array,
        options: StepOptions = DEFAULT_STEP_OPTIONS,
        perturbation: Mapping[str, Float[Array, "..."]] | None = None,
        shard: Shard = WHOLE,
        *,
        loss_step: int = 0,
        way: Way = "all",
    ) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Float[Array, ""]]]:
        """Return the losses of an update, as means over valid tokens.

        `options.gradient_regularizer` adds Omega to the gradient of the weights, but not to the objective; its own
        gradient is Omega.

        Args:
            batch: the whole batch.
            key: key of all samples, which are made for the whole batch.
            options: numbers of this update.
            perturbation: zeros by the names of directions, such as "encoder/layer_1/forward" (see `Stack`).
            shard: part of the batch to compute; results of all parts sum to those of the whole batch.
            loss_step: the losses are those of the n-th token, or step with a label, alone, from 1 on, or from the end
                if negative: means over the sequences that have it; 0: of all.
            way: how the encoder gets its gradient.

        Returns:
            The objective, with label smoothing; and the loss without label smoothing and the error.
        """
        part = shard.rows(batch)
        encoder_key, head_key = jax.random.split(key)
        noise = shard.rows(self.encoder.noise(options.rates, encoder_key, *batch.inputs.shape[:2]))
        weight = options.gradient_regularizer
        omega = None if weight is None else weight / len(batch.inputs)
        zeros: dict[str, dict[str, Array]] = {"encoder": {}, "decoder": {}}
        for name, x in (perturbation or {}).items():
            side, _, direction = name.partition("/")
            zeros[side][direction] = x
        memory = _through(self.encoder(part.inputs, part.input_lengths, zeros["encoder"], noise, omega), way)
        score = self.head.training_score(memory, part, options, head_key, shard, zeros["decoder"])
        count = jnp.maximum(batch.count(), 1).astype(score.loss.dtype)
        if loss_step:
            score, count = _at_step(score, batch, part, loss_step, labels=self.head.target == "labels")
        objective, loss, error = (jnp.sum(x) / count for x in (score.objective, score.loss, score.errors))
        return objective, (jax.lax.stop_gradient(loss), error)

    def predict(self, batch: Batch, rates: Rates = NO_DROPOUT, key: Array | None = None) -> tuple[Score, Array]:
        """Return the score of each example with teacher forcing, and the predictions without it.

        Predictions are tokens or labels [B, U], or logits or values [B, V]. The rates are those of training: zoneout
        takes its expectation, dropout is ignored. The key is for decodings that sample.
        """
        return self.head.predict(self._memory(batch.inputs, batch.input_lengths, rates), batch, rates, key)

    def decode(
        self,
        inputs: Array,
        lengths: Int[Array, " B"] | None,
        decoding: Decoding | None = None,
        rates: Rates = NO_DROPOUT,
        key: Array | None = None,
    ) -> Hypotheses:
        """Return the n-best outputs with scores, for tokens [B, S] or features [B, S, D].

        `decoding` is resolved; by default it is that of the model's options.
        """
        head = self._token_head()
        decoding = decoding or head.decoding
        return decoding(head.decoder, self._memory(inputs, lengths, rates), key, head.decoder.expected(rates))

    def output(
        self, inputs: Array, lengths: Int[Array, " B"] | None, rates: Rates = NO_DROPOUT
    ) -> Float[Array, "B *S V"]:
        """Return logits or values of a model without a decoder: [B, S, V] for labels, [B, V] for a class or a value."""
        assert isinstance(self.head, LinearHead), "the target is a sequence of tokens"
        return self.head(self._memory(inputs, lengths, rates))

    def alignment(
        self, inputs: Array, lengths: Int[Array, " B"] | None, tokens: Int[Array, "B U"], rates: Rates = NO_DROPOUT
    ) -> Float[Array, "B U S"]:
        """Return the attention weights at each of these tokens: zero on padding, with sum 1; zeros without attention.

        S is the number of the encoder's states, which is less than that of the inputs with `model.subsampling`.
        """
        head = self._token_head()
        memory = self._memory(inputs, lengths, rates)
        return head.decoder(memory, previous_tokens(tokens), None, head.decoder.expected(rates))[1]

    def layer_inputs(self, batch: Batch, rates: Rates = NO_DROPOUT) -> dict[str, list[LayerInputs]]:
        """Return what each layer and direction of the "encoder" and, if there is one, the "decoder" reads.

        As in evaluation: without dropout, with the expectation of zoneout. The decoder reads the targets.
        """
        inputs, lengths, encoder = batch.inputs, batch.input_lengths, self.encoder
        sides = {"encoder": encoder.layer_inputs(inputs, lengths, dropout.expected(encoder.stack.widths, rates))}
        if isinstance(self.head, TokenHead):
            memory, decoder = self._memory(inputs, lengths, rates), self.head.decoder
            tokens = previous_tokens(batch.targets)
            sides["decoder"] = decoder.layer_inputs(memory, tokens, batch.target_lengths, decoder.expected(rates))
        return sides

    def _memory(self, inputs: Array, lengths: Int[Array, " B"] | None, rates: Rates) -> Memory:
        noise = dropout.expected(self.encoder.stack.widths, rates)
        return self.encoder(inputs, lengths, noise=noise)

    def _token_head(self) -> TokenHead:
        assert isinstance(self.head, TokenHead), "the target is not a sequence of tokens"
        return self.head


def _through(memory: Memory, way: Way) -> Memory:
    """Return the memory, with a gradient of one way alone."""
    stop = jax.lax.stop_gradient
    if way == "recurrence":
        return replace(memory, states=stop(memory.states))
    if way == "attention":
        return replace(memory, carries=stop(memory.carries), last=stop(memory.last))
    return memory


def _at_step(score: Score, whole: Batch, part: Batch, loss_step: int, labels: bool) -> tuple[Score, Array]:
    """Return the score of the n-th token or step alone, and how many sequences of the whole batch have it."""

    def chosen(batch: Batch) -> Array:
        steps = batch.targets.shape[1]
        lengths = batch.input_lengths if labels else batch.target_lengths
        ends = jnp.full((len(batch.targets), 1), steps) if lengths is None else lengths[:, None]
        place = loss_step - 1 if loss_step > 0 else ends + loss_step
        at = (jnp.arange(steps)[None, :] == place) & (place < ends)
        return at & (batch.targets != NO_LABEL) if labels else at

    fields = {name: jnp.where(chosen(part), getattr(score, name), 0) for name in ("objective", "loss", "errors")}
    return replace(score, **fields), jnp.maximum(jnp.sum(chosen(whole)), 1).astype(score.loss.dtype)
