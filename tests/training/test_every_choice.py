"""A short training with each optimizer, schedule, attention and probe that is registered, of whatever module."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.config.config import Config
from research.errors import UserError
from research.options import bind, numbers, static_key
from research.probes import PROBES, Observed, Probe
from research.seq2seq.attention import ATTENTIONS
from research.training.optimizers import OPTIMIZERS, Optimizer
from research.training.schedules import SCHEDULES, Schedule
from research.training.step import Program
from tests.options import assert_option_matters, own_options
from tests.training.trials import hparams_of, of, program

NUMBER = of(task__length=4, cell__name="mgu", model__hidden_size=4, training__steps=3, probes__gradient_flow__every=0)
"""The sum of two numbers: all sequences have one length, and the loss is at the end."""
TOKENS = of(NUMBER, task__name="reverse", task__min_length=2, task__max_length=3, attention__name="dot")
"""Symbols backwards, with a decoder and attention."""


def after_three_updates(config: Config) -> tuple[Program, Any, Any, Any]:
    """Return the program, the state before and after three updates, and the record; all numbers are finite."""
    trained, hparams = program(config), hparams_of(config)
    before = trained.init(hparams)
    after, record = jax.device_get(jax.jit(trained.run)(hparams, before, None, 3, 0))
    assert after.ok and after.step == 3, "the training diverged"
    for leaf in jax.tree.leaves(after):
        assert np.all(np.isfinite(leaf)) or leaf.ndim == 0  # a schedule may start from an infinite loss
    return trained, before, after, record


def assert_trained(before: Any, after: Any, part: str = "") -> None:
    """Assert that each weight of a part of the model, or of all of it, has changed."""
    weights = jax.tree_util.tree_leaves_with_path(before.params)
    for (path, old), new in zip(weights, jax.tree.leaves(after.params), strict=True):
        name = jax.tree_util.keystr(path)
        assert part not in name or np.any(np.asarray(old) != new), f"{name} has not changed"


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_trains(name):
    _, before, after, _ = after_three_updates(of(NUMBER, optimizer__name=name))
    assert_trained(before, after)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_trains(name):
    _, before, after, record = after_three_updates(of(NUMBER, schedule__name=name, optimizer__name="sgd"))
    assert_trained(before, after)
    assert 0 < record.learning_rate < math.inf


@pytest.mark.parametrize("name", ATTENTIONS)
def test_every_attention_trains(name):
    _, before, after, _ = after_three_updates(of(TOKENS, attention__name=name))
    assert_trained(before, after, "attention")


PARAMS = {"w": jnp.linspace(-1, 1, 64).reshape(8, 8), "b": jnp.linspace(0.5, 1, 8)}
GRADIENTS = {
    name: jnp.asarray(10 ** np.random.default_rng(0).uniform(-10, 0, (6, *leaf.shape)), jnp.float32)
    * np.random.default_rng(1).choice((-1, 1), (6, *leaf.shape))
    for name, leaf in PARAMS.items()
}
"""Gradients of six updates, from 1e-10 to 1 in magnitude."""


@pytest.fixture(scope="module")
def updates() -> Callable[[Optimizer], Any]:
    """Return the changes of `PARAMS` by an optimizer, which is compiled once for all its traced options."""
    programs: dict[Any, Callable[[Any], Any]] = {}

    def run(optimizer: Optimizer) -> Any:
        def changes(values: Any) -> Any:
            bound = bind(optimizer, values)
            transform = bound.transform(bound.learning_rate)

            def update(loop: tuple[Any, Any], gradient: Any) -> tuple[tuple[Any, Any], Any]:
                change, state = transform.update(gradient, loop[1], loop[0])
                return (jax.tree.map(jnp.add, loop[0], change), state), change

            return jax.lax.scan(update, (PARAMS, transform.init(PARAMS)), GRADIENTS)[1]

        return jax.device_get(programs.setdefault(static_key(optimizer), jax.jit(changes))(numbers(optimizer)))

    return run


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_first_update_of_every_optimizer_goes_downhill(name, updates):
    changes = updates(OPTIMIZERS[name]())
    assert sum(np.vdot(changes[leaf][0], GRADIENTS[leaf][0]) for leaf in PARAMS) < 0


@pytest.mark.parametrize(
    ("name", "option"),
    [
        (name, option)
        for name, kind in OPTIMIZERS.items()
        for option in ("learning_rate", *own_options(kind, Optimizer))
    ],
)
def test_every_option_of_an_optimizer_changes_its_updates(name, option, updates):
    def differ(one: Optimizer, other: Optimizer) -> bool:
        before, after = updates(one), updates(other)
        return any(np.any(before[leaf] != after[leaf]) for leaf in PARAMS)

    assert_option_matters(OPTIMIZERS[name], option, differ)


@pytest.mark.parametrize(
    ("name", "option"),
    [(name, key) for name, kind in SCHEDULES.items() for key in ("warmup_steps", *own_options(kind, Schedule))],
)
def test_every_option_of_a_schedule_changes_the_learning_rate(name, option):
    """Of 1,000 updates whose loss does not fall."""

    @jax.jit
    def rates(values: Any) -> jax.Array:
        schedule = bind(SCHEDULES[name](), values)

        def step(state: Any, number: jax.Array) -> tuple[Any, jax.Array]:
            rate = schedule.rate(1.0, number, 1000, state)
            return schedule.observe(state, jnp.float32(1), number), jnp.asarray(rate, jnp.float32)

        return jax.lax.scan(step, schedule.init(), jnp.arange(1000))[1]

    def differ(one: Schedule, other: Schedule) -> bool:
        assert static_key(one) == static_key(other), "options of a schedule are traced"
        return bool(np.any(rates(numbers(one)) != rates(numbers(other))))

    assert_option_matters(SCHEDULES[name], option, differ)


def measuring(config: Config, probe: Probe) -> Config:
    """Return the training, with this probe on.

    Raises:
        UserError: if the probe does not fit it.
    """
    return of(config, **{f"probes__{probe.name}__{key}": value for key, value in {**vars(probe), "every": 1}.items()})


def fitting(*probes: Probe) -> list[Config]:
    """Return the first training that fits all of these probes, with each of them on.

    Raises:
        UserError: if there is none.
    """
    try:
        return [measuring(NUMBER, probe) for probe in probes]
    except UserError:
        return [measuring(TOKENS, probe) for probe in probes]


@pytest.mark.parametrize("name", PROBES)
def test_every_probe_measures_and_sums_up(name):
    (config,) = fitting(PROBES[name]())
    trained, _, _, record = after_three_updates(config)
    measured, probe = record.probes[name], trained.probes[name]
    assert measured, "no record"
    assert all(array.ndim < 2 for array in measured.values()), "a record has numbers and vectors"
    assert all(isinstance(probe.axis(key), str) for key, array in measured.items() if array.ndim)
    profile = trained.options.state_profile
    assert profile in measured or not probe.has_state_profile
    summary = probe.summarize({"step": 0, **measured}, profile)
    assert any(math.isfinite(value) for value in summary.values()), f"no metric of {summary}"
    assert {type(value) for value in summary.values()} == {float}


@pytest.mark.parametrize(
    ("name", "option"), [(name, key) for name, kind in PROBES.items() for key in own_options(kind, Probe)]
)
def test_every_option_of_a_probe_changes_its_records(name, option):
    def record(config: Config) -> dict[str, Any]:
        trained, hparams = program(config), hparams_of(config)
        state = trained.init(hparams)

        def measure(state: Any) -> Any:  # without a backward pass: weights stand for all that an update has
            profiles = dict.fromkeys(trained.profile_names, jnp.arange(4.0))
            weights = state.params
            measured = trained._measure(Observed(jnp.float32(1), weights, weights, weights, profiles))[name]
            return {**measured, **trained._inspect(hparams, state, None, jnp.int32(1), jnp.int32(0)).get(name, {})}

        return jax.device_get(jax.jit(measure)(state))

    def differ(one: Probe, other: Probe) -> bool:
        before, after = map(record, fitting(one, other))
        return before.keys() != after.keys() or any(not np.array_equal(before[key], after[key]) for key in before)

    assert_option_matters(PROBES[name], option, differ)
