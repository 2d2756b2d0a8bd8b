"""What stands under a table is about what is in it, and about what is odd in the runs."""

import itertools

import numpy as np
import pytest

from research.config.config import Config
from research.config.experiment import Column, Experiment
from research.config.flat import override
from research.reporting.runs import sweep_of
from research.reporting.tables import table
from research.tracking.run_directory import RunDirectory
from tests.reporting.conftest import comparable, grouped, write


def test_trials_that_failed_are_told_with_the_error_of_the_first(tmp_path):
    for seed in range(3):
        run = RunDirectory.create(tmp_path / str(seed), override(Config(), {"seed": seed}))
        if seed:
            run.fail("ValueError: no gate")
        else:
            run.finish({"status": "finished", "summary": {"x": 0.5}})
    content = table(grouped(tmp_path, Experiment(claim="c", base=Config(), columns=(Column("x", "x"),))))
    told = [note for note in content.notes if note.startswith("Failed: ")]
    assert told == ["Failed: 1, and 1 more: ValueError: no gate"]


def test_notes_are_only_about_what_is_there(tmp_path):
    for seed in (0, 1):
        write(tmp_path / str(seed), override(Config(), {"seed": seed}), x=0.5 + seed)
    content = table(grouped(tmp_path, Experiment(claim="c", base=Config(), columns=(Column("x", "x"),))))
    assert content.notes == (
        "Mean (each seed): fewer than 5 seeds have no interval.",
        "Tuning: none by the results of these runs; learning rate 0.001.",
    )


@pytest.mark.parametrize(
    ("sources", "noted"), [(("a", "b"), True), (("a+b", "a+b"), True), (("a", "a"), False), ((None, "a"), False)]
)
def test_rows_that_different_code_has_trained_are_named(tmp_path, sources, noted):
    for cell, found in {"lstm": sources, "gru": ("c", "c")}.items():
        for seed, source in enumerate(found):
            run = RunDirectory.create(tmp_path / f"{cell}{seed}", override(Config(), {"cell.name": cell, "seed": seed}))
            environment = {"environment": {"source": source}} if source else {}
            run.finish({"status": "finished", "summary": {"x": 0.5 + seed}, **environment})
    content = table(grouped(tmp_path, Experiment(claim="c", base=Config(), columns=(Column("x", "x"),))))
    assert ("Trained by more than one version of the code: lstm." in content.notes) == noted
    assert noted or not any("version of the code" in note for note in content.notes)


def test_an_early_stop_and_weights_that_are_not_the_last_are_noted(tmp_path):
    for seed, stop in enumerate((30, 50, None)):
        best = {"kept": "best", "step": 20, "metric": "validation/loss", "value": 0.5}
        result = {"weights": best, "stopped_early": {"step": stop}} if stop else {"weights": {"kept": "last"}}
        run = RunDirectory.create(tmp_path / str(seed), override(Config(), {"seed": seed}))
        run.finish({"status": "finished", "summary": {"x": 0.5 + seed}, **result})
    content = table(grouped(tmp_path, Experiment(claim="c", base=Config(), columns=(Column("x", "x"),))))
    assert content.notes[-2:] == (
        "Scored with the weights that have the best validation/loss in 2 of 3 trials.",
        "Stopped early: 2 of 3 trials, after 30 to 50 updates.",
    )


@pytest.mark.parametrize(
    ("difference", "noted"), [(0.0, True), (1e-16, False)], ids=["bit for bit", "in the last digit"]
)
def test_rows_of_the_same_results_are_named(tmp_path, difference, noted):
    for cell, gain, seed in itertools.product(("gru", "mingru"), (0.9, 1.1), (0, 1)):
        loss = 0.1 + seed + (gain if cell == "gru" else difference * gain)
        options = {"cell.name": cell, "init.gain": gain, "seed": seed}
        write(
            tmp_path / f"{cell}{gain}{seed}", override(Config(), options), **{"train/loss": loss, "test/accuracy": 1.0}
        )
    notes = table(grouped(tmp_path, Experiment(claim="c", base=Config()))).notes
    line = "Bit for bit the same results, so what they differ in does nothing: mingru, gain 0.9 = mingru, gain 1.1."
    assert (line in notes) == noted


def test_signatures_are_noted_with_the_settings_that_have_them(tmp_path):
    result = {"status": "finished", "summary": {"x": 1.0}}
    for seed, (setting, tokens) in enumerate((("de", "13a"), ("fr", "13a"), ("ja", "char"))):
        run = RunDirectory.create(tmp_path / setting, Config(setting=setting, seed=seed))
        run.finish({**result, "signatures": {"bleu": f"tok:{tokens}"}})
    declared = Experiment(
        claim="c", base=Config(), columns=(Column("x", "x"),), settings={"de": {}, "fr": {}, "ja": {}}
    )
    assert table(grouped(tmp_path, declared)).notes[-2:] == ("bleu (de, fr): tok:13a", "bleu (ja): tok:char")


def test_the_best_row_is_marked_where_there_are_enough_seeds_and_the_note_says_how(tmp_path):
    content = comparable(tmp_path, {"rnn": 0.3, "lstm": 0.6, "gru": 0.9}, 8)
    (heading,) = content.parts
    assert content.marks == {(heading, 2, 2): "best"}
    test = "sign-flip test of differences paired by seed, p < 0.05 after Holm over 2 comparisons"
    assert f"Bold (*): differs from all other rows ({test})." in content.notes
    assert list(content.numbers.query("mark == 'best'")["cell.name"]) == ["gru"]
    assert content.notes[0] == "Mean [95% interval]."


