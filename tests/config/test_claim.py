"""Every claim can be trained and decided: its rows differ, and its conditions are on metrics that its task has."""

import itertools
import re

import numpy as np
import pytest

from research.batch import FIRST_SYMBOL, Batch
from research.config import Claim, Condition, Config, Slope, claim
from research.config.claim import SOURCES
from research.config.experiment import load as load_experiment
from research.errors import UserError
from research.options import flatten
from research.tasks import TASKS
from research.tasks.metrics import edits
from research.tasks.synthetic import SyntheticTask
from research.tasks.task import Predictions
from research.tracking.directions import direction

NAMES = claim.names()
WITH_TRIALS = [name for name in NAMES if not claim.load(name).runs_of]


def make(**changes) -> Claim:
    options = {
        "claim": "a is better than b.",
        "base": Config(),
        "variants": {"a": {"cell.name": "gru"}, "b": {"cell.name": "lstm"}},
        "paper": "Nobody 2000",
        "place": "table 1",
        "published": "1 and 2",
        "sure": "memory",
        "scaled": "Smaller.",
        "conditions": (Condition("test/accuracy", {"a": 1, "b": -1}, above=0),),
    }
    return Claim(**{**options, **changes})


def test_there_are_at_least_twenty_claims_of_five_seeds_and_more():
    assert len([name for name in NAMES if not claim.load(name).follows]) >= 20
    assert min(claim.load(name).seeds for name in NAMES) >= 5


def test_a_claim_follows_one_that_exists():
    with pytest.raises(UserError, match="^follows='janett': no such claim; did you mean janet\\?$"):
        make(follows="janett")


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_says_what_was_published_where_and_how_it_is_scaled(name):
    declared = claim.load(name)
    for text in (declared.claim, declared.published, declared.scaled):
        assert text.endswith(".") and (text[0].isupper() or text[0].isdigit())
    assert re.search(r" (19|20)\d\d$", declared.paper) and declared.place
    assert declared.sure in SOURCES
    assert re.search(r"\d", declared.published) or declared.published.startswith(("In words: ", "A figure: "))


@pytest.mark.parametrize("name", WITH_TRIALS)
def test_the_rows_of_a_claim_are_different_configs(name):
    declared = claim.load(name)
    configs = [
        tuple(value for key, value in flatten(declared.config(setting, variant)).items() if key != "variant")
        for setting, variant in itertools.product(declared.settings or [""], declared.variants)
    ]
    assert len(set(configs)) == len(configs) > 1


@pytest.mark.parametrize("name", NAMES)
def test_the_metrics_of_a_claim_are_those_of_its_task(name):
    declared = claim.load(name)
    for condition in declared.conditions:
        if isinstance(condition.metric, Slope):
            assert declared.base.task.target_kind == "tokens"
            assert {condition.metric.column, condition.metric.minus or condition.metric.column} <= SLOPES
        elif condition.metric.startswith("gradient/"):
            assert declared.base.probes.enabled().keys() == {"gradient_flow"}
        else:
            assert condition.metric in metrics(declared.base, "test")
    if declared.tuned_by:
        assert declared.tuned_by in metrics(declared.base, "validation") and direction(declared.tuned_by) == "min"


def evaluation_of_tokens():
    ids = np.array([[FIRST_SYMBOL, 2, 0]], np.int32)
    scores = np.zeros(ids.shape)
    predictions = Predictions(scores, scores, np.array([2]), ids, ids)
    return edits.evaluate(predictions, Batch(ids, np.array([1]), ids, np.array([2])))


SLOPES = {*(evaluation_of_tokens().by_length or {})} & {*(evaluation_of_tokens().by_position or {})}


def metrics(config: Config, split: str) -> set[str]:
    """Return names of metrics that the task of a config has."""
    task = config.task
    if task.target_kind == "tokens":
        return {f"{split}/{name}" for name in evaluation_of_tokens().metrics}
    if not isinstance(task, SyntheticTask):  # of which the corpus is not there
        return {f"{split}/loss", f"{split}/accuracy"}
    examples = task.eval_examples("test", 2)
    shape = examples.batch.targets.shape if task.target_kind == "labels" else (2, 1)
    zeros = np.zeros(shape)
    outputs = zeros if task.target_kind == "labels" else np.zeros((2, task.spec.target_size), np.float32)
    evaluation = task.evaluate(Predictions(zeros, zeros, np.full(2, shape[1]), outputs), examples)
    return {f"{split}/{name}" for name in evaluation.metrics}


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(WITH_TRIALS)))
def test_a_claim_that_shares_trials_has_the_rows_of_their_claim(name):
    declared = claim.load(name)
    other = claim.load(declared.runs_of)
    assert not other.runs_of
    assert (declared.base, declared.variants, declared.settings, declared.seeds, declared.tune) == (
        *(other.base, other.variants, other.settings, other.seeds, other.tune),
    )


def test_a_claim_is_an_experiment_by_its_folder_and_name():
    assert load_experiment("claims/dyck") is claim.load("dyck")
    assert TASKS["dyck"] is type(load_experiment("experiments/claims/dyck.py").base.task)
    with pytest.raises(UserError, match="^claim 'dick': no such claim; did you mean dyck"):
        claim.load("dick")


@pytest.mark.parametrize("name", ["decoder_cell", "decoder_cell_without_attention"])
def test_much_more_than_both_is_tested_against_both(name):
    tested = [item.rows for item in claim.load(name).conditions if "rnn" in item.rows]
    assert tested == [{"rnn": 1, "lstm": -1.3}, {"rnn": 1, "gru": -1.3}]


def test_what_one_layer_cannot_and_three_can_is_tested_of_each():
    bounds = {(*item.rows,): (item.below, item.above) for item in claim.load("mingru_depth").conditions}
    assert bounds == {("mingru 1 layer",): (0.5, None), ("mingru 3 layers",): (None, 0.95)}


@pytest.mark.parametrize("name", NAMES)
def test_a_value_for_trials_that_diverge_is_told(name):
    declared = claim.load(name)
    for value in {item.diverged for item in declared.conditions if item.diverged is not None}:
        assert re.search(rf"diverges counts as .*{100 * value:g}%", declared.scaled)


def test_a_condition_has_one_bound():
    for bounds in ({}, {"above": 0, "below": 1}):
        with pytest.raises(UserError, match="^condition on test/loss: must have one bound, above or below$"):
            Condition("test/loss", {"a": 1}, **bounds)


def test_a_condition_names_rows_that_there_are():
    wrong = (Condition("test/loss", {"c": 1}, above=0),)
    with pytest.raises(UserError, match="^row c: must be one of a, b$"):
        make(conditions=wrong)
    with pytest.raises(UserError, match="^row a: must be one of short/a, short/b$"):
        make(settings={"short": {}})


def test_what_is_tuned_needs_a_metric_and_the_other_way_round():
    for options in ({"tune": {"optimizer.learning_rate": [1e-3]}}, {"tuned_by": "validation/loss"}):
        with pytest.raises(UserError, match="^tuned_by: must be given exactly if tune is$"):
            make(**options)
