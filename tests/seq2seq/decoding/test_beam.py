"""Beam search equals a search in NumPy and, with a large beam, finds the best output."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import EOS
from research.errors import UserError
from research.seq2seq.attention import ATTENTIONS
from research.seq2seq.decoder import Decoder
from research.seq2seq.decoding import Beam
from research.seq2seq.decoding.beam import MIN_COVERAGE
from research.seq2seq.options import Seq2seqOptions
from tests.seq2seq import models, outputs
from tests.seq2seq.models import BATCH, decoder_of, encoded
from tests.seq2seq.outputs import MOST, PENALTIES, VOCABULARY, Table, inclined

ALL = sum((VOCABULARY - 1) ** length for length in range(MOST)) + (VOCABULARY - 1) ** MOST
"""Number of possible outputs: those that end, and those of U tokens that do not."""
LONG = {"length_penalty": 0.8}
LONGEST = {"length_penalty": 3.0}
COVERED = {"coverage_penalty": 0.4}


def prepared(kind: str, by: float = 1.5):
    """Return a decoder whose outputs differ in length, and a memory."""
    model = outputs.model(kind)
    return inclined(decoder_of(model), EOS, by, 0.5), jax.jit(lambda: encoded(model, models.batch()))()


@pytest.fixture(scope="module", params=["none", "dot"])
def known(request):
    """Return the kind of attention, a decoder, a memory, and the decoder's probabilities of all outputs."""
    with jax.enable_x64(True):
        decoder, memory = prepared(request.param)
        return request.param, decoder, memory, Table.of(decoder, memory)


def search_all(decoder: Decoder, memory, configs, most: int = MOST):
    """Return the result of each search, in one program."""
    run = jax.jit(lambda memory: [config.resolve(most)(decoder, memory) for config in configs])
    return jax.device_get(run(memory))


def searches(kind: str, *options: dict) -> list[Beam]:
    """Return the searches with these options that this kind of attention allows."""
    allowed = [search for search in options if kind != "none" or "coverage_penalty" not in search]
    return [Beam(**options) for options in allowed]


def test_a_wide_beam_finds_all_outputs_in_their_order(known):
    kind, decoder, memory, table = known
    options = [{}, LONG, COVERED, {**LONG, **COVERED}, {**LONG, "min_length": 2}]
    configs = searches(kind, *({"beam_size": ALL + 3, **search} for search in options))
    for config, actual in zip(configs, search_all(decoder, memory, configs), strict=True):
        for row in range(BATCH):
            wanted = outputs.exhaustive(table, row, config)
            missing = 1 + (VOCABULARY - 1) if config.min_length else 0  # the shorter outputs
            assert len(wanted) == ALL - missing
            outputs.same(actual, row, wanted)


def test_a_narrow_beam_finds_what_the_search_in_numpy_finds_that_never_exits_early(known):
    kind, decoder, memory, table = known
    options = [{}, LONG, LONGEST, {**LONG, **COVERED}, {**LONG, "min_length": 2}]
    configs = searches(kind, *({"beam_size": 2, **search} for search in options), {"beam_size": 7, **LONGEST})
    is_best, lengths = [], set()
    for config, actual in zip(configs, search_all(decoder, memory, configs), strict=True):
        for row in range(BATCH):
            wanted, _ = outputs.beam(table, row, config)
            outputs.same(actual, row, wanted)
            is_best.append(wanted[0] == outputs.exhaustive(table, row, config)[0])
            lengths |= {len(output.tokens) for output in wanted}
    assert len(lengths) > 2 and any(is_best)


def test_it_takes_the_steps_after_which_no_hypothesis_could_come_in_and_no_more(monkeypatch):
    decoder, memory = prepared("none", 2.0)
    most, taken = 6, []
    table, calls = Table.of(decoder, memory, most), outputs.counted_steps(monkeypatch)
    for alpha in (0.0, 1.0, 4.0):
        config = Beam(beam_size=2, length_penalty=alpha)
        calls.clear()
        search_all(decoder, memory, [config], most)
        jax.effects_barrier()
        taken.append(len(calls))
        assert taken[-1] == max(outputs.beam(table, row, config, most)[1] for row in range(BATCH))
    assert (
        taken == sorted(set(taken)) and taken[-1] == most
    )  # a length penalty that favors long outputs takes more steps


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_a_coverage_penalty_is_refused_where_attention_has_no_weights(kind):
    model = models.model("gru", kind)

    @jax.jit
    def first_weights():
        decoder, memory = decoder_of(model), encoded(model, models.batch())
        return decoder.step(memory, decoder.start(memory), jnp.full(BATCH, EOS, jnp.int32))[1]

    def create():
        return Seq2seqOptions(attention=models.attention(kind), decoding=PENALTIES)

    if models.attention(kind).has_weights:  # which sum to one: see `attention/test_attention.py`
        create()
    else:
        assert not np.any(first_weights())
        with pytest.raises(
            UserError, match=rf"decoding.coverage_penalty=0.4: must be 0.0, as .*={kind} has no weights"
        ):
            create()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_state_without_attention_costs_a_finite_penalty_and_padding_none(dtype):
    coverage = jnp.asarray([[[0, 0.5, 3, 0]], [[0, 0, 0, 0]]], dtype)
    actual = PENALTIES._penalty(coverage, jnp.asarray([3, 0]))
    wanted = PENALTIES.coverage_penalty * (np.log(MIN_COVERAGE) + np.log(0.5))
    np.testing.assert_allclose(actual, [[wanted], [0]], rtol=1e-6)
    np.testing.assert_allclose(PENALTIES._penalty(coverage[:1, :, :3], None), [[wanted]], rtol=1e-6)
