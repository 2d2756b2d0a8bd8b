"""Teacher forcing: which token the decoder is fed at each position.

With a probability that may change over the training (`conditions.Forcing`), drawn for each token or once a target, it
is the true previous token; otherwise the model's own guess given what it was fed before: its likeliest token, or one
drawn from its distribution (Bengio et al. 2015). A guess is discrete, so no gradient passes through it: the tokens are
drawn first, without gradient, and the loss is then computed on what was drawn, as it is on true tokens.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from research.batch import BEGIN, WHOLE, Shard
from research.seq2seq.conditions import Conditions
from research.seq2seq.decoder import SILENT, Decoder, DecoderNoise
from research.seq2seq.encoder import Memory
from research.seq2seq.likeliest import likeliest

Feed = Literal["argmax", "sample"]


def true_previous(targets: Int[Array, "B U"]) -> Int[Array, "B U"]:
    """The begin mark, then the targets without their last."""
    return jnp.pad(targets[:, :-1], ((0, 0), (1, 0)), constant_values=BEGIN)


def fed_tokens(
    decoder: Decoder,
    memory: Memory,
    targets: Int[Array, "B U"],
    conditions: Conditions,
    key: Array,
    shard: Shard = WHOLE,
    noise: DecoderNoise = SILENT,
    feed: Feed = "argmax",
) -> Int[Array, "B U"]:
    """The tokens that are fed in training; where all are forced they are known and nothing is drawn.

    Args:
        shard: the part of a batch that the targets are.
        noise: of the decoder in this update, for these targets.
        feed: the guess: the likeliest token, or a sample.
    """
    true, ratio = true_previous(targets), conditions.teacher_forcing
    if ratio is None:
        return true
    count, steps = true.shape
    whole = shard.count * count

    def draw() -> Array:
        # Time comes first, so that what is past the end of a target leaves the draws before alone.
        chance = jax.random.uniform(key, (steps, whole)).T
        if conditions.whole is not None:
            chance = jnp.where(conditions.whole > 0, chance[:, :1], chance)
        forced = shard.rows(chance < ratio).at[:, 0].set(True)

        def guess(u: Array, logits: Array) -> Array:
            if feed == "sample":
                shape = (whole, logits.shape[1])
                logits += shard.rows(jax.random.gumbel(jax.random.fold_in(key, u), shape, logits.dtype))
            return likeliest(logits).astype(true.dtype)

        def step(carry, inputs):
            state, guessed = carry
            u, true_u, forced_u = inputs
            fed = jnp.where(forced_u, true_u, guessed)
            logits, _, state = decoder.step(memory, state, fed, noise.step(u))
            return (state, guess(u, logits)), fed

        start = (decoder.start(memory), jnp.zeros_like(true[:, 0]))
        return jax.lax.scan(step, start, (jnp.arange(steps), true.T, forced.T))[1].T

    return jax.lax.stop_gradient(jax.lax.cond(ratio < 1, draw, lambda: true))
