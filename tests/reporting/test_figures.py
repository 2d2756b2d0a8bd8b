"""Figures say in words what they show, and show what float32 cannot hold."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from research.config.config import Config
from research.config.experiment import Column, Experiment, load, names
from research.config.flat import override
from research.reporting import figures
from research.reporting.figures import style
from research.reporting.figures.gradients import SPECIAL
from research.tracking.run_directory import RunDirectory
from tests.reporting.conftest import compared, grouped, write

KEY = "free_running/edit_error_rate"


def config(experiment: str, changes: dict) -> Config:
    return override(load(experiment).base, {"experiment": experiment, **changes})


@pytest.fixture
def gradient_group(gradient_runs):
    return compared(gradient_runs)


def words(figure) -> str:
    """All text of a figure that a reader sees."""
    texts = [text.get_text() for text in figure.texts]
    for axis in figure.axes:
        texts += [axis.get_title(), axis.get_xlabel(), axis.get_ylabel(), *(text.get_text() for text in axis.texts)]
    return "\n".join(texts)


def seen(figure) -> list[Text]:
    """All text of a figure that is not empty, without ticks beyond the axes."""
    texts = list(figure.texts)
    for axis in figure.axes:
        texts += [axis.title, axis.xaxis.label, axis.yaxis.label, *axis.texts]
        for along, limits in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
            ticks = zip(along.get_ticklocs(), along.get_ticklabels(), strict=True)
            texts += [label for place, label in ticks if min(limits) <= place <= max(limits)]
    return [text for text in texts if text.get_text()]


def check_places(figure) -> None:
    """No text covers another or leaves the figure."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = {text: Text.get_window_extent(text, renderer) for text in seen(figure)}  # not of the leaders to the lines
    for text, box in boxes.items():
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1, text
        assert [other for other in boxes if box.overlaps(boxes[other])] == [text]


def test_profiles_mark_underflow_and_overflow_within_the_axes(gradient_group):
    figure = figures.draw("gradient_profiles", gradient_group)
    assert figure is not None
    assert "underflow to 0" in words(figure) and "overflow" in words(figure)
    for axis in figure.axes:
        assert {"v", "^"} <= {str(line.get_marker()) for line in axis.lines if np.size(line.get_xdata())}
        low, high = axis.get_ylim()
        for line in axis.lines:
            heights = np.asarray(line.get_ydata(), float)
            assert np.isfinite(heights).all() and (heights >= low).all() and (heights <= high).all()


def test_profiles_have_a_panel_a_setting_and_a_named_line_a_row(gradient_group):
    figure = figures.draw("gradient_profiles", gradient_group)
    assert figure is not None
    assert [axis.get_title() for axis in figure.axes] == ["MNIST, 196 steps of 4 pixels", "adding problem, 200 steps"]
    for axis in figure.axes:
        labels = {text.get_text() for text in axis.texts}
        assert {"rnn gain 0.9", "rnn gain 1.2", "lstm bias 1", "gru chrono"} <= labels


def test_the_last_profiles_count_those_that_diverged(gradient_group):
    figure = figures.draw("gradient_profiles_trained", gradient_group)
    assert figure is not None
    assert "Left out: 1 profile" in words(figure)
    assert "100 updates" in figure.axes[0].get_title()


def test_the_heat_map_has_colors_for_underflow_and_overflow(gradient_group):
    figure = figures.draw("gradient_heatmaps", gradient_group)
    assert figure is not None
    assert "0: underflow" in words(figure) and "inf: overflow" in words(figure)
    panels = [np.asarray(image.get_array()) for axis in figure.axes for image in axis.images]
    assert len(panels) == 8 and all(pixels.shape == (len(pixels), 150, 4) for pixels in panels)
    assert all((pixels[..., 3] == 1).all() for pixels in panels)  # no norm is left out
    for pixels, place in ((panels[0], 0), (panels[2], 1)):  # decays to 0, and explodes: that far from the loss
        special = (pixels == to_rgba([*SPECIAL.values()][place])).all(axis=-1)
        assert special[0, 0] and not special[0, -1]


def test_the_rows_of_a_heat_map_are_marked_by_their_updates_in_the_middle(gradient_group):
    figure = figures.draw("gradient_heatmaps", gradient_group)
    assert figure is not None
    panel = next(axis for axis in figure.axes if axis.images)
    (low, high), marks = panel.get_ylim(), panel.get_yticks()
    assert low < min(marks) and max(marks) < high  # not at the edge of a row
    assert panel.get_yticklabels()[0].get_text() == "0"
    assert {"updates", "time step t"} <= {*words(figure).splitlines()}


