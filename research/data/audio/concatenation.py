"""Recordings concatenated to longer ones: more training examples for a model of few recordings.

A concatenated recording consists of two or three recordings. All recordings are used equally often, in random order,
unless one would make the result too long. Where two recordings meet, a random fraction of the silence at their ends is
cut off.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32

MIN_PARTS, MAX_PARTS = 2, 3
MAX_SECONDS = 5.0
"""Duration of all parts, before silence is cut off, where there are any that fit; else the shortest makes a pair."""
WINDOW = 0.01
"""Seconds whose loudest sample tells silence from speech."""
SILENCE = 0.03
"""Fraction of the loudest sample of a recording below which it is silent."""

Samples = Float32[np.ndarray, " _"]


def draw(durations: Sequence[float], count: int, seed: int = 0) -> list[tuple[list[int], Float[np.ndarray, "P 2"]]]:
    """Return the parts of `count` concatenated recordings.

    Args:
        durations: seconds of each recording; at least one.
        count: number of results.
        seed: tells results from others of the same recordings.

    Returns:
        For each result the numbers of its parts, and the fraction of the silence at both ends of each that is cut off.
    """
    rng = np.random.default_rng(seed)
    seconds = np.array(durations)
    waiting: list[int] = []
    results = []
    while len(results) < count:
        parts = int(rng.integers(MIN_PARTS, MAX_PARTS + 1))
        rows: list[int] = []
        while len(rows) < parts:
            waiting = waiting or rng.permutation(len(seconds)).tolist()
            room = MAX_SECONDS - np.sum(seconds[rows]) if rows else np.inf
            fits = np.flatnonzero(seconds[waiting] <= room)
            if len(fits) == 0 and len(rows) >= MIN_PARTS:
                break
            rows.append(waiting.pop(int(fits[-1] if len(fits) else np.argmin(seconds[waiting]))))
        cuts = rng.random((len(rows), 2))
        cuts[0, 0] = cuts[-1, 1] = 0
        results.append((rows, cuts))
    return results


def concatenate(parts: Sequence[Samples], cuts: Float[np.ndarray, "P 2"], rate: int) -> Samples:
    """Return recordings of a rate as one, without a fraction of the silence at both ends of each."""
    samples = []
    for part, fractions in zip(parts, cuts, strict=True):
        start, end = find_speech(part, rate)
        cut_start, cut_end = np.rint(fractions * (start, len(part) - end)).astype(int)
        samples.append(part[cut_start : len(part) - cut_end])
    return np.concatenate(samples)


def find_speech(samples: Samples, rate: int) -> tuple[int, int]:
    """Return where speech starts and ends, in samples; a recording that is silent counts as speech."""
    width, size = max(1, int(WINDOW * rate)), len(samples)
    loudness = np.pad(np.abs(samples), (0, -size % width)).reshape(-1, width).max(axis=1)
    loud = np.flatnonzero(loudness >= SILENCE * np.max(loudness))
    return int(loud[0]) * width, min((int(loud[-1]) + 1) * width, size)
