"""A metric against a config key: points with their seeds, in panels that the key does not tell apart."""

import math
from dataclasses import replace

import numpy as np
import pytest

from research.cli import main as cli
from research.config.config import Config
from research.config.experiment import Column, Experiment
from research.config.flat import override
from research.errors import UserError
from research.reporting import figures, page
from research.reporting.comparison import Comparison
from tests.reporting.conftest import grouped, write
from tests.reporting.test_figures import check_places, words

LENGTHS, SEEDS = (5, 20, 100), 5
EXPERIMENT = Experiment(claim="c", base=Config(), columns=(Column("loss", "test/loss"),))


@pytest.fixture
def by_length(tmp_path) -> Comparison:
    """Two cells at three lengths, the tenth of which is their loss, or the twentieth."""
    for cell, part in (("rnn", 10), ("gru", 20)):
        for length in LENGTHS:
            for seed in range(SEEDS):
                options = {"task.name": "adding", "task.length": length, "cell.name": cell, "seed": seed}
                options["experiment"] = "memory"
                values = {"test/loss": length / part + seed / 100, "test/baseline/mean/loss": 0.2}
                write(tmp_path / f"{cell}{length}-{seed}", override(Config(), options), **values)
    return grouped(tmp_path, EXPERIMENT)


def test_lines_have_the_mean_the_seeds_and_an_interval_at_each_value_on_a_logarithmic_axis(by_length):
    figure = figures.draw("metric_by_key", by_length, x="task.length")
    assert figure is not None
    (axis,) = figure.axes
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_xscale()) == ("task.length", "loss", "log")
    assert [label.get_text() for label in axis.get_xticklabels()] == ["5", "20", "100"]
    lines = [line for line in axis.lines if len(np.asarray(line.get_xdata())) == 3]
    means = {line.get_color(): np.asarray(line.get_ydata(), float).tolist() for line in lines}
    assert [*means.values()][:2] == [pytest.approx([0.52, 2.02, 10.02]), pytest.approx([0.27, 1.02, 5.02])]
    assert [*means.values()][2] == [0.2] * 3  # the baseline
    seeds = [line for line in axis.lines if len(np.asarray(line.get_xdata())) == SEEDS]
    assert len(seeds) == 6 and all(len({*np.asarray(line.get_xdata()).tolist()}) == 1 for line in seeds)
    assert len(axis.collections) == 2  # a band each
    assert {"rnn", "gru", "mean target"} <= {text.get_text() for text in axis.texts}
    assert "95% interval" in words(figure)
    check_places(figure)


def test_success_is_the_fraction_of_the_seeds(by_length):
    column = Column("loss<1", "test/loss", statistic="success", threshold=1.03, better="lower")
    figure = figures.draw("metric_by_key", by_length, x="task.length", y=column)
    assert figure is not None
    (axis,) = figure.axes
    assert [np.asarray(line.get_ydata(), float).tolist() for line in axis.lines] == [[100, 0, 0], [100, 80, 0]]
    assert axis.get_ylabel() == "seeds with loss<1 (%)"


def test_values_that_have_no_place_are_counted_and_have_no_mean_with_the_others(tmp_path):
    values = {
        "rnn": {5: (math.inf, math.inf), 20: (math.inf, 100.0), 100: (3.0, 12.0)},
        "gru": {5: (1.0, 4.0), 20: (1.0, 4.0), 100: (1.0, 4.0)},
        "lstm": {5: (0.0, math.nan)},
    }
    for cell, lengths in values.items():
        for length, seeds in lengths.items():
            for seed, value in enumerate(seeds):
                options = {"task.name": "adding", "task.length": length, "cell.name": cell, "seed": seed}
                write(tmp_path / f"{cell}{length}-{seed}", override(Config(), options), **{"test/loss": value})
    experiment = replace(EXPERIMENT, columns=(Column("loss", "test/loss", scale="log"),))
    figure = figures.draw("metric_by_key", grouped(tmp_path, experiment), x="task.length")
    assert figure is not None
    (axis,) = figure.axes
    lines = [np.asarray(line.get_ydata(), float) for line in axis.lines if np.size(line.get_xdata()) == 3]
    np.testing.assert_allclose(sorted(lines, key=lambda line: line[-1]), [[2, 2, 2], [math.nan, math.nan, 6]])
    assert 100 in [value for line in axis.lines for value in np.asarray(line.get_ydata(), float)]  # the seed stays
    text = " ".join(words(figure).split())
    assert "Not drawn, nor a center with them: " in text
    assert "3 of 6 values of rnn (infinite)" in text and "2 of 2 values of lstm (0 or undefined)" in text
    assert "values of gru" not in text and axis.get_yscale() == "log"
    check_places(figure)


