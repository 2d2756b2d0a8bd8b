"""Examples with the predictions of several runs, their attention and their recordings, as JSON."""
# pandas has no types of its own that a checker follows
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

import base64
import io
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from research.errors import escape
from research.reporting.interactive.thinning import number, spread

if TYPE_CHECKING:
    from research.reporting.figures.alignment import Alignment

MAX_AUDIO = 2**21
"""Bytes of all recordings together, before they are encoded as text."""
MAX_PICTURE = 300
"""Steps of a spectrogram or an image under an alignment."""


@dataclass(frozen=True)
class Example:
    """An example of a split, and what a run predicts for it."""

    line: Mapping[str, str]
    """Texts by their names: `example`, `input`, `reference`, `prediction`, and how far these are apart."""
    alignment: "Alignment | None" = None
    recording: tuple[np.ndarray, int] | None = None
    """Samples, of 16 bits or from -1 to 1, and the sample rate of an input that is audio."""


def cards(
    sections: Sequence[pd.DataFrame], variants: Mapping[str, int], examples: Mapping[Path, Sequence[Example]]
) -> list[list[dict[str, Any]]]:
    """Return the examples of each section, each with the predictions of its variants."""
    left, shown = MAX_AUDIO, []
    for section in sections:
        by_example: dict[tuple[str, ...], dict[str, Any]] = {}
        for run, row in zip(section["run"], section["row"], strict=True):
            for example in examples.get(run.path, ()):
                line = {key: escape(text) for key, text in example.line.items()}
                known = {key: line.pop(key) for key in ("example", "input", "reference") if key in line}
                card = by_example.setdefault(tuple(known.values()), {**known, "predictions": []})
                if example.recording and "audio" not in card:
                    audio = _wav(*example.recording)
                    if len(audio) <= left:
                        left -= len(audio)
                        card["audio"] = base64.b64encode(audio).decode()
                prediction = {"variant": variants[str(row)], "run": escape(run.path.name), "line": line}
                card["predictions"].append(prediction | _aligned(example.alignment))
        shown.append(list(by_example.values()))
    return shown


def _aligned(alignment: "Alignment | None") -> dict[str, Any]:
    if alignment is None:
        return {}
    content: dict[str, Any] = {
        "weights": [[number(x, 3) for x in row] for row in alignment.weights],
        "predicted": list(map(escape, alignment.predicted)),
        "edges": [number(x) for x in alignment.edges],
        "name": escape(alignment.name),
    }
    if alignment.labels:
        content["labels"] = list(map(escape, alignment.labels))
    if alignment.picture is not None:
        picture = alignment.picture[:, spread(alignment.picture.shape[1], MAX_PICTURE)]
        content |= {"picture": [[number(x, 2) for x in row] for row in picture], "kind": alignment.kind}
    return {"alignment": content}


def _wav(samples: np.ndarray, rate: int) -> bytes:
    """Return the bytes of a file of one channel."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        loud = samples if samples.dtype.kind == "i" else np.clip(samples, -1, 1) * (2**15 - 1)
        sound.writeframes(np.asarray(loud, "<i2").tobytes())
    return file.getvalue()
