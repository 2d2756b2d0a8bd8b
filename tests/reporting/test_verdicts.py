"""Verdicts from made-up runs: what holds, fails, is undecided or not run, and what each lacks."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from research.config import Claim, Condition, Slope, override
from research.config.claim import load
from research.errors import UserError
from research.reporting import verdict_page
from research.reporting.statistics import estimate
from research.reporting.verdicts import Trial, Verdict, describe_bound, describe_rows, judge, title
from tests.config.test_claim import make
from tests.reporting.conftest import Scored

ACCURACY = "test/accuracy"


def result(value: float, status: str = "finished", **tables: Any) -> dict[str, Any]:
    return {"status": status, "summary": {ACCURACY: value, "gradient/initial/h/decay": value}, **tables}


def scored(value: float) -> Scored:
    """Return a run with the same score for all test examples, so that others would change nothing."""
    return Scored(accuracy=(np.full(4, value), np.ones(4)))


def trials(**rows: list[Any]) -> list[Trial]:
    """Return a trial for each seed of each row: numbers are accuracies, None is missing."""
    return [
        Trial(row, seed, result(value), scored(value)) if isinstance(value, float) else Trial(row, seed, value)
        for row, listed in rows.items()
        for seed, value in enumerate(listed)
    ]


def verdict(*conditions: Condition, claim: Claim | None = None, **rows: list[Any]) -> Verdict:
    declared = claim or make(conditions=conditions or make().conditions)
    return judge("some", declared, trials(**rows))


def flat(text: str) -> str:
    return " ".join(text.split())


LOW, HIGH = [0.50, 0.61, 0.52, 0.63, 0.54], [0.70, 0.80, 0.73, 0.82, 0.75]


def test_a_difference_on_the_claimed_side_holds():
    found = verdict(a=HIGH, b=LOW)
    assert str(found) == "holds"
    (outcome,) = found.outcomes
    assert outcome.estimate.count == found.count == 5
    assert outcome.estimate.center == pytest.approx(0.2)
    assert 0 < outcome.estimate.low < 0.2 < outcome.estimate.high < 0.25


def test_a_difference_in_the_wrong_direction_fails():
    assert str(verdict(a=LOW, b=HIGH)) == "fails"


def test_a_difference_that_may_be_zero_is_undecided_at_its_number_of_seeds():
    assert str(verdict(a=[0.5, 0.7, 0.5, 0.7, 0.6], b=[0.7, 0.5, 0.6, 0.6, 0.6])) == "undecided at 5 seeds"
    assert (
        str(verdict(a=LOW, b=LOW)) == "undecided at 5 seeds; a − b: no difference in any seed"
    )  # no difference at all is none on the claimed side


def test_rows_are_paired_by_seed():
    spread = [0.1, 0.3, 0.5, 0.7, 0.9]
    ahead = [value + 0.02 + 0.001 * seed for seed, value in enumerate(spread)]
    assert verdict(a=ahead, b=spread).word == "holds"
    shuffled = [*trials(b=spread), *reversed(trials(a=ahead))]
    assert judge("some", make(), shuffled).word == "holds"


def test_the_bound_decides_and_not_zero():
    for bound, word in ((0.1, "holds"), (0.3, "fails"), (0.2, "undecided")):
        assert verdict(Condition(ACCURACY, {"a": 1, "b": -1}, above=bound), a=HIGH, b=LOW).word == word
    for bound, word in ((0.1, "fails"), (0.3, "holds"), (0.2, "undecided")):
        assert verdict(Condition(ACCURACY, {"a": 1, "b": -1}, below=bound), a=HIGH, b=LOW).word == word


def test_weights_make_ratios():
    half = Condition(ACCURACY, {"a": 1, "b": -0.5}, below=0)
    assert verdict(half, a=[value * 0.4 for value in HIGH], b=HIGH).word == "holds"
    assert verdict(half, a=[value * 0.6 for value in HIGH], b=HIGH).word == "fails"


def test_all_conditions_must_hold_and_one_that_fails_decides():
    over, under = Condition(ACCURACY, {"a": 1}, above=0.6), Condition(ACCURACY, {"b": 1}, below=0.68)
    assert verdict(over, under, a=HIGH, b=LOW).word == "holds"
    assert verdict(over, under, a=HIGH, b=HIGH).word == "fails"
    unclear = Condition(ACCURACY, {"b": 1}, below=0.56)
    assert verdict(over, unclear, a=HIGH, b=LOW).word == "undecided"
    assert verdict(unclear, over, a=LOW, b=LOW).word == "undecided"
    wrong = Condition(ACCURACY, {"a": 1}, above=0.9)
    assert verdict(unclear, wrong, a=HIGH, b=LOW).word == "fails"


def test_without_runs_a_claim_is_not_run():
    nothing = [None] * 5
    found = verdict(a=nothing, b=nothing)
    assert (str(found), found.count, found.notes) == ("not run", 0, [])
    assert str(verdict(a=HIGH, b=nothing)) == "not run; 5 of 10 trials missing"


def test_a_verdict_with_fewer_seeds_than_declared_says_so():
    found = verdict(a=HIGH, b=[*LOW[:-1], None])
    assert found.count == 4
    assert str(found) == "undecided at 4 seeds; 1 of 10 trials missing"
    one = verdict(a=[HIGH[0], *[None] * 4], b=[LOW[0], *[None] * 4])
    assert str(one) == "undecided at 1 seed; 8 of 10 trials missing"


def test_a_diverged_trial_takes_its_seed_out_and_is_counted():
    bad = result(0.0, "diverged")
    found = verdict(a=HIGH, b=[bad, *LOW[1:]])
    assert found.count == 4
    assert str(found).endswith("; 1 of 10 trials diverged")


def test_a_diverged_trial_counts_where_the_condition_says_as_what():
    bad = result(0.9, "diverged")
    condition = Condition(ACCURACY, {"a": 1, "b": -1}, above=0.5, diverged=0.1)
    found = verdict(condition, a=HIGH, b=[bad, bad, bad, bad, result(0.101)])
    assert (found.word, found.count) == ("holds", 5)
    assert found.outcomes[0].estimate.high < 0.75


def test_a_value_that_is_not_finite_takes_its_seed_out_and_is_told():
    found = verdict(a=HIGH, b=[*LOW[:-1], float("nan")])
    assert str(found) == "undecided at 4 seeds; 4 of 5 seeds have a finite value"


def test_rows_that_no_condition_has_are_not_missing():
    assert str(verdict(Condition(ACCURACY, {"a": 1}, above=0), a=HIGH, b=[None] * 5)) == "holds"


def test_a_key_may_leave_a_word_open():
    found = verdict(Condition("gradient/initial/*decay", {"a": 1}, above=0.6), a=HIGH, b=LOW)
    assert found.word == "holds"


def test_a_metric_that_the_runs_do_not_have_is_an_error_that_names_it():
    with pytest.raises(UserError, match="^claim some: test/bleu: no metric of its runs$"):
        verdict(Condition("test/bleu", {"a": 1}, above=0), a=HIGH, b=LOW)


def table(slope: float, noise: float = 0.0, gap: float = 0.1) -> dict[str, Any]:
    lengths = [2, 4, 6, 8, 40]
    rates = [slope * length + noise * (length == 2) for length in lengths[:-1]]
    return {
        "length": lengths,
        "count": [10, 10, 10, 10, 0],
        "free_running_references": [20, 40, 60, 80, 0],
        "free_running_error_rate": [*rates, float("nan")],
        "teacher_forced_error_rate": [*(rate - gap * length for rate, length in zip(rates, lengths, strict=False)), 0],
    }


def test_a_slope_is_fitted_to_the_examples_of_each_trial():
    condition = Condition(Slope("length", "free_running_error_rate"), {"a": 1, "b": -1 / 3}, below=0)
    flat = [result(0, by_length=table(0.01 + 0.001 * seed)) for seed in range(5)]
    steep = [result(0, by_length=table(0.05 - 0.001 * seed)) for seed in range(5)]
    found = verdict(condition, a=flat, b=steep)
    assert found.word == "holds"
    assert [mean.estimate.center for mean in found.means] == pytest.approx([0.012, 0.048])
    assert verdict(condition, a=steep, b=steep).word == "fails"


def test_a_slope_weighs_each_length_by_its_references():
    condition = Condition(Slope("length", "free_running_error_rate"), {"a": 1}, above=0)
    bent = [result(0, by_length=table(0.01, noise=0.01))] * 2
    (mean,) = verdict(condition, a=bent, b=bent).means
    assert mean.estimate.center == pytest.approx(0.009)  # 0.0085 if all lengths had the same weight


def test_a_slope_may_be_that_of_a_gap():
    gap = Slope("length", "free_running_error_rate", minus="teacher_forced_error_rate")
    runs = [result(0, by_length=table(0.5, gap=0.02))] * 5
    found = verdict(Condition(gap, {"a": 1}, above=0.01), a=runs, b=runs)
    assert found.means[0].estimate.center == pytest.approx(0.02)
    assert title(gap) == "slope of free running error rate − teacher forced error rate by length (% per step)"


def test_conditions_are_spelled_out():
    condition = Condition(ACCURACY, {"lstm": 1, "gru": -0.5, "rnn": -1, "x": 2}, above=0.2)
    assert describe_rows(condition) == "lstm − 0.5 gru − rnn + 2 x"
    assert describe_rows(Condition(ACCURACY, {"gru": -1}, above=0)) == "−gru"
    assert describe_bound(condition) == "> 20"
    assert describe_bound(Condition("test/loss", {"gru": 1}, below=0.01)) == "< 0.01"


def test_the_table_has_what_was_published_and_what_the_runs_say():
    text = verdict_page.render([verdict(a=HIGH, b=LOW)], "terminal")
    flat = " ".join(text.replace("|", " ").split())
    for words in ("1 and 2", "Nobody 2000, table", "to be checked", "20.0 [", "claimed > 0: holds"):
        assert words in flat
    assert text.endswith("1 claim: 1 holds\n")


def test_the_source_of_a_number_is_that_of_the_claim():
    texts = {"paper": "from the paper", "cited": "as cited by others", "memory": "from memory, to be checked"}
    for sure, words in texts.items():
        page = verdict_page.render([verdict(claim=make(sure=sure), a=HIGH, b=LOW)], "markdown")
        assert page.count(words) == 2  # in the table and in the section
        assert not [other for other in texts.values() if other != words and other in page]


def test_the_page_has_a_section_for_each_claim():
    claim = make(tried="Ten seeds.", tune={"optimizer.learning_rate": [0.1, 0.2]}, tuned_by="validation/loss")
    page = verdict_page.render([verdict(claim=claim, a=HIGH, b=LOW), judge("other", make(), [])], "markdown")
    assert page.splitlines()[0] == "# Published claims"
    for line in (
        "## some",
        "## other",
        "- **Verdict**: holds.",
        "- **Verdict**: not run.",
        "- **Tried**: Ten seeds.",
        "research report runs/claims/some",
        "`optimizer.learning_rate` of 0.1, 0.2, chosen for each row.",
    ):
        assert " ".join(line.split()) in " ".join(page.split())
    assert "[a is better than b.](#some)" in page


def test_a_claim_that_looks_into_another_is_linked_with_it_and_not_counted():
    failed = judge("adding_by_cell", make(), trials(a=LOW, b=HIGH))
    follow_up = judge("longer", make(claim="The same, longer.", follows="adding_by_cell"), trials(a=HIGH, b=LOW))
    page = verdict_page.render([failed, follow_up], "markdown")
    assert "\n1 claim: 1 fails; 1 more looks for causes.\n" in page
    assert "- **Looked into**: The same, longer. [longer](#longer): holds." in page
    assert "- **Looks into**: [adding\\_by\\_cell](#adding_by_cell)\n" in page
    assert verdict_page.count([follow_up]).startswith("1 claim: 1 holds")


def test_the_time_of_shared_trials_counts_once():
    seconds = [50.0, 50.0, 60.0, 70.0, 80.0]
    runs = [{**result(value), "seconds": time} for value, time in zip(HIGH, seconds, strict=True)]
    claim = make(tune={"optimizer.learning_rate": [0.1, 0.2]}, tuned_by="validation/loss")
    found = judge("some", claim, trials(a=runs, b=LOW), [{"seconds": 40.0}, None])
    shared = replace(found, name="other", claim=replace(claim, runs_of="some"))
    assert found.seconds == 300  # two of 50 seconds trained together
    took = "; their trials (shared ones once) took 5 minutes with tuning"
    assert verdict_page.count([found, shared]).endswith(took)
    page = verdict_page.render([found, shared], "markdown")
    assert "The trials took 5 minutes, with tuning and evaluation, without compiling the updates." in flat(page)
    assert flat(verdict_page.update(page, [shared], {"some": claim, "other": shared.claim})) == flat(page)
    old = page.replace("took 5 minutes", "trained for 5 minutes")
    assert "took" not in verdict_page.update(old, [], {"some": claim})  # rather none than one of other things


def test_a_mean_far_below_the_width_of_its_interval_is_zero():
    ahead = [value + gap for value, gap in zip(LOW, (0.01, -0.01, 0.02, -0.02, 1e-10), strict=True)]
    assert verdict(a=ahead, b=LOW).outcomes[0].text.startswith("0 [-")


def test_a_difference_that_is_zero_in_every_seed_is_told():
    found = verdict(Condition(ACCURACY, {"a": 1, "b": -1}, below=0.1), a=LOW, b=LOW)
    assert str(found) == "holds; a − b: no difference in any seed"
    assert str(verdict(Condition(ACCURACY, {"a": 1}, below=0.1), a=[0.0] * 5, b=LOW)) == "holds"  # no difference


def answers(levels: list[np.ndarray], seeds: int = 5) -> list[Trial]:
    """Return trials of the rows a, b, …, from the probability that each example is right."""
    rng, made = np.random.default_rng(0), []
    for row, level in zip("abc", levels, strict=False):
        for seed in range(seeds):
            right = rng.binomial(1, level).astype(float)
            made.append(Trial(row, seed, result(right.mean()), Scored(accuracy=(right, np.ones(len(right))))))
    return made


def test_a_difference_that_other_test_examples_may_turn_is_undecided():
    """One row knows 12 examples that the other does not know, which knows 6 others; so it is with each seed."""
    known = np.full(100, 0.5)
    first, second = known.copy(), known.copy()
    first[:12], second[:12], first[12:18], second[12:18] = 1, 0, 0, 1
    first[18:], second[18:] = 1, 1
    over = Condition(ACCURACY, {"a": 1, "b": -1}, above=0)
    runs = answers([first, second])
    found = judge("some", make(conditions=(over,)), runs)
    error = np.std([1] * 12 + [-1] * 6 + [0] * 82, ddof=1) / 10
    assert found.outcomes[0].estimate.low == pytest.approx(0.06 - 1.96 * error, abs=1e-4)
    assert str(found) == "undecided at 5 seeds"
    given = [replace(trial, run=Scored()) for trial in runs]
    assert str(judge("some", make(conditions=(over,)), given)) == "holds; the choice of test examples is not in it"


def test_weights_count_in_the_sampling_error_and_seeds_are_paired():
    rng = np.random.default_rng(1)
    runs = answers([rng.uniform(0.5, 1, 400), rng.uniform(0.2, 0.6, 400)])
    half = Condition(ACCURACY, {"a": 1, "b": -0.5}, above=0)
    (outcome,) = judge("some", make(conditions=(half,)), runs).outcomes
    scores = {(trial.row, trial.seed): trial.test_examples["accuracy"][0] for trial in runs}
    sums = np.stack([scores["a", seed] - 0.5 * scores["b", seed] for seed in range(5)])
    alone = estimate(sums.mean(1))
    sums -= sums.mean(1, keepdims=True)
    error = np.sqrt((sums.mean(0).var(ddof=1) - sums.var(0, ddof=1).mean() / 5) / 400)
    high = alone.center + np.hypot(alone.high - alone.center, 1.96 * error)
    assert outcome.estimate.high == pytest.approx(high, 1e-4)
    (shuffled,) = judge("some", make(conditions=(half,)), [*runs[:5], *reversed(runs[5:])]).outcomes
    assert shuffled == outcome


def test_a_value_that_stands_for_diverged_trials_has_no_sampling_error():
    bad = result(0.9, "diverged")
    over = Condition(ACCURACY, {"a": 1, "b": -1}, above=0.2, diverged=0.1)
    right = np.repeat([1.0, 0.0], [60, 40])
    runs = [Trial("a", seed, result(0.6), Scored(accuracy=(right, np.ones(100)))) for seed in range(5)]
    runs += [Trial("b", seed, bad) for seed in range(5)]
    (outcome,) = judge("some", make(conditions=(over,)), runs).outcomes
    assert outcome.estimate.low == pytest.approx(0.5 - 1.96 * np.std(right, ddof=1) / 10, abs=1e-4)
    assert outcome.sampled


def test_a_metric_of_no_test_examples_has_no_sampling_error_and_no_note():
    runs = [replace(trial, run=Scored()) for trial in trials(a=HIGH, b=LOW)]
    decay = Condition("gradient/initial/h/decay", {"a": 1, "b": -1}, above=0)
    assert str(judge("some", make(conditions=(decay,)), runs)) == "holds"


def test_an_error_rate_above_one_is_no_rate():
    runs = [{**result(value), "num_examples": 100} for value in [0.9, 1.1, 1.2, 1.3, 1.4]]
    error = Condition(ACCURACY, {"a": 1}, above=1.5)
    (outcome,) = verdict(error, a=runs, b=LOW).outcomes
    assert outcome.estimate.center == pytest.approx(1.18)
    assert outcome.estimate.low < 1.18 < outcome.estimate.high
    assert outcome.word == "fails"


def test_a_claim_that_cannot_be_judged_says_why_and_is_counted_as_such():
    broken = replace(verdict(a=[None] * 5, b=[None] * 5), fault="no metric")
    assert str(broken) == "cannot be judged: no metric"
    assert verdict_page.count([broken, verdict(a=HIGH, b=LOW)]) == "2 claims: 1 holds, 1 cannot be judged"
    page = verdict_page.render([broken], "markdown")
    assert "- **Verdict**: cannot be judged: no metric.\n" in page
    assert verdict_page.update(page, [], {"some": broken.claim}) == page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model.hidden_size": 1}, "; 1 hidden unit; 5 seeds."),
        ({"model.parameter_budget": 1000}, "; 1,000 parameters; 5 seeds."),
    ],
)
def test_the_size_of_the_rows_is_that_of_their_configs(options, words):
    claim = make(base=override(make().base, options))
    assert words in flat(verdict_page.render([verdict(claim=claim, a=HIGH, b=LOW)], "markdown"))
    mixed = replace(claim, variants={**claim.variants, "b": {"model.hidden_size": 8}})
    sizes = "; 1 or 8 hidden units; 5" if "model.hidden_size" in options else "; 8 hidden units; 1,000 parameters; 5"
    assert sizes in flat(verdict_page.render([verdict(claim=mixed, a=HIGH, b=LOW)], "markdown"))


def test_the_page_of_capacity_names_one_kind_of_data_that_chooses():
    page = flat(verdict_page.render([judge("capacity", load("capacity"), [])], "markdown"))
    (section,) = page.split("## capacity")[1:]
    assert "1,000 parameters" in section and "as there are no others" in section
    assert "hidden units" not in section and "validation data" not in section


def test_the_chosen_values_are_listed_and_whether_they_are_at_the_edge_of_their_grid():
    claim = make(tune={"optimizer.learning_rate": [0.1, 0.2, 0.3]}, tuned_by="validation/loss")
    rates = {"a": 0.2, "b": 0.3}
    runs = [replace(item, tuned={"optimizer.learning_rate": rates[item.row]}) for item in trials(a=HIGH, b=LOW)]
    page = verdict_page.render([judge("some", claim, runs)], "markdown")
    assert "- **Tuned**: `optimizer.learning_rate` of 0.2 for a; 0.3 (the edge of the grid) for b.\n" in page
    assert "**Tuned**" not in verdict_page.render([judge("some", claim, trials(a=HIGH, b=LOW))], "markdown")


def test_a_page_that_is_none_or_not_whole_is_refused():
    claims = {name: make() for name in ("some", "other")}
    page = verdict_page.render([verdict(a=HIGH, b=LOW), judge("other", make(), [])], "markdown")
    assert verdict_page.update(page, [], claims) == page
    row = next(line for line in page.splitlines() if "#other)" in line)
    for wrong, words in (
        ("# Notes\n", "^no page of verdicts$"),
        (page[: page.index("| claim")], "^no page of verdicts$"),
        (page[: page.index("## other")], "^other: has no whole section"),
        (page[:-10], "^other: has no whole section"),
        (page.replace(f"{row}\n", ""), "^other: has no row in the table"),
        (page.replace(" | not run |", " | solved |"), "^other: verdict 'solved': must start with one of holds, "),
    ):
        with pytest.raises(UserError, match=words):
            verdict_page.update(wrong, [], claims)
