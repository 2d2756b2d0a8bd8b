"""Options of features and distortions: what they reject, and how."""

import pytest

from research.config import SpeechOptions, SpeechPromptsConfig
from research.errors import UserError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 100}, "^task.rate=100: must be between 4000 and 48000$"),
        ({"mels": 3}, "^task.mels=3: must be between 4 and 256$"),
        ({"mels": 128}, "^task.mels=128: must be fewer"),
        ({"hop_ms": 30.0}, "^task.hop_ms=30.0: must be at most task.frame_ms=25$"),
        ({"frame_ms": float("nan")}, "^task.frame_ms=nan: must be between 5 and 200$"),
        ({"highest_hz": 4001.0}, "^task.highest_hz=4001.0: must be 0, or at most 4000, half the rate$"),
        ({"highest_hz": 500.0, "lowest_hz": 500.0}, "^task.lowest_hz=500.0: must be at least 0, less than 500$"),
        ({"lowest_hz": -1.0}, "^task.lowest_hz=-1.0: "),
        ({"deltas": 3}, "^task.deltas=3: must be between 0 and 2$"),
        ({"stack": 0}, "^task.stack=0: must be between 1 and 16$"),
        ({"speed": 0.6}, "^task.speed=0.6: must be between 0 and 0.5$"),
        ({"speed": -0.1}, "^task.speed=-0.1: must be between 0 and 0.5$"),
        ({"noise": 2.0}, "^task.noise=2.0: must be between 0 and 1$"),
        (
            {"noise": 0.5, "noise_least_snr": 31.0},
            "^task.noise_least_snr=31.0: must be at most task.noise_most_snr=30$",
        ),
        ({"noise_least_snr": 0.0}, "^task.noise_least_snr=0.0: must be 5.0, as task.noise=0 does not read it$"),
        ({"time_mask_frames": 5}, "^task.time_mask_frames=5: must be 20, as task.time_masks=0 does not read it$"),
        ({"time_masks": 1, "time_mask_share": 0.0}, "^task.time_mask_share=0.0: must be between 0.01 and 1$"),
        ({"frequency_masks": 1, "frequency_mask_mels": 41}, "^task.frequency_mask_mels=41: must be between 1 and 40$"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(options, message):
    with pytest.raises(UserError, match=message):
        SpeechOptions(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"joined": -1}, "^task.joined=-1: must be between 0 and 100000$"),
        ({"synthesised": 10_001}, "^task.synthesised=10001: must be between 0 and 10000$"),
    ],
)
def test_a_wrong_number_of_added_prompts_is_named_with_what_is_allowed(options, message):
    with pytest.raises(UserError, match=message):
        SpeechPromptsConfig(**options)


def test_filters_are_evenly_spaced_on_the_mel_scale():
    edges = SpeechOptions(lowest_hz=20.0).edges_hz
    assert edges[0] == pytest.approx(20) and edges[-1] == pytest.approx(4000) and len(edges) == 42
    assert edges[20] == pytest.approx(1097.9, abs=0.1)  # 700 (exp(m / 1127) - 1) at m = 31.75 + 20 / 41 * 2114.3


def test_the_width_of_a_step_counts_filters_differences_and_frames():
    assert SpeechOptions(mels=10, deltas=2, stack=3).width == 90
