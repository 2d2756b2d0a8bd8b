"""Decoding: the output that the model gives on its own."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from research.batch import BEGIN, END, PAD
from research.seq2seq.decoder import SILENT, Decoder, DecoderNoise
from research.seq2seq.encoder import Memory


def greedy(decoder: Decoder, memory: Memory, most: int, noise: DecoderNoise = SILENT) -> Int[Array, "B U"]:
    """The best token at each position, up to the end mark, then padding; stops when all sequences have ended.

    Args:
        most: the longest output U, the end mark included.
        noise: what stands for it in evaluation, the same at all steps.
    """
    batch = memory.states.shape[0]

    def unfinished(loop):
        position, _, _, _, ended = loop
        return (position < most) & ~jnp.all(ended)

    def step(loop):
        position, state, fed, tokens, ended = loop
        logits, _, state = decoder.step(memory, state, fed, noise)
        best = jnp.where(ended, PAD, jnp.argmax(logits, axis=-1).astype(fed.dtype))
        tokens = tokens.at[:, position].set(best)
        return position + 1, state, best, tokens, ended | (best == END)

    fed = jnp.full((batch,), BEGIN, jnp.int32)
    tokens = jnp.full((batch, most), PAD, jnp.int32)
    loop = (jnp.int32(0), decoder.start(memory), fed, tokens, fed == END)
    return jax.lax.while_loop(unfinished, step, loop)[3]
