"""`metric` and `early_terminate` mean what W&B says they mean."""

from pathlib import Path
from typing import Any

import pytest

from research.errors import UserError
from research.sweep.objective import Hyperband, Metric, read_early_terminate, read_metric
from research.sweep.place import Place

PLACE = Place(Path("some.yaml"), {("metric",): 3, ("metric", "goal"): 5, ("early_terminate", "eta"): 7})
LOSS = {"name": "validation/loss"}


def hyperband(**entry: Any) -> Hyperband | None:
    return read_early_terminate({"metric": LOSS, "early_terminate": {"type": "hyperband", **entry}}, PLACE)


@pytest.mark.parametrize(
    ("content", "metric"),
    [
        ({}, None),
        ({"metric": LOSS}, Metric("validation/loss", "minimize")),
        ({"metric": {**LOSS, "goal": "maximize", "target": 1}}, Metric("validation/loss", "maximize", 1)),
        ({"metric": {**LOSS, "impute": "best"}, "method": "grid"}, Metric("validation/loss")),
        ({"metric": {**LOSS, "impute": "worst"}, "method": "bayes"}, Metric("validation/loss")),
    ],
)
def test_a_metric_has_a_goal_and_maybe_a_target(content, metric):
    assert read_metric(content, PLACE) == metric


def test_hyperband_has_the_defaults_of_wandb():
    assert read_early_terminate({}, PLACE) is None
    assert hyperband(min_iter=3) == Hyperband(min_iter=3, eta=3.0, strict=True)
    assert hyperband(min_iter=3, s=0.5) == hyperband(min_iter=3)  # without max_iter, W&B does not use s
    assert hyperband(max_iter=27.0, s=2, eta=2, strict=False) == Hyperband(None, 27, 2, 2.0, False)


@pytest.mark.parametrize(
    ("metric", "line"),
    [
        ("loss", "some.yaml:3: metric=loss: must be a mapping with name, goal"),
        ({}, "some.yaml:3: metric.name: must be set"),
        ({"name": 3}, "some.yaml:3: metric.name=3: must be a metric, such as validation/loss"),
        ({**LOSS, "goal": "minimise"}, "some.yaml:5: metric.goal=minimise: must be one of minimize, maximize"),
        ({**LOSS, "target": "1e-3"}, "some.yaml:3: metric.target=1e-3: must be a finite number; write 0.001"),
        ({**LOSS, "targt": 1}, "some.yaml:3: metric.targt: no such key; did you mean target?"),
        ({**LOSS, "impute": "last"}, "metric.impute=last: must be one of latest, best, worst"),
        ({**LOSS, "impute": "best"}, "metric.impute: must be worst or absent; only `wandb sweep` has others"),
    ],
)
def test_a_mistake_in_the_metric_is_one_line(metric, line):
    with pytest.raises(UserError) as caught:
        read_metric({"metric": metric, "method": "bayes"}, PLACE)
    assert line in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({}, "some.yaml:1: early_terminate: must hold min_iter, or max_iter and s"),
        ({"type": "median"}, "early_terminate.type=median: must be hyperband"),
        ({"min_iter": 0}, "early_terminate.min_iter=0: must be a whole number, at least 1, such as 10"),
        ({"min_iter": "1e1"}, "early_terminate.min_iter=1e1: must be a whole number, at least 1; write 10"),
        ({"min_iter": 1.5}, "early_terminate.min_iter=1.5: must be a whole number"),
        ({"min_iter": True}, "early_terminate.min_iter=True: must be a whole number"),
        ({"max_iter": 9, "s": 0}, "early_terminate.s=0: must be a whole number, at least 1"),
        ({"min_iter": 9, "s": "x"}, "early_terminate.s=x: must be a finite number"),
        ({"max_iter": 9}, "early_terminate.max_iter: needs s"),
        ({"max_iter": 2, "s": 1}, "early_terminate.max_iter=2: must be at least eta=3.0"),
        ({"min_iter": 1, "eta": 1}, "some.yaml:7: early_terminate.eta=1: must be greater than 1"),
        ({"min_iter": 1, "strict": 1}, "early_terminate.strict=1: must be true or false"),
        ({"min_iter": 1, "maxiter": 1}, "early_terminate.maxiter: no such key; did you mean max_iter?"),
    ],
)
def test_a_mistake_in_early_terminate_is_one_line(entry, line):
    with pytest.raises(UserError) as caught:
        hyperband(**entry)
    assert line in str(caught.value)


def test_early_termination_needs_a_metric():
    with pytest.raises(UserError, match="early_terminate: needs metric"):
        read_early_terminate({"early_terminate": {"type": "hyperband", "min_iter": 1}}, PLACE)
