"""Dropout and zoneout in a pack: rates are arguments of the program, and evaluation is without noise."""

import jax
import numpy as np
import pytest

from research.config.config import Config
from research.errors import UserError
from research.training.pack import Pack
from tests.training import trials
from tests.training.trials import TINY, assert_equal, hparams_of

RATES = ("dropout.input", "dropout.output", "dropout.recurrent", "zoneout.hidden", "zoneout.cell")
NOISY = trials.of(
    TINY,
    task__name="dyck",  # of tokens: there are embeddings to drop
    task__length=8,
    cell__name="lstm",
    model__num_layers=2,
    model__residual=True,
    probes__gradient_flow__every=0,
    **{rate.replace(".", "__"): 0.2 for rate in RATES},
)


def trial(name: str, rate: float) -> Config:
    return trials.override(NOISY, {name: rate})


@pytest.fixture(scope="module")
def pack() -> Pack:
    return Pack(trials.program(NOISY), [hparams_of(trial(name, 0.5)) for name in RATES])


def test_trials_of_a_pack_differ_by_each_rate_and_a_draw_is_a_function_of_seed_and_step(pack):
    def trained(chunks):
        state, step = pack.init(), 0
        for count in chunks:
            state, _ = pack.run(state, step, step + count)
            step += count
        return pack.fetch(state)

    states = trained([4])
    assert_equal(states, trained([1, 3]))
    found = {np.concatenate([np.ravel(x) for x in jax.tree.leaves(state.params)]).tobytes() for state in states}
    assert len(found) == len(RATES)


def test_evaluation_drops_nothing_and_holds_what_is_expected(pack):
    state, batch = pack.init(), pack.program.task.eval_examples("test", 8).batch
    losses = dict(zip(RATES, pack.predict(state, batch)[0].loss, strict=True))
    dropped = losses["dropout.output"]
    np.testing.assert_array_equal(dropped, losses["dropout.recurrent"])  # all have the same weights
    np.testing.assert_array_equal(dropped, losses["dropout.input"])
    assert np.any(losses["zoneout.hidden"] != dropped) and np.any(losses["zoneout.cell"] != dropped)
    np.testing.assert_array_equal(dropped, pack.predict(state, batch)[0].loss[RATES.index("dropout.output")])


def test_recurrent_dropout_of_a_cell_without_recurrent_weights_is_rejected():
    with pytest.raises(UserError, match=r"dropout\.recurrent=0\.1: must be 0, as .*mingru has no recurrent"):
        trials.of(TINY, cell__name="mingru", dropout__recurrent=0.1)
