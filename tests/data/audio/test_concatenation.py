"""Concatenated recordings are recordings in a row, but for silence at the seams."""

from collections import Counter

import numpy as np
import pytest

from research.data.audio import concatenation
from research.data.audio.concatenation import MAX_PARTS, MAX_SECONDS, MIN_PARTS, find_speech
from research.data.corpora.recordings import Recording
from tests.data.recordings import RATE, spoken

TEXTS = ("a", "bc", "def", "ghij", "klmno", "pqrstu", "v", "wx")
CLIPS = [spoken(text, "b", draw=draw) for draw, text in enumerate(TEXTS)]


def floats(recording: Recording) -> np.ndarray:
    return recording.samples.astype(np.float32)


def concatenate(clips: list[Recording], count: int, seed: int = 0) -> list[Recording]:
    """Concatenated recordings of those drawn, with their texts separated by spaces."""
    results = []
    for rows, cuts in concatenation.draw([len(one.samples) / one.sample_rate for one in clips], count, seed):
        parts = [clips[row] for row in rows]
        sound = concatenation.concatenate([*map(floats, parts)], cuts, RATE).astype(np.int16)
        results.append(Recording(sound, RATE, " ".join(part.text for part in parts), parts[0].speaker))
    return results


def clip(text: str) -> Recording:
    return next(one for one in CLIPS if one.text == text)


def test_a_text_is_the_texts_of_two_or_three_recordings_and_the_sound_has_their_speech_in_that_order():
    found = concatenate(CLIPS, 60)
    assert {len(one.text.split()) for one in found} == set(range(MIN_PARTS, MAX_PARTS + 1))
    for one in found:
        place = 0
        for part in map(clip, one.text.split()):
            begin, end = find_speech(floats(part), RATE)
            own = part.samples[begin:end]
            starts = np.flatnonzero(one.samples[place:] == own[0]) + place
            place = next(at for at in starts if np.array_equal(one.samples[at : at + len(own)], own)) + len(own)


def test_outer_silence_stays_and_a_random_share_of_the_inner_is_cut_off():
    shares = []
    for one in concatenate(CLIPS, 60):
        parts = [clip(text) for text in one.text.split()]
        whole = np.concatenate([part.samples for part in parts])
        np.testing.assert_array_equal(one.samples[: RATE // 10], whole[: RATE // 10])
        np.testing.assert_array_equal(one.samples[-RATE // 10 :], whole[-RATE // 10 :])
        shares.append((len(whole) - len(one.samples)) / (0.2 * RATE * (len(parts) - 1)))  # a tenth at either side
    assert 0 <= np.min(shares) < 0.25 and 0.75 < np.max(shares) <= 1
    assert np.mean(shares) == pytest.approx(0.5, abs=0.1)


def test_every_recording_is_in_as_many_as_any_other():
    counts = Counter(text for one in concatenate(CLIPS, 100) for text in one.text.split())
    assert max(counts.values()) - min(counts.values()) <= 1


def test_no_more_than_two_make_a_long_one_and_a_short_one_is_put_to_a_long_one():
    long = [spoken("abcdefghijklmnopqrstuvwxyzabcd", "b", draw=draw) for draw in range(4)]
    short = [spoken("e", "b", draw=draw) for draw in range(4)]
    assert MAX_SECONDS / 2 < len(long[0].samples) / RATE < MAX_SECONDS - len(short[0].samples) / RATE
    assert {len(one.text.split()) for one in concatenate(long, 10)} == {2}
    found = concatenate(long + short, 40)
    both = [one for one in found if long[0].text in one.text and "e" in one.text.split()]
    assert len(both) > 20
    assert all(len(one.samples) / RATE <= MAX_SECONDS for one in both)


def test_where_none_fits_the_shortest_makes_a_pair():
    lengths = (27, 28, 29)
    long = [spoken("abcdefghijklmnopqrstuvwxyzabc"[:size], "b") for size in lengths]
    for seed in range(10):
        first, second = map(len, concatenate(long, 1, seed)[0].text.split())
        assert second == min(set(lengths) - {first})


def test_the_same_seed_joins_the_same_and_another_seed_joins_otherwise():
    first, again, other = concatenate(CLIPS, 20), concatenate(CLIPS, 20), concatenate(CLIPS, 20, seed=1)
    for one, same in zip(first, again, strict=True):
        assert one.text == same.text
        np.testing.assert_array_equal(one.samples, same.samples)
    assert [one.text for one in first] != [one.text for one in other]
    np.testing.assert_array_equal(concatenate(CLIPS, 5)[4].samples, first[4].samples)


def test_speech_is_what_is_not_much_quieter_than_the_loudest_and_silence_has_none_to_cut_off():
    sound = np.array([3] * 800 + [10_000, -10_000] * 400 + [200] * 800, np.float32)
    assert find_speech(sound, RATE) == (800, 1600)
    assert find_speech(np.zeros(805, np.float32), RATE) == (0, 805)
