"""Recordings joined to longer ones: what a model of few recordings can learn to find its way by.

A joined recording is two or three recordings, each as often as any other, and its text is theirs with spaces between.
They are drawn at random among those that do not make it too long. Of the silence that a recording begins and ends with,
a random share is cut off where it meets another.
"""

from collections.abc import Sequence

import numpy as np

from research.tasks.corpora.recordings import Recording

FEWEST, MOST = 2, 3
MOST_SECONDS = 5.0
"""Of all together, before silence is cut off, where there are any that fit; else the shortest makes a pair."""
WINDOW = 0.01
"""Seconds whose loudest sample tells silence from speech."""
SILENCE = 0.03
"""Share of the loudest sample of a recording below which it is silent."""


def joined(recordings: Sequence[Recording], count: int, seed: int = 0) -> list[Recording]:
    """So many joined recordings; all recordings are of one rate."""
    rng = np.random.default_rng(seed)
    sizes = np.array([len(one.sound) / one.rate for one in recordings])
    waiting: list[int] = []
    found = []
    while len(found) < count:
        most = int(rng.integers(FEWEST, MOST + 1))
        rows: list[int] = []
        while len(rows) < most:
            waiting = waiting or rng.permutation(len(recordings)).tolist()
            room = MOST_SECONDS - np.sum(sizes[rows]) if rows else np.inf
            fits = np.flatnonzero(sizes[waiting] <= room)
            if len(fits) == 0 and len(rows) >= FEWEST:
                break
            rows.append(waiting.pop(int(fits[-1] if len(fits) else np.argmin(sizes[waiting]))))
        found.append(_one([recordings[row] for row in rows], rng))
    return found


def _one(parts: Sequence[Recording], rng: np.random.Generator) -> Recording:
    sounds = []
    for place, part in enumerate(parts):
        begin, end = speech(part)
        cut = rng.random(2) * (begin, len(part.sound) - end) * (place > 0, place < len(parts) - 1)
        start, left_out = np.rint(cut).astype(int)
        sounds.append(part.sound[start : len(part.sound) - left_out])
    first = parts[0]
    return Recording(np.concatenate(sounds), first.rate, " ".join(part.text for part in parts), first.speaker)


def speech(recording: Recording) -> tuple[int, int]:
    """Where speech begins and where it ends, in samples; all of a recording that is silent counts as speech."""
    width = max(1, int(WINDOW * recording.rate))
    size = len(recording.sound)
    loudness = np.pad(np.abs(recording.sound.astype(int)), (0, -size % width)).reshape(-1, width).max(axis=1)
    loud = np.flatnonzero(loudness >= SILENCE * np.max(loudness))
    return int(loud[0]) * width, min((int(loud[-1]) + 1) * width, size)
