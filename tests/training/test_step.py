"""An update in a pack: hyperparameters differ between trials, and each trial trains as if alone."""

import functools
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import TaskSpec
from research.config.config import Config
from research.config.flat import override
from research.data.batching import Examples
from research.options import static_key
from research.tasks.corpus_task import InMemory, Prepared
from research.training import checkpoint, hparams
from research.training.pack import PER_TRIAL, Pack
from research.training.state import TrialState
from research.training.step import Record
from tests.tasks.streams import OnDevice
from tests.training import trials
from tests.training.trials import WORDS, Words, assert_equal, hparams_of

STEPS = 6
ADAMW = {
    "teacher_forcing.schedule": "linear",
    "teacher_forcing.half_life": 4.0,
    "optimizer.name": "adamw",
    "optimizer.learning_rate": 0.01,
    "optimizer.weight_decay": 0.1,
    "optimizer.clip_value": 0.1,
    "training.label_smoothing": 0.1,
    "training.gradient_regularizer": 0.1,
    "training.ema_decay": 0.5,
    "schedule.name": "plateau",
    "schedule.steps": 1,
    "schedule.patience": 1,
}
RMSPROP = trials.of(cell__name="rnn", optimizer__name="rmsprop", optimizer__momentum=0.5)
SGD = trials.of(cell__name="rnn", optimizer__name="sgd", optimizer__momentum=0.5)
PACKS: dict[str, tuple[Config, dict[str, Any]]] = {
    "adamw": (
        override(WORDS, ADAMW),
        {
            "optimizer.beta1": 0.5,
            "optimizer.beta2": 0.9,
            "optimizer.eps": 1e-2,
            "optimizer.weight_decay": 0.9,
            "optimizer.clip_value": 0.01,
            "optimizer.clip_norm": 0.05,
            "training.label_smoothing": 0.4,
            "training.gradient_regularizer": 5.0,
            "training.ema_decay": 0.9,
            "schedule.steps": 2,
            "schedule.patience": 3,
            "schedule.factor": 0.1,
            "teacher_forcing.half_life": 1.0,
        },
    ),
    "rmsprop": (RMSPROP, {"optimizer.decay": 0.5, "optimizer.eps": 1e-2, "optimizer.momentum": 0.9}),
    "sgd": (SGD, {"optimizer.momentum": 0.9, "schedule.warmup_steps": 4}),
}
"""The base of a pack, and what its trials change: one number each."""


def config_of(name: str, changed: str = "") -> Config:
    base, changes = PACKS[name]
    return override(base, {changed: changes[changed]} if changed else {})


@functools.cache
def pack_of(name: str, size: int) -> Pack:
    config = config_of(name)
    return Pack(trials.program(config), [hparams_of(config)] * size)


def occupy(pack: Pack, *each: Config) -> None:
    """Put these trials into the places of a pack, so that it need not be compiled again."""
    numbers = [hparams_of(config) for config in each]
    pack.hparams = pack._put(hparams.stack(numbers + numbers[:1] * pack.padding), PER_TRIAL)


def train(name: str, changed: list[str], calls: tuple[int, ...] = (STEPS,)) -> dict[str, tuple[TrialState, Record]]:
    """Of the trials that change these keys, and the last call's records."""
    pack = pack_of(name, len(changed))
    occupy(pack, *(config_of(name, key) for key in changed))
    state, records, step = pack.init(), [], 0
    for count in calls:
        state, record = pack.run(state, step, step + count)
        step += count
        records.append(jax.device_get(record))
    last = [jax.tree.map(lambda x, k=k: x[k], records[-1]) for k in range(pack.size)]
    return dict(zip(changed, zip(pack.fetch(state), last, strict=True), strict=True))


@functools.cache
def together(name: str) -> dict[str, tuple[TrialState, Record]]:
    return train(name, ["", *PACKS[name][1]])


def test_a_trial_with_its_own_numbers_is_the_same_alone_and_in_a_pack():
    name, changed = "adamw", "teacher_forcing.half_life"
    assert static_key(config_of(name, changed)) == static_key(config_of(name))
    own = together(name)[changed]
    assert own[0].ok and own[0].step == STEPS
    assert_equal(train(name, [changed])[changed], own)


@pytest.mark.parametrize("name", PACKS)
def test_each_number_takes_effect(name):
    base = together(name)[""][0]
    for changed in PACKS[name][1]:
        other = together(name)[changed][0]
        weights = [(tree.params, tree.average) for tree in (base, other)]
        if changed == "training.ema_decay":  # the training is the same, the average is not
            assert_equal(base.params, other.params)
        assert any(np.any(a != b) for a, b in zip(*map(jax.tree.leaves, weights), strict=True)), changed


def test_calls_of_other_lengths_make_the_same_steps():
    keys = ["", *PACKS["adamw"][1]]
    others = train("adamw", keys, (1, 3, 2))
    assert_equal(*({key: run[key][0] for key in keys} for run in (together("adamw"), others)))


def test_the_average_and_the_plateau_are_in_the_checkpoint(tmp_path):
    state = together("adamw")[""][0]
    assert state.schedule.factor < 1 and state.schedule.lowest < np.inf
    checkpoint.save(tmp_path, STEPS, state)
    restored = checkpoint.restore(tmp_path, jax.eval_shape(lambda: state))
    assert restored is not None
    assert_equal(restored[1], state)


