"""Small sources of data in files, one for each kind of input and target, and the options that read them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from research.data.fields import INPUTS, TARGETS
from research.tasks.dataset import Dataset

LETTERS = "abcdef"
RATE = 8000


def word(number: int) -> str:
    """Return a word of 2 to 6 letters that no other number below 10,000 has."""
    digits = f"{number:04}"
    return "".join(LETTERS[int(digit) % 6] for digit in digits) + "abcdef"[: number % 3]


def pairs(folder: Path) -> Mapping[str, Any]:
    lines = ["lemma\ttags\tinflected\tother"]
    for number in range(300):
        form = word(number) + ("ed" if number % 2 else "s")
        lines.append(
            f"{word(number)}\t{'V;PST' if number % 2 else 'V;3;SG'}\t{form}\t{'a' + form if number % 5 else ''}"
        )
    (folder / "pairs.tsv").write_text("\n".join(lines))
    source = {"name": "text", "column": "lemma", "tags_column": "tags"}
    return {"source": "pairs.tsv", "input": source, "target": {"name": "text", "column": "inflected,other"}}


def audio(folder: Path) -> Mapping[str, Any]:
    (folder / "wavs").mkdir()
    lines = []
    for number in range(40):
        seconds = np.arange(RATE * (30 + number) // 100) / RATE
        tone = 0.3 * np.sin(2 * np.pi * (300, 600, 1200)[number % 3] * seconds)
        soundfile.write(folder / "wavs" / f"c{number:03}.wav", tone.astype(np.float32), RATE)
        lines.append(f"c{number:03}|{('low', 'mid', 'high')[number % 3]} {number % 2}")
    (folder / "metadata.csv").write_text("\n".join(lines))
    source = {"name": "audio", "folder": "wavs", "suffix": ".wav", "num_mels": 8, "stack": 2, "time_masks": 1}
    options = {"delimiter": "|", "quoting": "none", "header": False, "metrics": "wer"}
    return {"source": "metadata.csv", "input": source, "target": {"name": "text", "tokenizer": "words"}, **options}


def images(folder: Path) -> Mapping[str, Any]:
    for number in range(60):
        color = ("red", "green")[number % 2]
        (folder / "shapes" / color).mkdir(parents=True, exist_ok=True)
        pixels = np.full((20, 24, 3), 255, np.uint8)
        pixels[5:15, 5:15, 1 - number % 2 :: 2] = 0
        Image.fromarray(pixels).save(folder / "shapes" / color / f"{number}.png")
    source = {"name": "image", "size": 8, "patch": 4, "mirror": True, "shift": 1.0}
    return {"source": "shapes", "input": source, "target": {"name": "label"}}


def series(folder: Path) -> Mapping[str, Any]:
    rng = np.random.default_rng(0)
    lines = ["id,t,x,y,class"]
    for number in range(120):
        for step in rng.permutation(4 + number % 5):
            lines.append(f"{number},{step},{np.sin(step * (1 + number % 3)):.4f},{number % 7},{'abc'[number % 3]}")
    (folder / "series.csv").write_text("\n".join(lines))
    source = {"name": "series", "column": "x,y", "id": "id", "time": "t"}
    return {"source": "series.csv", "input": source, "target": {"name": "label", "column": "class"}}


def numbers(folder: Path) -> Mapping[str, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6, 2))
    np.savez(folder / "sums.npz", x=x, lengths=rng.integers(3, 7, 200), y=100 * x[:, 0, :1] + 50)
    return {"source": "sums.npz", "input": {"name": "series"}, "target": {"name": "number"}}


def labels(folder: Path) -> Mapping[str, Any]:
    rows = [
        {"text": " ".join(word(number)), "labels": ["V" if letter in "ae" else "C" for letter in word(number)]}
        for number in range(200)
    ]
    (folder / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return {"source": "labels.jsonl", "input": {"name": "text", "tokenizer": "words"}, "target": {"name": "labels"}}


SOURCES = {"pairs": pairs, "audio": audio, "images": images, "series": series, "numbers": numbers, "labels": labels}


def create(kind: str, folder: Path, **options: Any) -> Dataset:
    """Return the task of a source that is written to a folder; other options replace its own."""
    return read({**SOURCES[kind](folder), **options}, folder)


def read(options: Mapping[str, Any], folder: Path) -> Dataset:
    """Return the task with these options, whose source is in a folder."""
    fields = {key: {"input": INPUTS, "target": TARGETS}[key][options[key]["name"]] for key in ("input", "target")}
    made: dict[str, Any] = {key: kind(**options[key]) for key, kind in fields.items()}
    return Dataset(**{**options, **made, "source": str(folder / options["source"])})


TSV = "word\tsays\n" + "".join(f"w{number}\ts{number % 3}\n" for number in range(60))


def written(tmp_path: Path, text: str, **options: Any) -> Dataset:
    """Write a.tsv and return the task that reads it."""
    (tmp_path / "a.tsv").write_text(text)
    return Dataset(source=str(tmp_path / "a.tsv"), **options)
