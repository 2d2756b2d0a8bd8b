"""Every key of the config either decides the program, is a hyperparameter of it, or touches no number at all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.batch import TaskSpec
from research.config import NOISE, Config
from research.config.flat import flatten
from research.tracking.run_directory import NEUTRAL_KEYS
from research.training import hparams
from tests.training.trials import TINY, hparams_of, of

INTERFACE = TaskSpec("features", 2, 8, "value", 1)
CHANGED = {
    "seed": 3,
    "init.gain": 1.5,
    "init.input_gain": 1.5,
    "init.sparse_fan_in": 7,
    "init.bias": "chrono",
    "init.forget_bias": 1.0,
    "optimizer.learning_rate": 0.5,
    "schedule.warmup_steps": 7,
    "schedule.name": "cosine",
    "optimizer.clip_norm": 2.0,
    "training.divergence_loss": 9.0,
    "optimizer.beta1": 0.8,
    "optimizer.beta2": 0.99,
    "optimizer.eps": 1e-6,
}
OTHERS = {
    "schedule.name": ({}, "cosine", "inverse_sqrt"),
    "schedule.steps": ({"decay": "plateau"}, 100, 50),
    "schedule.patience": ({"decay": "plateau"}, 3, 4),
    "schedule.factor": ({"decay": "plateau"}, 0.1, 0.2),
    "optimizer.weight_decay": ({"optimizer": "adamw"}, 0.0, 0.1),
    "optimizer.decay": ({"optimizer": "rmsprop"}, 0.5, 0.6),
    "optimizer.momentum": ({"optimizer": "sgd"}, 0.5, 0.6),
    "optimizer.clip_value": ({}, 1.0, 2.0),
    "training.gradient_regularizer": ({}, 0.1, 0.2),
    "training.ema_decay": ({}, 0.9, 0.99),
}
"""Keys that are read with other options only, or that can be off: options, two values that are on."""


def leaves(config: Config) -> list[float]:
    return [float(leaf) for leaf in jax.tree.leaves(hparams.of(config, INTERFACE))]


@pytest.mark.parametrize("key", CHANGED)
def test_a_dynamic_key_changes_one_number_and_not_the_program(key):
    base = of(init__recurrent="sparse")  # where each of them may be changed
    changed = of(base, **{key.replace(".", "__"): CHANGED[key]})
    assert hparams.static_of(changed) == hparams.static_of(base)
    assert sum(a != b for a, b in zip(leaves(changed), leaves(base), strict=True)) == 1


@pytest.mark.parametrize("key", OTHERS)
def test_a_dynamic_key_that_needs_another_changes_numbers_and_not_the_program(key):
    options, *values = OTHERS[key]
    base = of(**{f"training__{name}": value for name, value in options.items()})
    one, other = (of(base, **{key.replace(".", "__"): value}) for value in values)
    assert hparams.static_of(one) == hparams.static_of(other)
    changed = sum(a != b for a, b in zip(leaves(one), leaves(other), strict=True))
    assert changed == (2 if key == "schedule.name" else 1)


@pytest.mark.parametrize(
    ("key", "off", "on"),
    [
        ("momentum", 0.0, 0.5),
        ("gradient_regularizer", 0.0, 0.1),
        ("ema_decay", 0.0, 0.9),
        ("clip_value", np.inf, 1.0),
        ("decay", "none", "plateau"),
        ("optimizer", "sgd", "rmsprop"),
    ],
)
def test_what_adds_to_an_update_decides_the_program(key, off, on):
    base = of(optimizer__name="sgd")
    first, second = (of(base, **{f"training__{key}": value}) for value in (off, on))
    assert hparams.static_of(first) == hparams.static_of(base) != hparams.static_of(second)


def test_every_dynamic_key_is_tested_here():
    elsewhere = {"forcing.", "init.chrono_max_length", "training.label_smoothing", *(f"training.{name}" for name in NOISE)}
    rest = set(hparams.DYNAMIC) - set(CHANGED) - set(OTHERS)
    assert all(key.startswith(tuple(elsewhere)) for key in rest)


def test_label_smoothing_is_dynamic_and_whether_it_is_0_decides_the_program():
    base = of(task__name="pixels")
    little, much = (of(base, training__label_smoothing=share) for share in (0.1, 0.2))
    assert hparams.static_of(little) == hparams.static_of(much) != hparams.static_of(base)
    found = [hparams.of(config, INTERFACE).label_smoothing for config in (base, little, much)]
    assert found == [None, np.float32(0.1), np.float32(0.2)]
    assert hparams.of(much, INTERFACE).conditions(jnp.int32(0)).label_smoothing == np.float32(0.2)


@pytest.mark.parametrize("key", [f"training.{name}" for name in NOISE])
def test_a_rate_of_noise_is_dynamic_and_whether_it_is_0_decides_the_program(key):
    read = {  # by what
        "dropout.attention": {"task__name": "pronunciation", "attention__name": "dot"},
        "dropout.input": {"task__name": "dyck"},
    }
    seen = read.get(key, {})
    base = of(cell__name="lstm", probes__gradient_flow__every=0, **seen)
    little, much = (of(base, **{key.replace(".", "__"): rate}) for rate in (0.1, 0.2))
    assert hparams.static_of(little) == hparams.static_of(much) != hparams.static_of(base)
    assert len(leaves(base)) + 1 == len(leaves(much))
    assert sum(a != b for a, b in zip(leaves(little), leaves(much), strict=True)) == 1


@pytest.mark.parametrize(
    "key", ["task.length", "cell.name", "init.recurrent", "init.input", "training.steps", "probes.gradient_flow.every"]
)
def test_any_other_key_changes_the_program(key):
    value = {"cell.name": "rnn", "init.recurrent": "sparse", "init.input": "normal"}.get(key, 6)
    assert hparams.static_of(of(**{key.replace(".", "__"): value})) != hparams.static_of(TINY)


@pytest.mark.parametrize("key", ["experiment", "setting", "arm", "wandb.project", "training.checkpoint_seconds"])
def test_a_key_that_no_program_reads_changes_nothing(key):
    changed = of(**{key.replace(".", "__"): 9.0 if key == "training.checkpoint_seconds" else "other"})
    assert hparams.static_of(changed) == hparams.static_of(TINY)
    assert leaves(changed) == leaves(TINY)


def test_the_keys_exist():
    keys = flatten(TINY)
    assert set(hparams.DYNAMIC + hparams.LABELS) <= set(keys)
    assert all(any(key.startswith(neutral) for key in keys) for neutral in NEUTRAL_KEYS)


def test_chrono_takes_the_length_of_the_input_unless_told():
    assert hparams_of(of(init__bias="chrono")).init.chrono_max_length == 8
    assert hparams_of(of(init__bias="chrono", init__chrono_max_length=100)).init.chrono_max_length == 100
    assert hparams_of(of()).init.chrono_max_length == 0


def test_a_pack_has_a_leading_axis_and_keeps_types():
    pack = hparams.stack([hparams_of(TINY), hparams_of(of(seed=5))])
    assert pack.seed.tolist() == [0, 5]
    assert {leaf.shape for leaf in jax.tree.leaves(pack)} == {(2,)}
    assert {leaf.dtype for leaf in jax.tree.leaves(pack)} == {np.dtype(np.int32), np.dtype(np.float32)}
