"""The one model that every task trains: an encoder and a head. The trainer knows `loss` and `predict` only.

A head turns the memory into the task's target: the decoder for a sequence of tokens, a linear map of each state for
labels, and of the last state for a class or a value.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from research.batch import NO_LABEL, WHOLE, Batch, Interface, Shard
from research.config import Config
from research.recurrent import dropout
from research.recurrent.cell import Cell
from research.recurrent.dropout import OFF, Rates
from research.recurrent.initial import InitScheme
from research.recurrent.stack import Stack
from research.seq2seq import search
from research.seq2seq.conditions import PLAIN, Conditions
from research.seq2seq.cross_entropy import cross_entropy
from research.seq2seq.decoder import Decoder
from research.seq2seq.encoder import Encoder, Memory
from research.seq2seq.forcing import Feed, fed_tokens, true_previous
from research.seq2seq.likeliest import likeliest
from research.seq2seq.linear import linear
from research.seq2seq.search import Hypotheses, Search


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Score:
    """Loss and errors of each token or label, zeros where there is none; U = 1 where the target is no sequence."""

    loss: Float[Array, "B U"]
    errors: Float[Array, "B U"]
    """1 for a wrong token, label or class; for a value, its absolute error."""
    count: Float[Array, " B"]
    """Valid tokens or labels."""
    likeliest: Int[Array, "B U"] | None = None
    """The likeliest token at each position, in evaluation; None where the target is no sequence."""


class TokenHead(nnx.Module):
    """A sequence of tokens, from the decoder."""

    def __init__(
        self, config: Config, cell: Cell, interface: Interface, source: Stack, init: InitScheme, rngs: nnx.Rngs
    ) -> None:
        self.decoder = Decoder(config, cell, interface, source, init, rngs)
        self.search = search.create(config.decoding, interface.target_length)
        self.feed: Feed = config.forcing.feed

    def score(self, logits: Float[Array, "B U V"], batch: Batch, smoothing: Float[Array, ""] | None = None) -> Score:
        lengths = batch.target_lengths
        assert lengths is not None  # targets that are sequences have lengths
        valid = jnp.arange(batch.targets.shape[1])[None, :] < lengths[:, None]
        loss, wrong = cross_entropy(logits, batch.targets, smoothing)
        return Score(jnp.where(valid, loss, 0), jnp.where(valid, wrong, 0), lengths.astype(logits.dtype))

    def training_score(self, memory: Memory, batch: Batch, conditions: Conditions, key: Array, shard: Shard) -> Score:
        forcing_key, noise_key = jax.random.split(key)
        count, steps = batch.targets.shape
        sizes = (shard.count * count, steps, memory.states.shape[1])
        noise = shard.rows(self.decoder.noise(conditions.rates, noise_key, *sizes))
        fed = fed_tokens(self.decoder, memory, batch.targets, conditions, forcing_key, shard, noise, self.feed)
        logits, _ = self.decoder(memory, fed, batch.target_lengths, noise)
        return self.score(logits, batch, conditions.label_smoothing)

    def predict(self, memory: Memory, batch: Batch, rates: Rates, key: Array | None) -> tuple[Score, Array]:
        noise = self.decoder.expected(rates)
        logits, _ = self.decoder(memory, true_previous(batch.targets), batch.target_lengths, noise)
        said = self.search(self.decoder, memory, key, noise)
        score = replace(self.score(logits, batch), likeliest=likeliest(logits))
        return score, said.tokens[:, 0]


class LinearHead(nnx.Module):
    """Labels, from the state at each step; a class or a value, from the last state."""

    def __init__(self, interface: Interface, memory_features: int, rngs: nnx.Rngs) -> None:
        self.target = interface.target
        self.linear = linear(memory_features, interface.target_size, rngs, use_bias=True)

    def __call__(self, memory: Memory) -> Float[Array, "B *U V"]:
        """Logits, or values."""
        return self.linear(memory.states if self.target == "labels" else memory.last)

    def score(self, output: Array, batch: Batch, smoothing: Float[Array, ""] | None = None) -> Score:
        if self.target == "labels":
            asked = batch.targets != NO_LABEL
            loss, errors = cross_entropy(output, jnp.where(asked, batch.targets, 0), smoothing)
            count = jnp.sum(asked, axis=1).astype(output.dtype)
            return Score(jnp.where(asked, loss, 0), jnp.where(asked, errors, 0), count)
        if self.target == "class":
            loss, errors = cross_entropy(output, batch.targets, smoothing)
        else:
            difference = output - batch.targets
            loss, errors = jnp.mean(jnp.square(difference), axis=1), jnp.mean(jnp.abs(difference), axis=1)
        return Score(loss[:, None], errors[:, None], jnp.ones_like(loss))

    def training_score(self, memory: Memory, batch: Batch, conditions: Conditions, key: Array, shard: Shard) -> Score:
        return self.score(self(memory), batch, conditions.label_smoothing)

    def predict(self, memory: Memory, batch: Batch, rates: Rates, key: Array | None) -> tuple[Score, Array]:
        output = self(memory)
        score = self.score(output, batch)
        return score, likeliest(output) if self.target == "labels" else output


class Seq2seq(nnx.Module):
    """Encoder and head."""

    def __init__(self, config: Config, cell: Cell, interface: Interface, init: InitScheme, rngs: nnx.Rngs) -> None:
        self.encoder = Encoder(config.model, cell, interface, init, rngs)
        source = self.encoder.stack
        if interface.target == "tokens":
            self.head = TokenHead(config, cell, interface, source, init, rngs)
        else:
            self.head = LinearHead(interface, source.features, rngs)

    def loss(
        self,
        batch: Batch,
        key: Array,
        conditions: Conditions = PLAIN,
        probe: Float[Array, "S P"] | None = None,
        shard: Shard = WHOLE,
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Mean loss and mean error over valid tokens, as fed in training; the gradient of `probe` is the profile.

        That of `conditions.gradient_regulariser` is Omega; the loss is without it, the gradient of the weights is not.

        Args:
            batch: the whole batch.
            key: of all draws; they are made for the whole batch.
            shard: the part of it that is computed; the results of all parts add up to those of the whole.
        """
        own = shard.rows(batch)
        encoder_key, head_key = jax.random.split(key)
        noise = shard.rows(self.encoder.noise(conditions.rates, encoder_key, *batch.inputs.shape[:2]))
        weight = conditions.gradient_regulariser
        omega = None if weight is None else weight / len(batch.inputs)
        memory = self.encoder(own.inputs, own.input_lengths, probe, noise, omega)
        score = self.head.training_score(memory, own, conditions, head_key, shard)
        count = jnp.maximum(batch.count(), 1).astype(score.loss.dtype)
        return jnp.sum(score.loss) / count, jnp.sum(score.errors) / count

    def predict(self, batch: Batch, rates: Rates = OFF, key: Array | None = None) -> tuple[Score, Array]:
        """The teacher-forced score of each example, and its own output: tokens or labels [B, U], logits or values.

        Args:
            key: of the draws, where decoding draws any.
        """
        return self.head.predict(self._memory(batch.inputs, batch.input_lengths, rates), batch, rates, key)

    def decode(
        self,
        inputs: Array,
        lengths: Int[Array, " B"] | None,
        search: Search | None = None,
        rates: Rates = OFF,
        key: Array | None = None,
    ) -> Hypotheses:
        """What the model says on its own, n-best with scores; by the config's search unless another is given."""
        head = self._token_head()
        own = search or head.search
        return own(head.decoder, self._memory(inputs, lengths, rates), key, head.decoder.expected(rates))

    def alignment(
        self, inputs: Array, lengths: Int[Array, " B"] | None, tokens: Int[Array, "B U"], rates: Rates = OFF
    ) -> Float[Array, "B U S"]:
        """The attention's weights when these tokens are said: zero on padding, else summing to 1 at each position.

        S are the encoder's states, which are fewer than the inputs with `model.subsampling`; zeros without attention.
        """
        head = self._token_head()
        memory = self._memory(inputs, lengths, rates)
        return head.decoder(memory, true_previous(tokens), None, head.decoder.expected(rates))[1]

    def _memory(self, inputs: Array, lengths: Int[Array, " B"] | None, rates: Rates) -> Memory:
        noise = dropout.expected(self.encoder.stack.widths, rates)
        return self.encoder(inputs, lengths, noise=noise)

    def _token_head(self) -> TokenHead:
        assert isinstance(self.head, TokenHead), "the target is no sequence"
        return self.head