def test_the_interval_of_a_success_is_that_of_few_seeds_too_and_none_is_left_out(by_length):
    by_length.trials["result"].iloc[0]["summary"]["test/loss"] = math.inf
    column = Column("loss<1", "test/loss", statistic="success", threshold=1.03, better="lower")
    text = " ".join(words(figures.draw("metric_by_key", by_length, x="task.length", y=column)).split())
    assert "band: 95% interval (Wilson)." in text and "fewer than" not in text and "Not drawn" not in text


def test_what_does_not_follow_from_the_key_has_a_panel(tmp_path):
    for length in (20, 50, 100):
        for task in ("adding", "multiplication"):
            options = {"task.name": task, "task.length": length, "setting": f"{task} {length}"}
            write(tmp_path / f"{task}{length}", override(Config(), options), **{"test/loss": 1.0 * length})
    figure = figures.draw("metric_by_key", grouped(tmp_path, EXPERIMENT), x="task.length")
    assert figure is not None
    assert sorted(axis.get_title() for axis in figure.axes) == ["adding", "multiplication"]
    assert all(np.size(axis.lines[0].get_xdata()) == 3 for axis in figure.axes)


def test_runs_of_a_point_differ_in_their_seed_alone(tmp_path):
    for place, rate in enumerate((0.1, 0.2)):
        options = {"task.name": "adding", "task.length": 5 + 5 * place, "optimizer.learning_rate": rate}
        for length in (5, 10):
            options = {**options, "task.length": length, "setting": f"{place}"}
            write(tmp_path / f"{place}{length}", override(Config(), options), **{"test/loss": 1.0})
    comparison = grouped(tmp_path, EXPERIMENT)
    assert figures.draw("metric_by_key", comparison, x="task.length") is not None  # a panel for each setting
    comparison.trials["heading"] = ""
    with pytest.raises(UserError, match="runs of a row differ in optimizer.learning_rate; add to --rows"):
        figures.draw("metric_by_key", comparison, x="task.length")


def test_axes_that_the_runs_do_not_have_are_errors_before_the_table(by_length, tmp_path, capsys):
    loss = Column("loss", "test/loss")
    for figure, x, y, message in (
        ("metric_by_key", "task.lenght", loss, "--x=task.lenght: no run has this config key; the nearest are task.l"),
        ("metric_by_key", "cell.name", loss, "--x=cell.name: must be a config key whose values are numbers; a run has"),
        ("metric_by_key", "", loss, "--x must be given with --figure=metric_by_key"),
        ("metric_by_key", "task.length", Column("a", "test/los"), "column test/los: no run has this metric"),
        ("pareto_front", "task.length", loss, "column task.length: no run has this metric"),
        ("error_by_length", "task.length", None, "figure error_by_length: must be one of metric_by_key, pareto_front"),
    ):
        with pytest.raises(UserError, match=message):
            page.report(tmp_path, figure=[figure], x=x, y=y)
    assert capsys.readouterr().out == ""


def test_files_are_named_after_the_axes(by_length, tmp_path, capsys):
    page.report(tmp_path, figure=["metric_by_key"], x="task.length", y=Column("test/loss", "test/loss"))
    assert "metric_by_key_task.length_test_loss.png\n" in capsys.readouterr().out


def test_the_command_takes_axes_in_the_form_of_columns_and_only_with_a_figure(by_length, tmp_path, capsys):
    flags = ["--figure=metric_by_key", "--x=task.length", "--y=solved=test/loss<1.03"]
    assert cli.main(["report", str(tmp_path), *flags]) == 0
    assert "metric_by_key_task.length_solved.png\n" in capsys.readouterr().out
    assert cli.main(["report", str(tmp_path), "--x=task.length"]) == 2
    message = "error: report: --x=task.length: must be given with --figure=metric_by_key or pareto_front\n"
    assert capsys.readouterr().err == message
