"""A trial's numbers do not depend on its pack, its place there, the devices, or how its steps are cut into calls."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from research.training import hparams
from research.training.evaluation import evaluate
from research.training.pack import PER_TRIAL, Pack
from research.training.state import TrialState
from research.training.step import Record
from tests import production
from tests.training import trials
from tests.training.trials import STEPS, TINY, assert_equal, hparams_of

CHANGES: dict[str, dict[str, Any]] = {
    "base": {},
    "seed": {"seed": 1},
    "gain": {"init.gain": 1.2},
    "forget bias": {"init.forget_bias": 2.0},
    "chrono": {"init.bias": "chrono"},
    "learning rate": {"optimizer.learning_rate": 0.02},
    "warm-up": {"schedule.warmup_steps": 5},
    "clip": {"optimizer.clip_norm": 0.01},
    "beta1": {"optimizer.beta1": 0.5},
    "overflow": {"optimizer.learning_rate": 1e38, "training.divergence_loss": 3e38},
    "ceiling": {"optimizer.learning_rate": 100.0, "training.divergence_loss": 10.0},
}
DIVERGING = ("overflow", "ceiling")
Trained = dict[str, tuple[TrialState, Record]]


@pytest.fixture(scope="module", autouse=True)
def production_compilation() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "jit", production.jit)
        yield


def train(pack: Pack, names: list[str], chunks: list[int]) -> Trained:
    """Train these trials in a pack of their number, which is compiled at its first use only."""
    occupy(pack, names)
    state, step = pack.init(), 0
    records: Any = None
    for count in chunks:
        state, record = pack.run(state, step, step + count)
        step += count
        records = jax.device_get(record)
    return {
        name: (own, jax.tree.map(lambda x, k=k: x[k], records))
        for k, (name, own) in enumerate(zip(names, pack.fetch(state), strict=True))
    }


def occupy(pack: Pack, names: list[str]) -> None:
    """Put these trials into the places of a pack, so that it need not be compiled again."""
    each = [hparams_of(trials.override(TINY, CHANGES[name])) for name in names]
    pack.hparams = pack._put(hparams.stack(each + each[:1] * pack.padding), PER_TRIAL)


def pack_of(size: int) -> Pack:
    return Pack(trials.program(), [hparams_of(TINY)] * size)


@pytest.fixture(scope="module")
def pack() -> Pack:
    return pack_of(len(CHANGES))


@pytest.fixture(scope="module")
def together(pack: Pack) -> Trained:
    return train(pack, list(CHANGES), [STEPS])


@pytest.fixture(scope="module")
def alone() -> Trained:
    single = pack_of(1)
    return {name: train(single, [name], [STEPS])[name] for name in CHANGES}


def test_the_pack_has_more_trials_than_devices_and_they_do_not_divide(pack):
    assert (pack.mesh.size, pack.padding) == (2, 1)


@pytest.mark.parametrize("name", CHANGES)
def test_a_trial_is_the_same_alone_and_in_a_pack(name, alone, together):
    assert_equal(alone[name], together[name])


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "base"])
def test_each_hyperparameter_takes_effect_inside_a_pack(name, together):
    base, other = (jax.tree.leaves(together[key][0].params) for key in ("base", name))
    assert any(np.any(a != b) for a, b in zip(base, other, strict=True))


def test_the_order_in_a_pack_does_not_matter(pack, together):
    assert_equal(train(pack, list(reversed(CHANGES)), [STEPS]), dict(reversed(together.items())))


def test_calls_of_other_lengths_make_the_same_steps(pack, together):
    assert_equal(*({k: v[0] for k, v in run.items()} for run in (together, train(pack, list(CHANGES), [1, 4, 3]))))


def test_one_device_and_two_give_the_same(together, monkeypatch):
    first = jax.devices()[:1]
    monkeypatch.setattr(jax, "devices", lambda: first)
    single_device = pack_of(len(CHANGES))
    assert (single_device.mesh.size, single_device.padding) == (1, 0)
    assert_equal(train(single_device, list(CHANGES), [STEPS]), together)


@pytest.mark.parametrize("name", DIVERGING)
def test_a_diverged_trial_stands_at_its_last_finite_state_and_records_no_more(name, pack, together):
    state, _ = together[name]
    steps = int(state.step)
    assert not state.ok and steps < STEPS
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(state.params))
    before, record = train(pack, list(CHANGES), [steps])[name]
    assert before.ok and record.sums.updates == steps
    assert_equal((before.params, before.optimizer), (state.params, state.optimizer))
    _, later = train(pack, list(CHANGES), [steps + 1, 2])[name]
    assert (later.ok, later.num_updates, later.sums.updates) == (False, steps, 0)


def test_trials_next_to_diverged_ones_are_complete(together):
    assert all(together[name][0].ok and together[name][0].step == STEPS for name in CHANGES if name not in DIVERGING)


def test_padding_never_runs(pack):
    state, _ = pack.run(pack.init(), 0, 3)
    assert state.step.shape == (len(CHANGES) + pack.padding,)
    assert int(state.step[-1]) == 0


def test_states_come_back_from_the_host_as_they_were(pack, together):
    occupy(pack, list(CHANGES))
    half, _ = pack.run(pack.init(), 0, 3)
    whole, _ = pack.run(pack.place(pack.fetch(half)), 3, STEPS)
    assert_equal(pack.fetch(whole), [state for state, _ in together.values()])


def test_a_trial_alone_is_compiled_for_as_many_devices_as_a_pack():
    """XLA optimizes a program for one device differently: at 128 features a loss then differs in its seventh digit."""
    assert Pack(trials.program(), [hparams_of(TINY)]).mesh.size == jax.device_count() == 2


def test_slots_that_no_trial_takes_are_not_evaluated():
    program, results = trials.program(), []
    pack = Pack(program, [hparams_of(TINY)] * 4)
    pack.occupy([hparams_of(TINY)])
    predict = pack._predict
    pack._predict = lambda *arguments: results.append(predict(*arguments)) or results[0]
    evaluate(pack, pack.init(), program.task, program.task.eval_examples("validation", 20))
    losses = jax.device_get(results[0][0].loss)
    assert np.all(losses[0]) and not np.any(losses[1:])