def test_what_is_evaluated_is_the_average_of_the_weights():
    pack = pack_of("adamw", 1)
    state = pack.init()
    assert_equal(state.average, state.params)  # before the first update
    seen = []
    for step in range(3):
        state, _ = pack.run(state, step, step + 1)
        seen.append(pack.fetch(state)[0].params)
    shares = 0.5 ** np.array([2.0, 1.0, 0.0])
    expected = jax.tree.map(lambda *each: np.tensordot(shares / shares.sum(), np.stack(each), 1), *seen)
    (own,) = pack.fetch(state)
    for a, b in zip(*map(jax.tree.leaves, (own.average, expected)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    batch = jax.device_get(Words().batch(None, jax.random.key(0), jnp.int32(0), 4, 1))
    states = (own, replace(own, params=own.average), replace(own, average=own.params))
    found, by_average, by_weights = (pack.predict(pack.place([one]), batch)[0].loss for one in states)
    np.testing.assert_array_equal(found, by_average)
    assert np.any(found != by_weights)


def test_a_diverged_trial_keeps_the_average_and_the_plateau_of_its_last_good_step():
    config = override(config_of("adamw"), {"optimizer.learning_rate": 1e38, "training.divergence_loss": 3e38})
    pack = pack_of("adamw", 1)
    occupy(pack, config)
    (stopped,) = pack.fetch(pack.run(pack.init(), 0, STEPS)[0])
    steps = int(stopped.step)
    assert not stopped.ok and steps < STEPS
    (before,) = pack.fetch(pack.run(pack.init(), 0, steps)[0])
    assert before.ok
    assert_equal(replace(stopped, ok=before.ok), before)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(stopped.average))


def test_the_rate_of_an_update_is_that_of_the_plateaus_before_it():
    config = config_of("adamw")
    pack, schedule = pack_of("adamw", 1), hparams_of(config).schedule(config)
    occupy(pack, config)
    state, plateau, falls = pack.init(), schedule.init(), []
    for step in range(STEPS):
        state, record = pack.run(state, step, step + 1)
        own = jax.tree.map(lambda x: x[0], jax.device_get(record))
        assert own.learning_rate == np.float32(0.01) * plateau.factor
        plateau = schedule.observe(plateau, jnp.asarray(own.sums.objective), jnp.int32(step))
        falls.append(float(plateau.factor))
    assert falls[-1] < falls[0] == 1


def test_records_tell_omega_and_the_forcing_of_the_last_update():
    record, strong = (together("adamw")[key][1] for key in ("", "training.gradient_regularizer"))
    assert record.teacher_forcing == 1 - (STEPS - 1) / (2 * 4.0)
    assert record.sums.gradient_regularizer > strong.sums.gradient_regularizer > 0
    without = together("sgd")[""][1]
    assert (without.teacher_forcing, without.sums.gradient_regularizer) == (1, 0)


def test_the_loss_is_recorded_without_label_smoothing_and_the_objective_with_it():
    pack = pack_of("adamw", 2)
    occupy(pack, config_of("adamw"), config_of("adamw", "training.label_smoothing"))
    sums = jax.device_get(pack.run(pack.init(), 0, 1)[1]).sums  # of the same weights
    assert sums.loss[0] == sums.loss[1] and sums.objective[0] != sums.objective[1]
    without = together("sgd")[""][1].sums
    assert without.objective == without.loss


def test_logits_that_tie_are_an_error_unless_the_first_is_the_target():
    config = trials.of(task__name="pixels", init__input_gain=0.0, probes__gradient_flow__every=0)
    program, numbers = trials.program(config), hparams_of(config)
    _, record = jax.jit(program.run)(numbers, jax.jit(program.init)(numbers), program.task.data, 1, 0)
    assert record.sums.error > 0.5  # an RNN without inputs: all logits are 0


def test_a_training_with_omega_in_its_gradient_lowers_it():
    def trained(weight: float) -> float:
        occupy(pack, override(config, {"init.gain": 0.4, "training.gradient_regularizer": weight}))
        state, _ = pack.run(pack.init(), 0, 60)
        _, record = pack.run(state, 60, 70)
        return float(jax.device_get(record.sums.gradient_regularizer)[0]) / 10

    config = override(trials.TINY, {"cell.name": "rnn", "training.gradient_regularizer": 1.0})
    pack = Pack(trials.program(config), [hparams_of(config)])
    little, much = trained(1e-6), trained(1.0)
    assert much < little / 3


def test_an_epoch_of_updates_trains_on_every_example():
    """Examples of two or six symbols, none of which another example has."""
    inputs = [*np.arange(3, 27).reshape(12, 2), *np.arange(27, 99).reshape(12, 6)]

    class Symbols(OnDevice):
        spec: Any = TaskSpec("tokens", 3 + 96, 6, "tokens", 5, 2)
        prepared: Any = Prepared(InMemory.of(Examples(inputs, [[3]] * 24)), "")

    config = replace(override(WORDS, {"optimizer.name": "sgd"}), task=Symbols())
    program, numbers = trials.program(config), hparams_of(config)
    assert program.task.buckets == 2
    start = jax.jit(program.init)(numbers)
    end, _ = jax.jit(program.run)(numbers, start, program.task.data, 24 // config.training.batch_size, 0)
    (embeddings,) = [
        np.any(a != b, axis=1)
        for a, b in zip(jax.tree.leaves(start.params), jax.tree.leaves(end.params), strict=True)
        if a.shape[:1] == (99,)
    ]
    np.testing.assert_array_equal(embeddings, np.arange(99) >= 3)
