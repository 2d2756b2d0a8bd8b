"""A trial whose batches are split over devices trains like one that is not, to rounding; and alike in any pack."""

import functools
from typing import Any

import jax
import numpy as np
import pytest

from research.config.config import Config
from research.config.flat import override
from research.training.pack import Pack
from research.training.state import TrialState
from research.training.step import Record
from tests.training import trials
from tests.training.trials import TINY, assert_equal, hparams_of

STEPS = 6
SMALL = {
    "cell.name": "rnn",
    "model.hidden_size": 8,
    "training.batch_size": 6,
    "optimizer.name": "sgd",
    "optimizer.learning_rate": 0.05,
}
BASES: dict[str, Config] = {
    "adding": override(TINY, SMALL | {"task.length": 12}),
    "words": override(
        trials.WORDS,
        SMALL
        | {
            "attention.name": "dot",
            "dropout.input": 0.2,
            "dropout.output": 0.2,
            "teacher_forcing.schedule": "constant",
            "teacher_forcing.ratio": 0.5,
            "zoneout.hidden": 0.1,
            "optimizer.clip_norm": 0.3,
            "optimizer.clip_value": 0.1,
            "training.label_smoothing": 0.1,
            "training.gradient_regularizer": 0.1,
            "training.ema_decay": 0.5,
            "schedule.name": "plateau",
            "schedule.steps": 1,
            "schedule.patience": 1,
        },
    ),
}
TRIALS: dict[str, dict[str, Any]] = {
    "base": {},
    "seed": {"seed": 1},
    "diverges": {"optimizer.learning_rate": 1e38, "training.divergence_loss": 3e38},
}
Trained = dict[str, tuple[TrialState, Record]]


@functools.cache
def pack_of(name: str, count: int, size: int = len(TRIALS), batched: bool = False) -> Pack:
    numbers = [hparams_of(override(BASES[name], change)) for change in list(TRIALS.values())[:size]]
    return Pack(trials.program(BASES[name], count), numbers, batched)


def train(pack: Pack, calls: tuple[int, ...] = (STEPS,)) -> Trained:
    state, records, step = pack.init(), [], 0
    for count in calls:
        state, record = pack.run(state, step, step + count)
        step += count
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
    sums = split[1].sums
    assert name == "adding" or (sums.gradient_regularizer > 0 and sums.clipped > 0)


def test_the_profile_is_that_of_the_whole_batch():
    records = (trained("adding", count)["base"][1].probes["gradient_flow"] for count in (1, 2))
    whole, split = (record["encoder/layer_1/forward/h"] for record in records)
    assert whole.shape == (12,) and np.all(whole > 0)
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
    assert not state.ok and state.step < STEPS and record.sums.updates == state.step + 1
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(state.params))
    assert trained("adding", 2)["seed"][0].ok


def test_a_batched_pack_is_split_as_one_trial_after_the_other_is():
    in_turn, batched = trained("adding", 2), train(pack_of("adding", 2, batched=True))
    assert [bool(state.ok) for state, _ in batched.values()] == [True, True, False]
    for trial in ("base", "seed"):
        assert_close(in_turn[trial], batched[trial], 1e-5)


@pytest.mark.parametrize("count", [201, 30])
def test_predictions_come_back_in_the_order_of_the_examples(count):
    whole, split = (pack_of("adding", columns) for columns in (1, 2))
    examples = whole.program.task.eval_examples("test", count).batch
    assert_equal(whole.predict(whole.init(), examples), split.predict(split.init(), examples))