def test_rare_lengths_are_named_as_joined(attention_runs):
    figure = figures.draw("error_by_length", compared(attention_runs))
    assert figure is not None
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["≤4", "5", "14+"]
    assert {"none", "additive"} <= {text.get_text() for text in axis.texts}


def test_the_error_by_position_has_a_panel_a_row_with_both_errors_on_one_scale(attention_runs):
    figure = figures.draw("error_by_position", compared(attention_runs))
    assert figure is not None
    assert [axis.get_title() for axis in figure.axes] == ["none", "additive"]
    assert "free running" in words(figure) and "teacher forced" in words(figure)
    assert len({axis.get_ylim() for axis in figure.axes}) == 1
    for axis, error in zip(figure.axes, (10.1, 5.05), strict=True):
        assert [label.get_text() for label in axis.get_xticklabels()] == ["1", "2", "3", "4+"]
        free, forced = (np.asarray(line.get_ydata(), float) for line in axis.lines)
        np.testing.assert_allclose(free, error * np.array([1, 1, 1.2, 2]))
        np.testing.assert_allclose(forced, free / 2)


def test_the_gap_is_drawn_over_the_forcing_ratios_that_are_constant_and_alike_else(forcing_runs):
    figure = figures.draw("exposure_bias_gap", compared(forcing_runs))
    assert figure is not None
    assert "free running" in words(figure) and "teacher forced" in words(figure)
    (axis,) = figure.axes
    assert list(axis.get_xticks()) == [0, 0.5, 0.75, 1]
    free = np.asarray(axis.lines[0].get_ydata(), float)
    np.testing.assert_allclose(free, 1.01 * np.array([10, 7, 6, 5]))
    hollow = [line for line in axis.lines if line.get_markerfacecolor() == "white"]
    assert [float(np.asarray(line.get_ydata())[0]) for line in hollow] == pytest.approx([30.3, 15.15])  # sampled


def test_of_rows_with_one_forcing_ratio_the_first_makes_the_curve_and_all_are_drawn(attention_runs):
    figure = figures.draw("exposure_bias_gap", compared(attention_runs))
    assert figure is not None
    middles = [float(np.asarray(line.get_ydata())[0]) for line in figure.axes[0].lines if line.get_marker() == "o"]
    np.testing.assert_allclose(middles, [10.1, 5.05, 5.05, 2.525])


def test_every_way_to_force_has_its_two_errors_beside_its_name(forcing_runs):
    figure = figures.draw("forced_and_free", compared(forcing_runs))
    assert figure is not None
    (axis,) = figure.axes
    named = [label.get_text() for label in axis.get_yticklabels()]
    assert named == ["always", "ratio 0.75", "ratio 0.5", "never", "linear", "ratio 0.5 sampled"]
    free, forced = (container[0] for container in axis.containers)
    np.testing.assert_allclose(np.asarray(free.get_xdata(), float), 1.01 * np.array([5, 6, 7, 10, 20, 30]))
    np.testing.assert_allclose(np.asarray(forced.get_xdata(), float), np.asarray(free.get_xdata(), float) / 2)
    np.testing.assert_allclose(np.round(np.asarray(free.get_ydata(), float)), range(6))
    assert axis.yaxis_inverted()  # the first row is on top


@pytest.mark.parametrize("name", ["error_by_length", "error_by_position", "exposure_bias_gap", "forced_and_free"])
def test_no_name_in_a_figure_of_errors_covers_another_or_leaves_the_figure(name, forcing_runs):
    check_places(figures.draw(name, compared(forcing_runs)))


def test_names_of_many_long_bins_are_thinned_and_the_last_is_kept(tmp_path):
    run = RunDirectory.create(tmp_path / "0", config("attention", {"attention.name": "none"}))
    table = {"length": list(range(1000, 2600)), "count": [2] * 1600, "free_running_error_rate": [0.1] * 1600}
    run.finish({"status": "finished", "summary": {}, "by_length": table})
    figure = figures.draw("error_by_length", compared(tmp_path))
    assert figure is not None
    assert figure.axes[0].get_xticklabels()[-1].get_text() == "2500+"
    check_places(figure)


