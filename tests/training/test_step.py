"""The parts of an update in a pack: their numbers differ between its trials, and each trial trains as if alone."""

import functools
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from research.batch import WHOLE, Batch, TaskSpec
from research.config.config import Config
from research.config.flat import override
from research.seq2seq.conditions import Conditions
from research.seq2seq.encoder import Memory
from research.seq2seq.model import LinearHead
from research.tasks import task as tasks
from research.tasks.resident import Examples, Resident
from research.tasks.task import Task
from research.training import checkpoint, hparams, optim
from research.training.hparams import Hparams
from research.training.pack import EACH, Pack
from research.training.step import Program, Record, TrialState
from tests import quick
from tests.training import trials
from tests.training.test_pack_shards import Words
from tests.training.trials import assert_equal

pytestmark = pytest.mark.usefixtures("quick_compilation")

STEPS = 6
WORDS = {
    "task.name": "pronunciation",
    "cell.name": "rnn",
    "model.hidden_size": 4,
    "training.batch_size": 4,
    "training.batch_shards": 1,
    "optimizer.learning_rate": 0.01,
    "teacher_forcing.schedule": "linear",
    "forcing.half_life": 4.0,
}
ADAMW = WORDS | {
    "optimizer.name": "adamw",
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
        override(Config(), ADAMW),
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
            "forcing.half_life": 1.0,
        },
    ),
    "rmsprop": (
        RMSPROP,
        {
            "optimizer.decay": 0.5,
            "optimizer.eps": 1e-2,
            "optimizer.momentum": 0.9,
            "schedule.name": "inverse_sqrt",
        },
    ),
    "sgd": (SGD, {"optimizer.momentum": 0.9, "schedule.name": "cosine"}),
}
"""The base of a pack, and what its trials change: one number each."""


def config_of(name: str, changed: str = "") -> Config:
    base, changes = PACKS[name]
    return override(base, {changed: changes[changed]} if changed else {})


def task_of(config: Config) -> Task:
    return Words() if config.task.decodes else tasks.create(config.task)


def hparams_of(config: Config) -> Hparams:
    return hparams.of(config, task_of(config).interface)


@functools.cache
def pack_of(name: str, size: int) -> Pack:
    config = config_of(name)
    return Pack(Program(config, task_of(config)), [hparams_of(config)] * size)


def occupy(pack: Pack, *each: Config) -> None:
    """Put these trials into the places of a pack, so that it need not be compiled again."""
    numbers = [hparams_of(config) for config in each]
    pack.hparams = pack._put(hparams.stack(numbers + numbers[:1] * pack.padding), EACH)


def train(name: str, changed: list[str], calls: tuple[int, ...] = (STEPS,)) -> dict[str, tuple[TrialState, Record]]:
    """Of the trials that change these keys, and the last call's records."""
    pack = pack_of(name, len(changed))
    occupy(pack, *(config_of(name, key) for key in changed))
    state, records = pack.init(), []
    for count in calls:
        state, record = pack.run(state, count)
        records.append(jax.device_get(record))
    last = [jax.tree.map(lambda x, k=k: x[k], records[-1]) for k in range(pack.size)]
    return dict(zip(changed, zip(pack.fetch(state), last, strict=True), strict=True))


@functools.cache
def together(name: str) -> dict[str, tuple[TrialState, Record]]:
    return train(name, ["", *PACKS[name][1]])


@pytest.mark.parametrize(("name", "changed"), [(name, key) for name in PACKS for key in ("", *PACKS[name][1])])
def test_a_trial_with_its_own_numbers_is_the_same_alone_and_in_a_pack(name, changed):
    assert hparams.static_of(config_of(name, changed)) == hparams.static_of(config_of(name))
    own = together(name)[changed]
    assert own[0].ok and own[0].step == STEPS
    assert_equal(train(name, [changed])[changed], own)


@pytest.mark.parametrize(("name", "changed"), [(name, key) for name in PACKS for key in PACKS[name][1]])
def test_each_number_takes_effect(name, changed):
    (base, _), (other, _) = together(name)[""], together(name)[changed]
    weights = [(tree.params, tree.average) for tree in (base, other)]
    if changed == "training.ema_decay":  # the training is the same, the average is not
        assert_equal(base.params, other.params)
    assert any(np.any(a != b) for a, b in zip(*map(jax.tree.leaves, weights), strict=True))


def test_calls_of_other_lengths_make_the_same_steps():
    keys = ["", *PACKS["adamw"][1]]
    others = train("adamw", keys, (1, 3, 2))
    assert_equal(*({key: run[key][0] for key in keys} for run in (together("adamw"), others)))


def test_the_average_and_the_plateau_are_in_the_checkpoint(tmp_path):
    state = together("adamw")[""][0]
    assert state.plateau is not None and state.plateau.fall < 1 and state.plateau.lowest < np.inf
    checkpoint.save(tmp_path, STEPS, state)
    restored = checkpoint.restore(tmp_path, jax.eval_shape(lambda: state))
    assert restored is not None
    assert_equal(restored[1], state)


def test_what_is_evaluated_is_the_average_of_the_weights():
    pack = pack_of("adamw", 1)
    state = pack.init()
    assert_equal(state.average, state.params)  # before the first update
    seen = []
    for _ in range(3):
        state, _ = pack.run(state, 1)
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
    (stopped,) = pack.fetch(pack.run(pack.init(), STEPS)[0])
    steps = int(stopped.step)
    assert not stopped.ok and steps < STEPS
    (before,) = pack.fetch(pack.run(pack.init(), steps)[0])
    assert before.ok
    assert_equal(replace(stopped, ok=before.ok), before)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(stopped.average))


