"""What charts of the gradient profile show."""

import math

import numpy as np

from research.tracking.charts import COLORS, Profiles, heatmap, heatmap_rows, image, lines


def test_heat_maps_of_all_runs_have_the_same_colors_and_count_what_is_beyond_them() -> None:
    rows = [*({"step": step, "h": np.geomspace(1e-8, 1, 50)} for step in range(19)), {"step": 19, "h": [1e21] * 50}]
    titles = []
    for records in (rows, rows[:-1]):
        figure = heatmap(Profiles(records, "h"))
        (trace,) = figure.data
        assert (trace.zmin, trace.zmax) == (-10, 4)
        assert trace.colorbar.title.text == "log10 ‖∂L/∂h_t‖"
        titles.append(figure.layout.title.text)
    assert "50 of 1000 outside the color scale" in titles[0] and titles[1] == "log10 ‖∂L/∂h_t‖ of h"
    assert np.max(heatmap(Profiles(rows, "h")).data[0].z) == 21  # what the pointer shows


def test_an_image_has_the_colors_of_the_heat_map_with_the_first_training_step_at_the_bottom() -> None:
    low, high = COLORS
    records = [{"step": 0, "h": [10.0**low, 1.0]}, {"step": 5, "h": [10.0**high, 10.0 ** (high + 3)]}]
    pixels, caption = image(Profiles(records, "h"))
    dark, bright = (68, 1, 84), (253, 231, 37)  # the ends of Viridis
    assert pixels.dtype == np.uint8 and pixels.shape == (240, 768, 3)
    assert [tuple(pixels[row, column]) for row, column in ((-1, 0), (0, 0), (0, -1))] == [dark, bright, bright]
    assert "training steps 0 (bottom) to 5" in caption and "t from 0 to 1" in caption


def test_a_step_that_no_sequence_has_is_no_overflow() -> None:
    missing = [{"step": 0, "h": [np.nan, np.nan, 1.0, 1.0]}, {"step": 1, "h": [1.0] * 4}]
    times, decades, _, title = lines(Profiles(missing, "h"))
    assert "overflow" not in title and np.isnan(decades[0][:2]).all() and decades[0][2:] == [0, 0]
    assert tuple(image(Profiles(missing, "h"))[0][-1, 0]) == (255, 255, 255) and len(times) == 4
    (trace,) = heatmap(Profiles(missing, "h")).data
    assert np.array(trace.z).tolist() == [[None, None, 0, 0], [0, 0, 0, 0]]  # JSON has no NaN


def test_underflow_and_overflow_have_colors_of_their_own_and_are_counted() -> None:
    profiles = Profiles([{"step": 0, "h": [0.0, 1e-40, 1e-10, 1e4, 1e30, np.inf]}], "h")
    figure = heatmap(profiles)
    assert "2 of 6 underflow; 1 of 6 overflow" in figure.layout.title.text
    shown = {trace.name: [value is not None for value in trace.z[0]] for trace in figure.data}
    none, some = [False] * 6, [True] * 6
    assert shown == {
        None: [*none[:2], *some[:3], False],
        "underflow": [*some[:2], *none[:4]],
        "overflow": [*none[:5], True],
    }
    pixels, _ = image(profiles)
    gray, red, (dark, bright) = (189, 189, 189), (232, 17, 45), ((68, 1, 84), (253, 231, 37))
    columns = [tuple(pixels[0, 128 * t + 64]) for t in range(6)]
    assert columns == [gray, gray, dark, bright, bright, red]
    assert lines(profiles)[1] == [[-37.93, -37.93, -10, 4, 30, 38.53]]


def test_charts_are_drawn_whenever_the_records_have_doubled() -> None:
    records = [{"step": step, "h": [1.0]} for step in range(5000)]
    drawn = [count for count in range(1, 5001) if Profiles(records[:count], "h").drawn]
    assert drawn == [2**power for power in range(13)]
    assert not Profiles(records[:2], "c").drawn and not Profiles([], "h").drawn


def test_the_heat_map_has_few_rows_from_the_first_to_the_last_record() -> None:
    records = [{"step": 10 * n, "h": [float(n), math.inf, 0.0]} for n in range(101)]
    steps, rows = heatmap_rows(records, "h", most=11)
    assert steps == list(range(0, 1001, 100))
    np.testing.assert_array_equal(rows, [[step / 10, math.inf, 0] for step in steps])
    assert heatmap_rows(records[:3], "h", most=11)[0] == [0, 10, 20]


def test_the_heat_map_of_a_part_that_no_record_has_is_empty() -> None:
    steps, rows = heatmap_rows([{"step": 0, "h": [1.0]}], "c")
    assert (steps, rows.shape) == ([], (0, 0))