def test_bleu_is_drawn_as_it_is_against_the_words_of_the_sentence(tmp_path):
    for variant, height in (("none", 1), ("additive", 2)):
        options = config("attention", {"attention.name": variant, "task.input.tokenizer": "subwords"})
        table = {"length": [3, 4, 5], "count": [30, 40, 50], "free_running_error_rate": [0.1] * 3}
        table["bleu"] = [10.0 * height, 20.0 * height, 15.0 * height]
        run = RunDirectory.create(tmp_path / variant, options)
        run.finish({"status": "finished", "summary": {}, "by_length": table})
    figure = figures.draw("bleu_by_length", compared(tmp_path))
    assert figure is not None
    (axis,) = figure.axes
    assert (axis.get_ylabel(), axis.get_xlabel()) == ("BLEU", "words of the input")
    assert [np.asarray(line.get_ydata()).tolist() for line in axis.lines] == [[10, 20, 15], [20, 40, 30]]
    check_places(figure)


def test_a_metric_is_drawn_against_the_minutes_until_each_evaluation(tmp_path):
    for variant, error, pace in (("none", 0.8, 60.0), ("additive", 0.4, 90.0)):
        for seed in range(2):
            changes = {"attention.name": variant, "seed": seed}
            run = RunDirectory.create(tmp_path / f"{variant}{seed}", config("attention", changes))
            run.append("metrics", {"step": 10, "train/loss": 1.0, "train/seconds": pace / 2})
            for count in (1, 2):
                metrics = {f"validation/{KEY}": error / count + 0.1 * seed, "train/seconds": pace * count}
                run.append("metrics", {"step": 100 * count, **metrics})
            baseline = "validation/baseline/most_frequent/edit_error_rate"
            run.finish({"status": "finished", "summary": {baseline: 0.9, f"test/{KEY}": 0.0}})
    figure = figures.draw("metric_by_time", compared(tmp_path))
    assert figure is not None
    (axis,) = figure.axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("minutes of training", "phoneme error (%)")
    assert {"none", "additive", "most frequent"} <= {text.get_text() for text in axis.texts}
    none, additive, floor = axis.lines
    assert np.asarray(none.get_xdata()).tolist() == [1, 2] and np.asarray(additive.get_xdata()).tolist() == [1.5, 3]
    np.testing.assert_allclose(np.asarray(none.get_ydata()), [85, 45])
    np.testing.assert_allclose(np.asarray(floor.get_ydata()), 90)
    check_places(figure)


@pytest.mark.parametrize("name", sorted({*figures.FIGURES} - {*figures.OF_EXAMPLES}))
def test_a_figure_without_data_is_none(name, tmp_path):
    write(tmp_path / "0", Config())
    declared = Experiment(claim="", base=Config(), columns=(Column("accuracy", "test/accuracy"),))
    assert figures.draw(name, grouped(tmp_path, declared)) is None


@pytest.mark.parametrize("name", ["gradient_profiles", "gradient_heatmaps"])
def test_long_names_leave_room_for_what_is_drawn(name, tmp_path):
    for end in "ab":
        run = write(tmp_path / end, config("gradient_norms", {"variant": f"{'a long name ' * 6}{end}"}))
        run.append("gradient_flow", {"step": 0, "encoder/layer_1/forward/h": [1e-3, 1.0]})
    figure = figures.draw(name, compared(tmp_path))
    assert figure is not None
    figure.draw(FigureCanvasAgg(figure).get_renderer())  # warns where no layout is possible; warnings are errors
    assert figure.axes[0].get_position().width > 0.25


@pytest.mark.parametrize("first", [0.9, 1.3, 0.1, 3e-2])
def test_an_axis_of_few_decades_has_several_ticks(first, tmp_path):
    run = write(tmp_path / "0", config("gradient_norms", {}))
    run.append("gradient_flow", {"step": 0, "encoder/layer_1/forward/h": [first, 1.0]})
    figure = figures.draw("gradient_profiles", compared(tmp_path))
    assert figure is not None
    assert 3 <= len(figure.axes[0].get_yticks()) <= 8
    check_places(figure)


@pytest.mark.parametrize("name", ["gradient_profiles", "gradient_heatmaps"])
def test_one_setting_one_row_one_seed_one_record_is_enough(name, tmp_path):
    run = write(tmp_path / "0", config("gradient_norms", {}))
    run.append("gradient_flow", {"step": 0, "encoder/layer_1/forward/h": [0.5, 1.0]})
    check_places(figures.draw(name, compared(tmp_path)))


