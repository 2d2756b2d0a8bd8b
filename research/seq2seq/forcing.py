"""Teacher forcing: which token the decoder is fed at each position.

With probability `ratio`, drawn for each token, the true previous token; otherwise the model's own best guess given what
it was fed before (Bengio et al. 2015, "always argmax"). The guess is discrete, so no gradient passes through it: the
tokens are drawn first, without gradient, and the loss is then computed in parallel on what was drawn.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from research.batch import BEGIN, WHOLE, Shard
from research.recurrent.dropout import StackNoise
from research.seq2seq.conditions import Conditions
from research.seq2seq.decoder import Decoder
from research.seq2seq.encoder import Memory


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
    noise: StackNoise | None = None,
) -> Int[Array, "B U"]:
    """The tokens that are fed in training; where all are forced they are known and nothing is drawn.

    Args:
        shard: the part of a batch that the targets are.
        noise: of the decoder in this update, for these targets.
    """
    true, ratio = true_previous(targets), conditions.teacher_forcing
    if ratio is None:
        return true

    def draw() -> Array:
        whole = (shard.count * len(true), true.shape[1])
        chance = jax.random.uniform(key, whole)
        if conditions.whole is not None:
            chance = jnp.where(conditions.whole > 0, chance[:, :1], chance)
        forced = shard.rows(chance < ratio).at[:, 0].set(True)

        def step(carry, inputs):
            state, guess = carry
            u, true_u, forced_u = inputs
            fed = jnp.where(forced_u, true_u, guess)
            logits, _, state = decoder.step(memory, state, fed, None if noise is None else noise.steps(u))
            return (state, jnp.argmax(logits, axis=-1).astype(fed.dtype)), fed

        start = (decoder.start(memory), jnp.zeros_like(true[:, 0]))
        return jax.lax.scan(step, start, (jnp.arange(true.shape[1]), true.T, forced.T))[1].T

    return jax.lax.stop_gradient(jax.lax.cond(ratio < 1, draw, lambda: true))
