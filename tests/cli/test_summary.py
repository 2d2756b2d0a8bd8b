"""The summary of a training is short, and what matters is at its top."""

from research.cli.summary import MOST, choose, scores
from research.config.experiment import Column


def test_scores_come_first_and_baselines_after_them():
    keys = ["gradient/global_norm", "train/loss", "validation/loss", "test/baseline/mean/loss", "test/loss"]
    summary = dict.fromkeys(keys, 1.0)
    names, hidden = choose(summary, ())
    assert names == ["test/loss", "test/baseline/mean/loss", "validation/loss", "train/loss", "gradient/global_norm"]
    assert not hidden


def test_of_many_metrics_of_a_probe_the_columns_of_the_experiment_are_shown_and_the_others_are_counted():
    records = [f"encoder/layer_{layer}/{name}" for layer in range(5) for name in ("mean", "norm")]
    summary = {f"gates/{place}{record}": 1.0 for place in ("", "initial/", "final/") for record in records}
    names, hidden = choose({"gates/mine": 1.0, **summary}, [Column("norm", "gates/final/*norm")])
    assert names == ["gates/mine", *(f"gates/final/encoder/layer_{layer}/norm" for layer in range(5))]
    assert hidden == {"gates": 15}
    names, hidden = choose(summary, ())
    assert len(names) == MOST and hidden == {"gates": 20 - MOST}


def test_few_metrics_of_a_probe_are_all_shown_once():
    names, hidden = choose({"weights/norm": 1.0, "weights/initial/norm": 2.0, "weights/final/norm": 1.0}, ())
    assert (names, hidden) == (["weights/initial/norm", "weights/final/norm"], {})


def test_the_last_line_has_the_scores_that_are_columns_and_the_time():
    summary = {"test/loss": 0.25, "test/accuracy": 0.5, "test/baseline/mean/loss": 1.0, "validation/loss": 2.0}
    assert scores(summary, ()) == "test/loss 0.25, test/accuracy 0.5"
    columns = [Column("steps", "best/step"), Column("accuracy", "test/acc*")]
    assert scores({**summary, "train/seconds": 12.345}, columns) == "test/accuracy 0.5; 12.3 s of training"
    assert scores({"train/seconds": 1}, columns) == "1 s of training"
    assert scores({"validation/loss": 2.0}, columns) == ""
