"""The Pareto front has the rows that no other row beats in quality and cost."""

import math

import numpy as np
import pytest
from matplotlib.colors import to_hex

from research.config.config import Config
from research.config.experiment import Column, Experiment
from research.config.flat import override
from research.errors import UserError
from research.reporting import figures
from research.reporting.comparison import Comparison
from research.reporting.figures.pareto import undominated
from research.reporting.statistics import Estimate
from tests.reporting.conftest import grouped, write
from tests.reporting.test_figures import check_places, words

ROWS = {"rnn": (1.0, 0.05), "gru": (2.0, 0.9), "lstm": (3.0, 0.8), "mgu": (400.0, 0.95)}
"""Seconds and accuracy."""


@pytest.fixture
def comparison(tmp_path) -> Comparison:
    for cell, (seconds, accuracy) in ROWS.items():
        for seed in range(3):
            values = {"train/seconds": seconds * (1 + seed / 10), "test/accuracy": accuracy + (seed - 1) / 100}
            write(tmp_path / f"{cell}{seed}", override(Config(), {"cell.name": cell, "seed": seed}), **values)
    columns = (Column("accuracy", "test/accuracy", unit="%"),)
    return grouped(tmp_path, Experiment(claim="c", base=Config(), columns=columns))


def places(**rows: tuple[float, float]) -> dict[str, tuple[Estimate, Estimate]]:
    return {name: (Estimate(cost), Estimate(quality)) for name, (cost, quality) in rows.items()}


def test_a_row_that_costs_as_much_and_is_worse_or_costs_more_and_is_no_better_is_not_on_the_front():
    rows = places(a=(1, 5), b=(1, 4), c=(2, 4), d=(3, 2), e=(4, 3))
    assert undominated(rows, higher=False) == ["b", "d"]
    assert undominated(rows, higher=True) == ["a"]
    assert undominated(places(a=(1, 1), b=(2, 3), c=(3, 2)), higher=True) == ["a", "b"]


def test_rows_that_are_as_good_at_the_same_cost_are_all_on_the_front():
    rows = places(a=(1, 1), b=(2, 3), c=(2, 3), d=(2, 2), e=(3, 3))
    assert undominated(rows, higher=True) == ["a", "b", "c"]


def test_the_note_says_what_the_bars_of_a_success_are(comparison):
    column = Column("good", "test/accuracy", statistic="success", threshold=0.6, better="higher")
    text = " ".join(words(figures.draw("pareto_front", comparison, y=column)).split())
    assert "bar upward: 95% interval (Wilson); across: 95% interval, of fewer than 5 seeds" in text
    text = " ".join(words(figures.draw("pareto_front", comparison)).split())
    assert "; bar: 95% interval, of fewer than 5 seeds the lowest to the highest." in text


def test_each_row_is_a_point_with_intervals_and_the_front_a_step_line(comparison):
    figure = figures.draw("pareto_front", comparison)
    assert figure is not None
    (axis,) = figure.axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("seconds of training", "accuracy (%)")
    assert axis.get_xscale() == "log" and axis.get_yscale() == "linear"
    (front,) = [line for line in axis.lines if line.get_drawstyle() == "steps-post"]
    costs, qualities = (np.asarray(part, float).tolist() for part in (front.get_xdata(), front.get_ydata()))
    assert costs[:-1] == pytest.approx([1.1, 2.2, 440]) and qualities == pytest.approx([5, 90, 95, 95])
    points = [container[0] for container in axis.containers]
    filled = {
        round(float(np.asarray(point.get_ydata())[0])): point.get_markerfacecolor() != "white" for point in points
    }
    assert filled == {5: True, 90: True, 80: False, 95: True}
    fronts = [point.get_zorder() for point in points if point.get_markerfacecolor() != "white"]
    (hollow,) = [point.get_zorder() for point in points if point.get_markerfacecolor() == "white"]
    assert min(fronts) > hollow  # which hides none of them
    assert all(len(container[2]) == 2 for container in axis.containers)  # bars along both axes
    legend = axis.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["mgu", "gru", "lstm", "rnn"]  # as the points stand
    assert [to_hex(text.get_color()) for text in legend.get_texts()] == [to_hex(point.get_color()) for point in points]
    check_places(figure)


def test_rows_of_one_color_have_markers_of_their_own(tmp_path):
    for cell in ("rnn", "gru"):
        for size in (8, 16):
            config = override(Config(), {"cell.name": cell, "model.hidden_size": size})
            write(tmp_path / f"{cell}{size}", config, **{"test/loss": 1.0 / size, "model/carry_size": size})
    figure = figures.draw("pareto_front", grouped(tmp_path, Experiment(claim="", base=Config())), x="model/carry_size")
    assert figure is not None
    looks = [(container[0].get_color(), container[0].get_marker()) for container in figure.axes[0].containers]
    assert len({*looks}) == 4 and len({color for color, _ in looks}) == 2


def test_a_metric_without_a_better_side_has_no_front(comparison):
    with pytest.raises(UserError, match="train/seconds: must be a metric of quality"):
        figures.draw("pareto_front", comparison, y=Column("seconds", "train/seconds"))


def test_rows_with_a_value_that_is_not_finite_are_left_out_and_told(comparison):
    result = comparison.trials["result"][comparison.trials["cell.name"] == "mgu"].iloc[0]
    result["summary"]["train/seconds"] = math.inf
    figure = figures.draw("pareto_front", comparison)
    assert figure is not None and len(figure.axes[0].containers) == 3
    assert "1 of 6 values of mgu (infinite)" in " ".join(words(figure).split())