def test_the_rate_of_an_update_is_that_of_the_plateaus_before_it():
    config = config_of("adamw")
    pack, numbers = pack_of("adamw", 1), hparams_of(config)
    occupy(pack, config)
    state, plateau, falls = pack.init(), optim.no_plateau(), []
    for step in range(STEPS):
        state, record = pack.run(state, 1)
        own = jax.tree.map(lambda x: x[0], jax.device_get(record))
        assert own.learning_rate == np.float32(0.01) * plateau.fall
        plateau = optim.plateau_after(numbers, plateau, jnp.asarray(own.loss), jnp.int32(step))
        assert plateau is not None
        falls.append(float(plateau.fall))
    assert falls[-1] < falls[0] == 1


def test_records_tell_omega_and_the_forcing_of_the_last_update():
    record, strong = (together("adamw")[key][1] for key in ("", "training.gradient_regularizer"))
    assert record.teacher_forcing == 1 - (STEPS - 1) / (2 * 4.0)
    assert record.gradient_regularizer > strong.gradient_regularizer > 0
    without = together("sgd")[""][1]
    assert (without.teacher_forcing, without.gradient_regularizer) == (1, 0)


RULES: dict[str, dict[str, Any]] = {
    "sgd": {},
    "momentum": {"optimizer.name": "sgd", "optimizer.momentum": 0.5},
    "adamw": {"optimizer.name": "adamw", "optimizer.weight_decay": 0.1, "optimizer.eps": 0.01},
    "rmsprop": {"optimizer.name": "rmsprop", "optimizer.eps": 0.01},
}
"""Rules that do not magnify what differs by rounding."""


@functools.cache
def split(rule: str, count: int, batched: bool = False) -> tuple[TrialState, Record]:
    """Without draws of the forcing, which are not to differ by rounding."""
    options = {key: value for key, value in ADAMW.items() if not key.startswith("forcing")}
    del options["optimizer.weight_decay"]
    own = {"optimizer.name": "sgd", "optimizer.clip_norm": 0.3, "training.batch_shards": count} | RULES[rule]
    config = override(Config(), options | own)
    pack = Pack(Program(config, Words(), count), [hparams_of(config)], batched)
    state, record = pack.run(pack.init(), STEPS // 2)
    state, record = pack.run(state, STEPS - STEPS // 2)
    return pack.fetch(state)[0], jax.tree.map(lambda x: x[0], jax.device_get(record))


@pytest.mark.parametrize("rule", RULES)
def test_parts_of_a_batch_add_up_to_the_whole(rule):
    for a, b in zip(jax.tree.leaves(split(rule, 1)), jax.tree.leaves(split(rule, 2)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert split(rule, 1)[1].gradient_regularizer > 0
    assert split(rule, 1)[1].clipped > 0


def test_one_batched_program_trains_as_one_trial_after_the_other_does():
    for a, b in zip(jax.tree.leaves(split("sgd", 1)), jax.tree.leaves(split("sgd", 1, batched=True)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", ["class", "labels"])
def test_the_labels_of_classes_are_smoothed_too(target):
    head = LinearHead(TaskSpec("features", 2, 3, target, 5, 3), 4, nnx.Rngs(0))
    states = jax.random.normal(jax.random.key(0), (6, 4))
    memory = Memory(states[:, None], None, (), states)
    classes = jnp.arange(6) % 5
    batch = Batch(jnp.zeros((6, 1, 2)), None, classes if target == "class" else classes[:, None])
    found, plain = (
        head.training_score(memory, batch, Conditions(label_smoothing=share), jax.random.key(0), WHOLE).loss
        for share in (jnp.float32(0.3), None)
    )
    labels = 0.7 * jax.nn.one_hot(classes, 5) + 0.3 / 5
    np.testing.assert_allclose(found[:, 0], optax.softmax_cross_entropy(head.linear(states), labels), rtol=1e-6)
    assert np.all(found != plain)


def test_a_training_with_omega_in_its_gradient_lowers_it():
    def trained(weight: float) -> float:
        occupy(pack, override(config, {"init.gain": 0.4, "training.gradient_regularizer": weight}))
        state, _ = pack.run(pack.init(), 60)
        _, record = pack.run(state, 10)
        return float(jax.device_get(record.gradient_regularizer)[0]) / 10

    config = override(trials.TINY, {"cell.name": "rnn", "training.gradient_regularizer": 1.0})
    pack = Pack(Program(config, tasks.create(config.task)), [hparams_of(config)])
    little, much = trained(1e-6), trained(1.0)
    assert much < little / 3


class Symbols(Resident):
    """Examples of two or six symbols, none of which another example has."""

    interface = TaskSpec("tokens", 3 + 96, 6, "tokens", 5, 2)

    def __init__(self) -> None:
        inputs = [*np.arange(3, 27).reshape(12, 2), *np.arange(27, 99).reshape(12, 6)]
        self.hold(Examples(inputs, [[3]] * 24))


def test_an_epoch_of_updates_trains_on_every_example():
    task = Symbols()
    assert task.buckets == 2
    config = override(Config(), WORDS | {"optimizer.name": "sgd"})
    program, numbers = Program(config, task), hparams.of(config, task.interface)
    start = quick.jit(program.init)(numbers)
    end, _ = quick.jit(program.run)(numbers, start, task.data, 24 // config.training.batch_size)
    changes = [
        np.any(a != b, axis=1)
        for a, b in zip(jax.tree.leaves(start.params), jax.tree.leaves(end.params), strict=True)
        if a.shape[:1] == (99,)
    ]
    (embeddings,) = changes
    np.testing.assert_array_equal(embeddings, np.arange(99) >= 3)
