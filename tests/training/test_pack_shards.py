"""A trial whose batches are split over devices trains like one that is not, to rounding; and alike in any pack."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import EOS, Batch, TaskSpec
from research.config.config import Config
from research.config.flat import override
from research.tasks import task as tasks
from research.tasks.task import Task
from research.training import hparams
from research.training.pack import Pack
from research.training.step import Program, Record, TrialState
from tests import quick
from tests.training.trials import assert_equal

STEPS = 6
SMALL = {
    "cell.name": "rnn",
    "model.hidden_size": 8,
    "training.batch_size": 6,
    "optimizer.name": "sgd",
    "optimizer.learning_rate": 0.05,
}
ADDING = {"task.name": "adding", "task.length": 12, "probes.gradient_flow.every": 4}
WORDS = {
    "task.name": "pronunciation",
    "attention.name": "dot",
    "teacher_forcing.ratio": 0.5,
    "dropout.input": 0.2,
    "dropout.output": 0.2,
    "teacher_forcing.schedule": "constant",
    "zoneout.hidden": 0.1,
}
TRIALS: dict[str, dict[str, Any]] = {
    "base": {},
    "seed": {"seed": 1},
    "diverges": {"optimizer.learning_rate": 1e38, "training.divergence_loss": 3e38},
}
Trained = dict[str, tuple[TrialState, Record]]


@pytest.fixture(scope="module", autouse=True)
def compiled_in_half_the_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "jit", quick.jit)
        yield


class Words(Task):
    """Random symbols of random lengths, to be said back: a task with a decoder and two buckets, without a corpus."""

    interface = TaskSpec("tokens", 9, 4, "tokens", 9, 5)
    buckets = 2

    def __init__(self) -> None: ...

    def bucket(self, key, step, batch_size):
        return step % 2

    def batch(self, data, key, step, batch_size, bucket):
        symbol_key, length_key = jax.random.split(jax.random.fold_in(key, step))
        longest = (2, 4)[bucket]
        symbols = jax.random.randint(symbol_key, (batch_size, longest), 3, 9)
        lengths = jax.random.randint(length_key, (batch_size,), 0, longest + 1)
        targets = jnp.pad(symbols, ((0, 0), (0, 1))).at[jnp.arange(batch_size), lengths].set(EOS)
        return Batch(symbols, lengths, targets, lengths + 1)


@functools.cache
def pack_of(name: str, count: int, trials: int = len(TRIALS), batched: bool = False) -> Pack:
    config = override(Config(), {**SMALL, **(ADDING if name == "adding" else WORDS)})
    task = tasks.create(config.task) if name == "adding" else Words()
    each = [hparams.of(override(config, change), task.interface) for change in list(TRIALS.values())[:trials]]
    return Pack(Program(config, task, count), each, batched)


def train(pack: Pack, calls: tuple[int, ...] = (STEPS,)) -> Trained:
    state, records = pack.init(), []
    for count in calls:
        state, record = pack.run(state, count)
        records.append(jax.device_get(record))
    each = [jax.tree.map(lambda x, k=k: x[k], records[-1]) for k in range(pack.size)]
    return dict(zip(TRIALS, zip(pack.fetch(state), each, strict=True), strict=False))


def assert_close(one: Any, other: Any, rtol: float) -> None:
    """To so much of the largest number of each leaf."""
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(other), strict=True):
        most = float(np.max(np.abs(a), initial=0))
        np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol * most, err_msg=jax.tree_util.keystr(path))


@functools.cache
def trained(name: str, count: int) -> Trained:
    return train(pack_of(name, count))


@pytest.mark.parametrize("name", ["adding", "words"])
@pytest.mark.parametrize("trial", ["base", "seed"])
def test_split_and_unsplit_agree_to_rounding(name, trial):
    whole, split = (trained(name, count)[trial] for count in (1, 2))
    assert split[0].ok and split[0].step == STEPS
    assert_close(whole, split, 3e-6)


def test_the_profile_is_that_of_the_whole_batch():
    whole, split = (trained("adding", count)["base"][1].profile for count in (1, 2))
    assert whole.shape == (12, 1) and np.all(whole > 0)
    np.testing.assert_allclose(split, whole, rtol=3e-6)


def test_a_split_trial_is_the_same_alone_and_in_a_pack():
    alone = pack_of("adding", 2, 1)
    assert dict(alone.mesh.shape) == dict(pack_of("adding", 2).mesh.shape) == {"trial": 1, "batch": 2}
    assert_equal(train(alone)["base"], trained("adding", 2)["base"])


def test_calls_of_other_lengths_make_the_same_steps():
    others = train(pack_of("adding", 2), (1, 3, 2))
    assert_equal(*({name: run[name][0] for name in TRIALS} for run in (trained("adding", 2), others)))


def test_a_split_trial_that_diverges_stands_still_and_disturbs_no_other():
    state, record = trained("adding", 2)["diverges"]
    assert not state.ok and state.step < STEPS and record.steps == state.step + 1
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(state.params))
    assert trained("adding", 2)["seed"][0].ok


class Sparse(Words):
    """Of many symbols that its examples could have and do not."""

    interface = replace(Words.interface, input_size=200)


@pytest.mark.parametrize("symbol", [1, 199])
def test_weights_that_are_not_finite_in_one_devices_stretch_stop_all(symbol):
    config = override(Config(), SMALL | WORDS | {"optimizer.learning_rate": 1e-3})
    pack = Pack(Program(config, Sparse(), 2), [hparams.of(config, Sparse.interface)])
    (state,) = pack.fetch(pack.init())
    unread = np.arange(200)[:, None] == symbol
    params = jax.tree.map(lambda x: np.where(unread, np.inf, x) if x.shape == (200, 8) else x, state.params)
    after, record = pack.run(pack.place([replace(state, params=params)]), 3)
    assert np.isfinite(jax.device_get(record.loss)).all()
    for copy in after.ok.addressable_shards:
        assert not np.asarray(copy.data).any()
    assert pack.fetch(after)[0].step == 0


def test_a_batched_pack_is_split_as_one_trial_after_the_other_is():
    in_turn, batched = trained("adding", 2), train(pack_of("adding", 2, batched=True))
    assert [bool(state.ok) for state, _ in batched.values()] == [True, True, False]
    for trial in ("base", "seed"):
        assert_close(in_turn[trial], batched[trial], 1e-5)


@pytest.mark.parametrize("count", [150, 201, 30])
def test_predictions_come_back_in_the_order_of_the_examples(count):
    whole, split = (pack_of("adding", columns) for columns in (1, 2))
    held_out = whole.program.task.held_out(count)
    assert_equal(whole.predict(whole.init(), held_out), split.predict(split.init(), held_out))
