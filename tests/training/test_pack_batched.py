"""A pack as one batched program, which is what GPUs and TPUs run, against the same pack one trial after the other."""

import jax
import numpy as np
import pytest

from research.training.pack import Pack
from tests.training import trials
from tests.training.trials import WORDS, hparams_of

BASES = {
    "adding": trials.of(model__hidden_size=8, task__length=12),
    "words": trials.of(
        WORDS,
        attention__name="additive",
        teacher_forcing__schedule="constant",
        optimizer__clip_value=0.1,
        training__label_smoothing=0.1,
        training__gradient_regularizer=0.1,
        training__ema_decay=0.5,
        schedule__name="plateau",
        schedule__steps=1,
        schedule__patience=1,
    ),
}


@pytest.mark.parametrize("name", BASES)
def test_a_batched_pack_trains_as_one_trial_after_the_other_does(name):
    base = BASES[name]
    numbers = []
    for seed, (rate, ratio) in enumerate(((1e-3, 1.0), (1e6, 0.5), (2e-3, 0.0))):
        config = trials.of(base, seed=seed, optimizer__learning_rate=rate)
        numbers.append(hparams_of(trials.of(config, teacher_forcing__ratio=ratio) if name == "words" else config))
    program, found = trials.program(base), []
    for batched in (False, True):
        pack = Pack(program, numbers, batched)
        state, record = pack.run(pack.init(), 0, 9)
        measured = [x[: len(numbers)] for x in jax.tree.leaves(jax.device_get(record.probes))]
        found.append((pack.fetch(state), measured))
    (in_turn, profiles), (batched, batched_profiles) = found
    assert [bool(state.ok) for state in in_turn] == [True, False, True]
    for one, other in zip(in_turn, batched, strict=True):
        assert (one.ok, one.step) == (other.ok, other.step)
        for a, b in zip(jax.tree.leaves(one.params), jax.tree.leaves(other.params), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.max(np.abs(a)))
    assert len(profiles) == (name == "adding")
    for a, b in zip(profiles, batched_profiles, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3)
