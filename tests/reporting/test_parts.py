"""Figures of layers, of the two ways to an encoder, and of memory horizons, before and after training."""

import numpy as np
import pytest

from research.config.experiment import load
from research.config.flat import override
from research.reporting import figures
from research.tracking.run_directory import RunDirectory
from tests.reporting.conftest import compared
from tests.reporting.test_figures import check_places, words

H = "encoder/layer_1/forward/h"


def create(path, name, variant, setting="", seed=0) -> RunDirectory:
    """Return a new run of an experiment."""
    changes = {"experiment": name, "seed": seed}
    return RunDirectory.create(path, override(load(name).config(setting, variant), changes))


def heights(axis) -> list[list[float]]:
    return [np.asarray(line.get_ydata(), float).tolist() for line in axis.lines if len(line.get_xdata()) > 2]


def test_layers_are_drawn_from_the_top_down_as_multiples_of_the_top(tmp_path):
    for seed, factor in enumerate((1, 2, 8)):
        run = create(tmp_path / str(seed), "depth", "plain", "rows", seed)
        norms = {"initial": (factor, 6, 4, 2), "final": (1, 1, 1, 1)}
        summary = {
            f"gradient/{time}/encoder/layer_{layer + 1}/forward/h/norm": norm
            for time, layers in norms.items()
            for layer, norm in enumerate(layers)
        }
        run.finish({"status": "finished", "summary": summary})
    figure = figures.draw("gradient_by_layer", compared(tmp_path))
    assert figure is not None
    assert [heights(axis) for axis in figure.axes] == [[[1, 2, 3, 1]], [[1, 1, 1, 1]]]
    assert [axis.get_title().rpartition("\n")[2] for axis in figure.axes] == ["at initialization", "trained"]
    check_places(figure)


def test_the_share_by_attention_is_drawn_by_the_steps_to_the_last_state(tmp_path):
    for variant, ends in (("additive", ("/by_attention", "/by_recurrence")), ("none", ())):
        run = create(tmp_path / variant, "attention_path", variant)
        for step, by_attention in ((0, [9.0, 3.0, 1.0]), (500, [3.0, 2.0, 0.0]), (999, [1.0, 1.0, 1.0])):
            profiles = dict(zip((f"{H}{end}" for end in ends), (by_attention, [1.0, 1.0, 1.0]), strict=False))
            run.append("gradient_flow", {"step": step, H: [1.0, 1.0, 1.0], **profiles})
        run.finish({"status": "finished", "summary": {}, "profiles": {"gradient_flow": H}})
    figure = figures.draw("attention_share", compared(tmp_path))
    assert figure is not None
    assert [heights(axis) for axis in figure.axes] == [[[50, 75, 90]], [[50, 50, 50]]]
    assert "additive" in words(figure) and "none" not in words(figure).splitlines()
    check_places(figure)


def test_the_horizons_of_the_units_are_drawn_in_order(tmp_path):
    for setting in ("50 steps", "150 steps"):
        run = create(tmp_path / setting, "memory_horizon", "chrono", setting)
        for step, horizons in ((0, [30.0, 1.0, 5.0, 2.0]), (1499, [4.0, 3.0, 2.0, 1.0])):
            run.append("gates", {"step": step, "encoder/layer_1/forward/f/unit_horizon": horizons})
        run.finish({"status": "finished", "summary": {}})
    figure = figures.draw("memory_horizons", compared(tmp_path))
    assert figure is not None
    assert [axis.get_title() for axis in figure.axes] == [
        f"adding problem, {steps} steps\n{time}" for steps in (50, 150) for time in ("at initialization", "trained")
    ]
    assert [heights(axis) for axis in figure.axes] == [[[1, 2, 5, 30]], [[1, 2, 3, 4]]] * 2
    assert np.asarray(figure.axes[0].lines[0].get_xdata(), float) == pytest.approx([12.5, 37.5, 62.5, 87.5])
    check_places(figure)