def test_profiles_of_other_layers_and_parts_are_named(tmp_path):
    for name, cell, layer in (("lstm chrono", "lstm", 1), ("gru chrono", "gru", 3)):
        changes = {"variant": name, "cell.name": cell, "model.num_layers": layer}
        run = write(tmp_path / name, config("gradient_norms", changes))
        run.append("gradient_flow", {"step": 0, f"encoder/layer_{layer}/forward/h": [0.5, 1.0]})
    text = words(figures.draw("gradient_profiles", compared(tmp_path)))
    assert "Profile: encoder/layer_1/forward/h; of gru chrono, num layers 3: encoder/layer_3/forward/h." in text


def test_a_figure_is_saved_as_png_pdf_and_svg_and_the_same_twice(forcing_runs, tmp_path):
    group = compared(forcing_runs)

    (tmp_path / "out").mkdir()

    def saved() -> dict[str, bytes]:
        figure = figures.draw("exposure_bias_gap", group)
        assert figure is not None
        figures.save(figure, tmp_path / "out", "exposure_bias_gap", ["pdf", "svg"])
        return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    first = saved()
    assert first == saved()
    starts = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    assert {name: content[: len(starts[name[-3:]])] for name, content in first.items()} == {
        f"exposure_bias_gap.{suffix}": start for suffix, start in starts.items()
    }
    assert b"free running" in first["exposure_bias_gap.svg"]


@pytest.mark.parametrize("experiment", names())
def test_experiments_name_figures_that_exist(experiment):
    assert set(load(experiment).figures) <= set(figures.FIGURES)


def test_a_line_has_markers_where_they_can_be_told_apart_and_a_band_where_seeds_differ():
    axes = Figure().subplots(2)
    for axis, points, width in zip(axes, (style.MAX_MARKERS, style.MAX_MARKERS + 1), (0.1, 0.0), strict=True):
        middle = np.arange(points, dtype=float)
        line = pd.DataFrame({"low": middle - width, "middle": middle, "high": middle + width})
        style.band(axis, middle, line, "black")
    assert [(axis.lines[0].get_marker(), len(axis.collections)) for axis in axes] == [("o", 1), ("", 0)]


def test_labels_stand_at_their_lines_on_a_logarithmic_axis_and_apart():
    axis = Figure().subplots()
    axis.set(yscale="log", ylim=(1, 1e4))
    ends = {"low": (1.0, 10.0), "middle": (1.0, 100.0), "next": (1.0, 101.0)}
    style.labels(axis, ends, dict.fromkeys(ends, "black"), right=True)
    low, middle, above = (text.xyann[1] for text in axis.texts if isinstance(text, Annotation))
    assert low == pytest.approx(0.25)
    assert (middle + above) / 2 == pytest.approx(0.5, abs=0.01) and above - middle == pytest.approx(style.LABEL_GAP)


def test_a_leader_starts_at_the_end_of_a_line_or_beside_the_axes_and_has_no_color_of_a_line():
    axis = Figure().subplots()
    axis.set(xlim=(0, 1), ylim=(0, 1))
    ends = {"inside": (0.3, 0.5), "at the edge": (0.96, 0.4)}
    style.labels(axis, ends, dict.fromkeys(ends, "red"), right=True)
    inside, near = (text for text in axis.texts if isinstance(text, Annotation))
    assert inside.xy == pytest.approx((1, 0.5)) and near.xy == pytest.approx((0.96, 0.4))
    assert inside.arrow_patch is not None and inside.arrow_patch.get_edgecolor() == to_rgba(style.LEADER)
    assert inside.get_color() == "red"


def test_a_long_note_has_lines_that_can_be_read():
    figure, _ = style.grid(1)
    style.title(figure, "title", "many words " * 15)
    note = figure.texts[1]
    assert note.get_text().count("\n") == 1 and float(note.get_fontsize()) >= style.NOTE_SIZE


def test_a_long_title_of_a_panel_is_broken_into_lines():
    lines = style.wrapped("temporal order of 2 symbols, 20 steps, as pascanu 2013").splitlines()
    assert len(lines) == 2 and max(map(len, lines)) <= style.TITLE_WIDTH
