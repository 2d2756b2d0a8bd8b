"""Recordings concatenated to longer ones: more training examples for a model of few recordings.

A concatenated recording consists of two or three recordings; its text is their texts, separated by spaces. All
recordings are used equally often, in random order, unless one would make the result too long. Where two recordings
meet, a random fraction of the silence at their ends is cut off.
"""

from collections.abc import Sequence

import numpy as np

from research.data.corpora.recordings import Recording

MIN_PARTS, MAX_PARTS = 2, 3
MAX_SECONDS = 5.0
"""Duration of all parts, before silence is cut off, where there are any that fit; else the shortest makes a pair."""
WINDOW = 0.01
"""Seconds whose loudest sample tells silence from speech."""
SILENCE = 0.03
"""Fraction of the loudest sample of a recording below which it is silent."""


def concatenate(recordings: Sequence[Recording], count: int, seed: int = 0) -> list[Recording]:
    """Return `count` concatenated recordings; all recordings have the same sample rate."""
    rng = np.random.default_rng(seed)
    seconds = np.array([len(recording.samples) / recording.sample_rate for recording in recordings])
    waiting: list[int] = []
    results = []
    while len(results) < count:
        parts = int(rng.integers(MIN_PARTS, MAX_PARTS + 1))
        rows: list[int] = []
        while len(rows) < parts:
            waiting = waiting or rng.permutation(len(recordings)).tolist()
            room = MAX_SECONDS - np.sum(seconds[rows]) if rows else np.inf
            fits = np.flatnonzero(seconds[waiting] <= room)
            if len(fits) == 0 and len(rows) >= MIN_PARTS:
                break
            rows.append(waiting.pop(int(fits[-1] if len(fits) else np.argmin(seconds[waiting]))))
        results.append(_concatenate([recordings[row] for row in rows], rng))
    return results


def _concatenate(parts: Sequence[Recording], rng: np.random.Generator) -> Recording:
    samples = []
    for place, part in enumerate(parts):
        start, end = find_speech(part)
        cut = rng.random(2) * (start, len(part.samples) - end) * (place > 0, place < len(parts) - 1)
        cut_start, cut_end = np.rint(cut).astype(int)
        samples.append(part.samples[cut_start : len(part.samples) - cut_end])
    first = parts[0]
    return Recording(np.concatenate(samples), first.sample_rate, " ".join(part.text for part in parts), first.speaker)


def find_speech(recording: Recording) -> tuple[int, int]:
    """Return where speech starts and ends, in samples; a recording that is silent counts as speech."""
    width = max(1, int(WINDOW * recording.sample_rate))
    size = len(recording.samples)
    loudness = np.pad(np.abs(recording.samples.astype(int)), (0, -size % width)).reshape(-1, width).max(axis=1)
    loud = np.flatnonzero(loudness >= SILENCE * np.max(loudness))
    return int(loud[0]) * width, min((int(loud[-1]) + 1) * width, size)
