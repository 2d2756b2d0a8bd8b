"""Every key of the config either decides the program, is a number that its trials may differ in, or touches neither."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.config.config import Config
from research.options import static_key
from research.training import hparams
from tests.training.trials import TINY, hparams_of, of

BASE = of(init__recurrent="sparse")
CLIPPED = of(optimizer__clip_value=3.0)
NOISY = of(task__name="reverse", attention__name="dot", cell__name="lstm", probes__gradient_flow__every=0)


def leaves(config: Config) -> list[float]:
    return [float(leaf) for leaf in jax.tree.leaves(hparams_of(config))]


@pytest.mark.parametrize(
    ("key", "value", "base"),
    [
        ("seed", 3, BASE),
        ("init.gain", 1.5, BASE),
        ("init.sparse_fan_in", 7, BASE),
        ("init.forget_bias", 1.0, BASE),
        ("optimizer.learning_rate", 0.5, BASE),
        ("optimizer.beta2", 0.99, BASE),
        ("optimizer.clip_norm", 2.0, BASE),
        ("optimizer.clip_value", 2.0, CLIPPED),
        ("schedule.warmup_steps", 7, BASE),
        ("schedule.patience", 3, of(schedule__name="plateau")),
        ("training.divergence_loss", 9.0, BASE),
        ("training.ema_decay", 0.9, of(training__ema_decay=0.5)),
        ("training.label_smoothing", 0.1, of(task__name="pixels", training__label_smoothing=0.5)),
        ("dropout.attention", 0.1, of(NOISY, dropout__attention=0.2)),
        ("zoneout.cell", 0.1, of(NOISY, zoneout__cell=0.2)),
        ("teacher_forcing.ratio", 0.1, of(NOISY, teacher_forcing__schedule="constant", teacher_forcing__ratio=0.2)),
    ],
)
def test_a_traced_number_changes_one_argument_and_not_the_program(key, value, base):
    changed = of(base, **{key.replace(".", "__"): value})
    assert static_key(changed) == static_key(base)
    assert sum(a != b for a, b in zip(leaves(changed), leaves(base), strict=True)) == 1


@pytest.mark.parametrize(
    ("key", "value", "base"),
    [
        ("optimizer.momentum", 0.5, of(optimizer__name="sgd")),
        ("optimizer.clip_value", 1.0, TINY),
        ("training.gradient_regularizer", 0.1, TINY),
        ("training.ema_decay", 0.9, TINY),
        ("training.label_smoothing", 0.1, of(task__name="pixels")),
        ("dropout.input", 0.1, NOISY),
        ("zoneout.hidden", 0.1, NOISY),
    ],
)
def test_a_number_that_can_be_off_adds_an_argument_and_decides_the_program(key, value, base):
    changed = of(base, **{key.replace(".", "__"): value})
    assert static_key(changed) != static_key(base)
    assert len(leaves(changed)) == len(leaves(base)) + 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("task.length", 6),
        ("cell.name", "rnn"),
        ("init.recurrent", "normal"),
        ("optimizer.name", "sgd"),
        ("schedule.name", "cosine"),
        ("training.steps", 6),
        ("probes.gradient_flow.every", 6),
    ],
)
def test_any_other_key_changes_the_program(key, value):
    assert static_key(of(**{key.replace(".", "__"): value})) != static_key(TINY)


@pytest.mark.parametrize("key", ["experiment", "variant", "wandb.project", "training.checkpoint_seconds"])
def test_a_key_that_no_program_uses_changes_nothing(key):
    changed = of(**{key.replace(".", "__"): 9.0 if key == "training.checkpoint_seconds" else "other"})
    assert static_key(changed) == static_key(TINY)
    assert leaves(changed) == leaves(TINY)


def test_the_numbers_reach_an_update():
    config = of(NOISY, dropout__input=0.2, teacher_forcing__schedule="never", training__label_smoothing=0.1)
    options = jax.tree.map(jnp.asarray, hparams_of(config)).step_options(jnp.int32(0), None)
    assert (options.teacher_forcing, options.label_smoothing) == (0, np.float32(0.1))
    assert (options.rates.input, options.rates.output) == (np.float32(0.2), None)
    always = hparams_of(NOISY)
    assert always.step_options(jnp.int32(0), None).teacher_forcing is None
    assert always.forcing_probability(jnp.int32(0)) == 1


def test_a_pack_has_a_leading_axis_and_keeps_types():
    pack = hparams.stack([hparams_of(TINY), hparams_of(of(seed=5))])
    assert pack.seed.tolist() == [0, 5]
    assert {leaf.shape for leaf in jax.tree.leaves(pack)} == {(2,)}
    assert {leaf.dtype for leaf in jax.tree.leaves(pack)} == {np.dtype(np.int32), np.dtype(np.float32)}