@pytest.mark.parametrize(
    ("scores", "given"),
    [
        (True, "The choice of the examples is not in the test of BLEU."),
        (False, "The choice of the examples is not in the test."),
    ],
)
def test_a_note_says_where_the_choice_of_test_examples_is_not_in_the_test(tmp_path, scores, given):
    for (cell, level), seed in itertools.product({"rnn": 30, "gru": 90}.items(), range(9)):
        right, ones = np.repeat([1.0, 0.0], [level + seed % 3, 100 - level - seed % 3]), np.ones(100)
        config = override(Config(), {"cell.name": cell, "seed": seed})
        run = write(tmp_path / f"{cell}-{seed}", config, **{"test/accuracy": right.mean(), "test/bleu": right.mean()})
        if scores:
            run.save_test_examples({"accuracy": (right, ones)})
    columns = (Column("accuracy", "test/accuracy", unit="%"), Column("BLEU", "test/bleu"))
    content = table(grouped(tmp_path, Experiment(claim="c", base=Config(), columns=columns)))
    (first, second) = [note for note in content.notes if "bold" in note.lower() or "choice" in note]
    assert [*content.marks.values()] == ["best", "best"]
    assert ("with the sampling error of the test examples" in first) == scores
    assert second == given


def test_where_nothing_is_marked_there_is_no_note_on_the_choice_of_examples(tmp_path):
    notes = comparable(tmp_path, {"rnn": 0.9, "gru": 0.9}, 10).notes
    assert any(note.startswith("No row differs from the best") for note in notes)
    assert not any("choice" in note for note in notes)


def test_one_comparison_is_not_adjusted_and_a_common_power_of_ten_is_explained(tmp_path):
    content = comparable(tmp_path, {"rnn": 3e7, "lstm": 6e7}, 3)
    assert any(note.endswith("(sign-flip test of differences paired by seed, p < 0.05).") for note in content.notes)
    assert any("as in 2 (1 3)e-6, is a factor of all" in note for note in content.notes)
    assert not any("as in 2 (1 3)e-6" in note for note in comparable(tmp_path / "other", {"rnn": 0.3}, 3).notes)


def test_with_few_seeds_the_note_says_how_many_would_do(tmp_path):
    content = comparable(tmp_path, {"rnn": 0.3, "lstm": 0.6, "gru": 0.9}, 3)
    assert not content.marks
    assert any(
        note.startswith("No number is marked best: with 3 seeds no difference can be significant, with 7 it can")
        for note in content.notes
    )


def test_split_budget_and_tuning_stand_under_the_table(tmp_path):
    sizes = {"model/parameters": 1200, "train/seconds": 2.0}
    notes = comparable(tmp_path, {"rnn": 0.3, "gru": 0.9}, 2, **sizes).notes
    sampling = "their sampling error, such as 50% [46.9, 53.1], the seeds do not show"
    assert f"Split: test, 1,000 examples, the same for all seeds; {sampling}." in notes
    assert "Budget of a trial: 1,200 parameters, 2 seconds of training." in notes
    assert "Tuning: none by the results of these runs; learning rate 0.001." in notes


def test_a_search_that_looks_at_results_is_told_as_tuning(tmp_path):
    write(tmp_path / "0", Config(), x=1.0)
    sweep = "name: s\nmethod: bayes\nmetric: {name: validation/loss}\nparameters: {init.gain: {min: 0.5, max: 2}}\n"
    (tmp_path / "sweep.yaml").write_text(sweep)
    experiment = Experiment(claim="c", base=Config(), columns=(Column("x", "x"),))
    notes = table(grouped(tmp_path, experiment, sweep_of(tmp_path))).notes
    assert "Tuning: the sweep chose its trials by validation/loss (bayes); learning rate 0.001." in notes


def test_a_search_is_sorted_by_its_metric_and_names_the_best_trial(tmp_path):
    for gain, loss in ((0.5, 3.0), (1.0, 1.0), (1.5, 2.0), (2.0, None)):
        run = RunDirectory.create(tmp_path / f"gain{gain}", override(Config(), {"init.gain": gain}))
        summary = {"test/x": gain} if loss is None else {"validation/loss": loss, "test/x": gain}
        run.finish({"status": "finished" if loss else "stopped", "summary": summary})
    experiment = Experiment(claim="c", base=Config(), columns=(Column("x", "test/x"),))
    for goal, best in (("minimize", ["1", "1.5", "0.5"]), ("maximize", ["0.5", "1.5", "1"])):
        metric = f"metric: {{name: validation/loss, goal: {goal}}}"
        text = f"name: s\nmethod: bayes\n{metric}\nparameters: {{init.gain: {{min: 0.5, max: 2}}}}\n"
        (tmp_path / "sweep.yaml").write_text(text)
        content = table(grouped(tmp_path, experiment, sweep_of(tmp_path)))
        (rows,) = content.parts.values()
        assert [row[0] for row in rows] == best
        first = {"1": "gain1.0, 1.", "0.5": "gain0.5, 3."}[best[0]]
        assert content.notes[0] == f"Sorted by validation/loss, the best first; best trial of the first row: {first}"
        assert content.notes[1] == "Not shown: 1 row of trials that have stopped early, or have no validation/loss yet."


def test_many_learning_rates_are_a_range(tmp_path):
    for rate in range(1, 9):
        write(tmp_path / str(rate), override(Config(), {"optimizer.learning_rate": rate / 1000}), x=1.0)
    experiment = Experiment(claim="c", base=Config(), columns=(Column("x", "x"),))
    notes = table(grouped(tmp_path, experiment)).notes
    assert any(note.endswith("; learning rate 0.001 to 0.008, 8 values.") for note in notes)
