"""The one model that every task trains: an encoder and a head. The trainer knows `loss` and `predict` only.

A head turns the memory into the task's target: the decoder for a sequence of tokens, a linear map of the last state for
a class or a value.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from research.batch import Batch, Interface
from research.config import ModelConfig
from research.recurrent.cell import InitScheme
from research.seq2seq.decoder import Decoder
from research.seq2seq.encoder import Encoder, Memory
from research.seq2seq.forcing import fed_tokens, true_previous
from research.seq2seq.search import greedy


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Score:
    """Loss and errors of each example, summed over its `count` valid tokens (1 where the target is no sequence)."""

    loss: Float[Array, " B"]
    errors: Float[Array, " B"]
    """Wrong tokens or classes; for a value, its absolute error."""
    count: Float[Array, " B"]

    def mean_loss(self) -> Float[Array, ""]:
        return jnp.sum(self.loss) / jnp.maximum(jnp.sum(self.count), 1)

    def mean_error(self) -> Float[Array, ""]:
        return jnp.sum(self.errors) / jnp.maximum(jnp.sum(self.count), 1)


class TokenHead(nnx.Module):
    """A sequence of tokens, from the decoder."""

    def __init__(self, config: ModelConfig, interface: Interface, memory_features: int, init, rngs: nnx.Rngs) -> None:
        self.decoder = Decoder(config, interface, memory_features, init, rngs)
        self.most = interface.target_length

    def score(self, memory: Memory, batch: Batch, fed: Int[Array, "B U"]) -> Score:
        lengths = batch.target_lengths
        assert lengths is not None  # targets that are sequences have lengths
        logits, _ = self.decoder(memory, fed, lengths)
        valid = jnp.arange(batch.targets.shape[1])[None, :] < lengths[:, None]
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, batch.targets)
        wrong = jnp.argmax(logits, axis=-1) != batch.targets
        sums = [jnp.sum(jnp.where(valid, x, 0), axis=1, dtype=logits.dtype) for x in (loss, wrong)]
        return Score(sums[0], sums[1], lengths.astype(logits.dtype))

    def training_score(self, memory: Memory, batch: Batch, teacher_forcing: Float[Array, ""], key: Array) -> Score:
        return self.score(memory, batch, fed_tokens(self.decoder, memory, batch.targets, teacher_forcing, key))

    def predict(self, memory: Memory, batch: Batch) -> tuple[Score, Array]:
        return self.score(memory, batch, true_previous(batch.targets)), greedy(self.decoder, memory, self.most)


class LinearHead(nnx.Module):
    """A class or a value, from the last hidden state."""

    def __init__(self, interface: Interface, memory_features: int, rngs: nnx.Rngs) -> None:
        self.target = interface.target
        kernel_init = nnx.initializers.glorot_uniform()
        self.linear = nnx.Linear(memory_features, interface.target_size, kernel_init=kernel_init, rngs=rngs)

    def score(self, output: Array, batch: Batch) -> Score:
        ones = jnp.ones_like(output[:, 0])
        if self.target == "class":
            loss = optax.softmax_cross_entropy_with_integer_labels(output, batch.targets)
            return Score(loss, (jnp.argmax(output, axis=-1) != batch.targets).astype(output.dtype), ones)
        difference = output - batch.targets
        return Score(jnp.mean(jnp.square(difference), axis=1), jnp.mean(jnp.abs(difference), axis=1), ones)

    def training_score(self, memory: Memory, batch: Batch, teacher_forcing: Float[Array, ""], key: Array) -> Score:
        return self.score(self.linear(memory.carries[-1][0]), batch)

    def predict(self, memory: Memory, batch: Batch) -> tuple[Score, Array]:
        output = self.linear(memory.carries[-1][0])
        return self.score(output, batch), output


class Seq2seq(nnx.Module):
    """Encoder and head."""

    def __init__(self, config: ModelConfig, interface: Interface, init: InitScheme, rngs: nnx.Rngs) -> None:
        self.encoder = Encoder(config, interface, init, rngs)
        width = self.encoder.memory_features
        if interface.target == "tokens":
            self.head = TokenHead(config, interface, width, init, rngs)
        else:
            self.head = LinearHead(interface, width, rngs)

    def loss(
        self,
        batch: Batch,
        key: Array,
        teacher_forcing: Float[Array, ""],
        probe: Float[Array, "S P"] | None = None,
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Mean loss and mean error over valid tokens, as fed in training; the gradient of `probe` is the profile."""
        memory = self.encoder(batch.inputs, batch.input_lengths, probe)
        score = self.head.training_score(memory, batch, teacher_forcing, key)
        return score.mean_loss(), score.mean_error()

    def predict(self, batch: Batch) -> tuple[Score, Array]:
        """The teacher-forced score of each example, and the model's own output: tokens [B, U], logits or values."""
        return self.head.predict(self.encoder(batch.inputs, batch.input_lengths), batch)
