"""The summary of a profile is right where the answer is known, and nan where there is none."""

import math

import numpy as np
import pytest

from research.errors import UserError
from research.probes.gradient_flow import TINY, summarize
from tests.training.trials import WORDS, of

H = "encoder/layer_1/forward/h"


def exponential(factor: float, steps: int = 200, last: float = 0.3) -> np.ndarray:
    with np.errstate(over="ignore"):
        return (last * factor ** np.arange(steps - 1.0, -1, -1)).astype(np.float32)


@pytest.mark.parametrize("factor", [0.75, 0.99, 1.0, 1.1])
def test_an_exponential_profile_gives_back_its_factor(factor):
    profile = exponential(factor)
    summary = summarize(profile)
    assert summary["decay_per_step"] == pytest.approx(factor, rel=1e-6)
    assert summary["first_last_ratio"] == pytest.approx(factor**199, rel=1e-4)
    assert summary["underflow_fraction"] == summary["overflow_fraction"] == 0


def test_the_half_life_is_the_number_of_steps_that_halve_the_norm():
    assert summarize(exponential(0.5**0.1))["half_life"] == pytest.approx(10, rel=1e-5)
    assert summarize(exponential(1.05))["half_life"] == math.inf
    assert summarize(np.full(784, 0.3))["half_life"] == math.inf


def test_steps_that_underflow_are_counted_and_do_not_bend_the_rate():
    profile = exponential(0.75, steps=784)
    summary = summarize(profile)
    assert summary["underflow_fraction"] == np.mean(profile < TINY) > 0.5
    assert summary["decay_per_step"] == pytest.approx(0.75, rel=1e-4)
    assert summary["first_last_ratio"] == 0


def test_the_norm_is_over_all_steps_and_infinite_if_one_overflows():
    assert summarize([3.0, 0.0, 4.0])["norm"] == pytest.approx(5)
    assert summarize([3.0, math.nan, 4.0])["norm"] == math.inf


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_steps_that_overflow_are_counted_and_do_not_bend_the_rate(value):
    profile = exponential(1.2, steps=784)
    profile[~np.isfinite(profile)] = value
    summary = summarize(profile)
    assert summary["overflow_fraction"] == np.mean(~np.isfinite(profile)) > 0.3
    assert summary["decay_per_step"] == pytest.approx(1.2, rel=1e-4)
    assert (summary["first_last_ratio"], summary["half_life"]) == (math.inf, math.inf)


def test_a_steep_stretch_next_to_the_loss_hardly_moves_the_rate():
    profile = exponential(0.995, steps=784).astype(np.float64)
    profile[-20:] *= np.exp(np.linspace(0, 3, 20))  # 3 nats lost in 20 of 784 steps
    summary = summarize(profile)
    assert summary["decay_per_step"] == pytest.approx(0.995, abs=6 * 3 * 20 / 784**2)
    assert summary["first_last_ratio"] == pytest.approx(0.995**783 / math.exp(3), rel=1e-3)


def test_the_ratio_is_taken_in_double_precision():
    assert summarize(np.array([1e30, 1.0, 1e-30], np.float32))["first_last_ratio"] == pytest.approx(1e60, rel=1e-5)


@pytest.mark.parametrize("value, shares", [(0.0, (1, 0)), (1e-40, (1, 0)), (math.inf, (0, 1)), (math.nan, (0, 1))])
def test_a_profile_of_nothing_but_underflow_or_overflow_has_shares_and_no_rate(value, shares):
    summary = summarize(np.full(7, value))
    assert (summary["underflow_fraction"], summary["overflow_fraction"]) == shares
    assert all(math.isnan(summary[key]) for key in ("decay_per_step", "half_life", "first_last_ratio"))


def test_a_record_of_nothing_but_nan_counts_as_overflow():
    probe = of(probes__gradient_flow__every=2).probes.enabled()["gradient_flow"]
    assert probe.summarize({"step": 0, H: [math.nan] * 3}, H)[f"{H}/overflow_fraction"] == 1
    assert probe.summarize({"step": 0, H: [math.nan, 1.0]}, H)[f"{H}/overflow_fraction"] == 0


def test_one_step_has_no_rate():
    summary = summarize([2.0])
    assert summary["first_last_ratio"] == 1
    assert math.isnan(summary["decay_per_step"]) and math.isnan(summary["half_life"])


@pytest.mark.parametrize("norms", [[], [[1.0, 2.0]]])
def test_what_is_not_a_profile_is_refused(norms):
    with pytest.raises(ValueError, match="norms"):
        summarize(norms)


@pytest.mark.parametrize(
    ("base", "changes", "reason"),
    [
        (of(), {"task__name": "copying_memory"}, "the loss of copying_memory has a term at many steps"),
        (of(), {"task__name": "selective_copying"}, "the loss of selective_copying has a term at many steps"),
        (of(), {"task__name": "dyck"}, "the loss of dyck has a term at many steps"),
        (WORDS, {"probes__gradient_flow__every": 4}, "inputs of words differ in length"),
        (
            of(task__name="repeat_copy", probes__gradient_flow__every=0),
            {"attention__name": "dot", "probes__gradient_flow__every": 4},
            "inputs of repeat_copy differ|attention.name=dot reads the encoder's states of all steps",
        ),
        (of(), {"model__subsampling": "convolution"}, "with model.subsampling=convolution"),
        (of(), {"zoneout__hidden": 0.1}, "with zoneout"),
        (of(cell__name="lstm"), {"model__backend": "cudnn"}, "with model.backend=cudnn"),
    ],
)
def test_the_profile_is_rejected_where_it_would_not_tell_the_decay(base, changes, reason):
    with pytest.raises(UserError, match=rf"^probes\.gradient_flow\.every=4: must be 0 .*({reason})") as raised:
        of(base, **changes)
    assert "\n" not in str(raised.value)


def test_a_fit_comes_with_how_good_it_is_and_with_the_rates_of_both_halves():
    rng, steps = np.random.default_rng(0), 200
    summary = summarize(exponential(0.97, steps))
    assert summary["decay_r2"] == pytest.approx(1, abs=1e-9)
    bent = np.exp(np.concatenate([np.linspace(5, 6, 100), np.linspace(6, 0, 101)[1:]]))  # explodes, then vanishes
    summary = summarize(bent)
    assert summary["decay_first_half"] == pytest.approx(np.exp(-1 / 99), rel=1e-3)
    assert summary["decay_second_half"] == pytest.approx(np.exp(6 / 100), rel=1e-3)
    noisy = np.exp(-0.01 * np.arange(steps) + rng.normal(size=steps))
    r = np.corrcoef(np.arange(steps), np.log(noisy))[0, 1]
    assert summarize(noisy)["decay_r2"] == pytest.approx(r**2, rel=1e-9)
    assert summarize(np.full(9, 0.3))["decay_r2"] == 1
    assert math.isnan(summarize([2.0])["decay_r2"])
