"""Schedules of the learning rate against closed forms and optax, with traced numbers."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.errors import UserError
from research.options import bind, numbers
from research.training.schedules import SCHEDULES, Plateau, Schedule
from tests.training.trials import of


def traced(schedule: Schedule) -> Schedule:
    """Return the schedule as a program sees it."""
    return bind(schedule, {name: jnp.asarray(value) for name, value in numbers(schedule).items()})


def rates(steps: int, peak: float, name: str = "constant", **options: Any) -> list[float]:
    schedule = traced(SCHEDULES[name](**options))
    state = schedule.init()
    return [float(schedule.rate(jnp.float32(peak), jnp.int32(step), steps, state)) for step in range(steps)]


def test_the_warm_up_is_linear_and_ends_at_the_peak_which_stays():
    assert rates(5, 0.5) == [0.5] * 5
    np.testing.assert_allclose(rates(6, 0.5, warmup_steps=4), [0.125, 0.25, 0.375, 0.5, 0.5, 0.5])


@pytest.mark.parametrize("warmup", [0, 3])
def test_the_cosine_falls_from_the_peak_as_that_of_optax_which_is_zero_after_the_last_update(warmup):
    steps = 11
    fall = optax.cosine_decay_schedule(0.2, steps - warmup)
    rise = [0.2 * (n + 1) / warmup for n in range(warmup)]
    found = rates(steps, 0.2, "cosine", warmup_steps=warmup)
    np.testing.assert_allclose(found, rise + [np.asarray(fall(n)) for n in range(steps - warmup)], rtol=1e-5)
    assert fall(steps - warmup) == 0 < found[-1]


@pytest.mark.parametrize("warmup", [0, 1, 3])
def test_the_inverse_square_root_falls_from_the_peak_at_the_end_of_the_warm_up(warmup):
    steps, first = 9, max(warmup, 1)
    # Vaswani et al. 2017: scale * min(n^-0.5, n w^-1.5)
    paper = [0.2 * math.sqrt(first) * min(n**-0.5, n * first**-1.5) for n in range(1, steps + 1)]
    np.testing.assert_allclose(rates(steps, 0.2, "inverse_sqrt", warmup_steps=warmup), paper, rtol=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_warm_up_longer_than_the_training_only_rises(name):
    np.testing.assert_allclose(rates(3, 1.0, name, warmup_steps=10), [0.1, 0.2, 0.3], rtol=1e-6)


LOSSES = [5.0, 3.0, 4.0, 4.0, 3.9, 4.1, 4.0, 3.0, 6.0, 1.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 0.1, 0.1, 0.1]


@pytest.mark.parametrize(("steps", "patience", "warmup"), [(2, 2, 0), (1, 1, 0), (3, 1, 4), (2, 3, 1)])
def test_the_rate_falls_after_as_many_means_that_are_no_lower(steps, patience, warmup):
    schedule = traced(Plateau(steps=steps, patience=patience, factor=0.25, warmup_steps=warmup))
    after, state, found = jax.jit(schedule.observe), schedule.init(), []
    for step, loss in enumerate(LOSSES):
        found.append(float(schedule.multiplier(jnp.int32(step), 99, state)))
        state = after(state, jnp.float32(loss), jnp.int32(step))
    counted = LOSSES[warmup:]
    means = [sum(counted[i : i + steps]) / steps for i in range(0, len(counted) - steps + 1, steps)]
    lowest, waited, falls = math.inf, 0, []
    for mean in means:
        lowest, waited = (mean, 0) if mean < lowest * 0.9999 else (lowest, waited + 1)
        falls.append(waited == patience)
        waited = 0 if falls[-1] else waited
    expected = [1.0] * len(LOSSES)
    for number, fell in enumerate(falls, start=1):
        for step in range(warmup + number * steps, len(LOSSES)):
            expected[step] *= 0.25 if fell else 1
    assert found == expected and 0 < sum(falls) < len(falls)


def test_a_mean_that_is_lower_by_a_hair_is_no_lower():
    schedule = traced(Plateau(steps=1, patience=1))
    for second, fall in ((1 - 0.5e-4, 0.5), (1 - 2e-4, 1.0)):
        state = schedule.observe(schedule.init(), jnp.float32(1), jnp.int32(0))
        state = schedule.observe(state, jnp.float32(second), jnp.int32(1))
        assert schedule.rate(jnp.float32(0.5), jnp.int32(2), 10, state) == 0.5 * fall


def test_a_schedule_that_needs_the_last_step_is_rejected_with_a_budget_of_time():
    of(training__max_seconds=1.0, schedule__name="inverse_sqrt")
    with pytest.raises(UserError, match=r"^schedule\.name=cosine: must be .* with training\.max_seconds=1$"):
        of(training__max_seconds=1.0, schedule__name="cosine")


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("constant", {"warmup_steps": -1}, "schedule.warmup_steps=-1: must be between 0"),
        ("plateau", {"factor": 1.0}, "schedule.factor=1.0: must be greater than 0 and less than 1"),
        ("plateau", {"patience": 0}, "schedule.patience=0: must be between 1"),
    ],
)
def test_a_number_out_of_range_is_one_line(name, options, line):
    with pytest.raises(UserError) as raised:
        SCHEDULES[name](**options)
    assert str(raised.value).startswith(line)
