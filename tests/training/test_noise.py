"""Dropout and zoneout in a pack: rates are arguments of the program, and evaluation is without noise."""

import jax
import numpy as np
import pytest

from research.config import NOISE, Config
from research.config.flat import override
from research.errors import UserError
from research.tasks import task as tasks
from research.training.pack import Pack
from research.training.trainer import train_trials
from tests.training import trials
from tests.training.trials import TINY, assert_equal, hparams_of

RATES = [name for name in NOISE if name != "attention_dropout"]  # which needs an attention
NOISY = trials.of(
    TINY,
    task__name="dyck",  # of tokens: there are embeddings to drop
    task__length=8,
    cell__name="lstm",
    model__num_layers=2,
    model__residual=True,
    probes__gradient_flow__every=0,
    **{f"training__{name}": 0.2 for name in RATES},
)


def trial(name: str, rate: float) -> Config:
    return override(NOISY, {f"training.{name}": rate})


@pytest.fixture(scope="module")
def pack() -> Pack:
    return Pack(trials.program(NOISY), [hparams_of(trial(name, 0.5)) for name in RATES])


def test_trials_of_a_pack_differ_by_each_rate_and_a_draw_is_a_function_of_seed_and_step(pack):
    def trained(chunks):
        state = pack.init()
        for count in chunks:
            state, _ = pack.run(state, count)
        return pack.fetch(state)

    states = trained([4])
    assert_equal(states, trained([1, 3]))
    found = {np.concatenate([np.ravel(x) for x in jax.tree.leaves(state.params)]).tobytes() for state in states}
    assert len(found) == len(RATES)


def test_evaluation_drops_nothing_and_holds_what_is_expected(pack):
    task = tasks.create(NOISY.task)
    state, held_out = pack.init(), task.held_out(8)
    losses = dict(zip(RATES, pack.predict(state, held_out)[0].loss, strict=True))
    dropped = losses["output_dropout"]
    np.testing.assert_array_equal(dropped, losses["recurrent_dropout"])  # all have the same weights
    np.testing.assert_array_equal(dropped, losses["input_dropout"])
    assert np.any(losses["zoneout_h"] != dropped) and np.any(losses["zoneout_c"] != dropped)
    np.testing.assert_array_equal(dropped, pack.predict(state, held_out)[0].loss[RATES.index("output_dropout")])


def test_recurrent_dropout_of_a_cell_without_recurrent_weights_is_refused_before_anything_is_trained(tmp_path):
    config = trials.of(TINY, cell__name="mingru", dropout__recurrent=0.1)
    with pytest.raises(UserError, match="dropout.recurrent: must be 0, as mingru has no recurrent weights"):
        train_trials([("good", TINY), ("bad", config)], tmp_path)
    assert not (tmp_path / "good" / "metrics.jsonl").exists()
