"""Greedy decoding is the loop that anyone would write; it only stops earlier."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import BEGIN, END, PAD
from research.seq2seq.decoder import Decoder
from research.seq2seq.search import greedy
from tests import quick
from tests.seq2seq import models
from tests.seq2seq.models import BATCH, altered, decoder_of, encoded

MOST = 9
SHIFTS = (-9.0, 2.0, 99.0)
"""Of the end mark's logit: nothing ends; sequences end one by one; all end at once."""


@pytest.fixture(scope="module")
def decoders():
    """The decoder by the shift, and a memory."""
    with jax.enable_x64(True):
        model = models.model("lstm", "additive")
        decoder = decoder_of(model)
        bias = decoder.vocabulary.bias
        assert bias is not None
        shifted = {s: altered(decoder, bias[...].at[END].add(s), "vocabulary", "bias") for s in SHIFTS}
        return shifted, quick.jit(lambda: encoded(model, models.batch()))()


def naive(decoder: Decoder, memory) -> np.ndarray:
    """Every sequence to the last position, then cut behind the first end mark."""
    state, fed, said = decoder.start(memory), jnp.full((BATCH,), BEGIN), []
    step = quick.jit(lambda state, fed: decoder.step(memory, state, fed))
    for _ in range(MOST):
        logits, _, state = step(state, fed)
        fed = jnp.argmax(logits, axis=-1)
        said.append(np.asarray(fed))
    tokens = np.stack(said, axis=1)
    for row in tokens:
        if END in row:
            row[row.tolist().index(END) + 1 :] = PAD
    return tokens


@pytest.mark.parametrize("shift", SHIFTS)
def test_greedy_decoding_is_a_loop_of_best_tokens_that_stops_when_all_have_ended(shift, decoders, monkeypatch):
    decoder, memory = decoders[0][shift], decoders[1]
    wanted = naive(decoder, memory)
    lengths = [row.index(END) + 1 if END in row else MOST for row in wanted.tolist()]
    assert lengths == [MOST] * BATCH if shift < 0 else [1] * BATCH if shift == 99 else len(set(lengths)) > 1, lengths
    calls, plain = [], Decoder.step

    def counted(self, *arguments):
        jax.debug.callback(lambda: calls.append(1))
        return plain(self, *arguments)

    monkeypatch.setattr(Decoder, "step", counted)
    found = np.asarray(quick.jit(lambda: greedy(decoder, memory, MOST))())
    jax.effects_barrier()
    np.testing.assert_array_equal(found, wanted)
    assert len(calls) == max(lengths)
