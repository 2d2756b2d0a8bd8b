"""Inputs that nobody meant, made by hypothesis: no traceback, and the exit code 0 or 2.

Configs and sweeps are read and checked, but nothing is trained.
"""

import functools
import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from drills.commands import TINY, call, run
from drills.count import Count
from research.config import Config
from research.data.audio.files import load_audio
from research.data.images.files import load_image
from research.errors import UserError
from research.options import flatten
from research.sweep import spec
from research.training import trainer

EXAMPLES = (20, 170)
"""Inputs of each of the six kinds: 1,020 in a full drill."""
KEYS = sorted({*flatten(Config()), *TINY, "experiment", "setting", "variant", "runs_dir", "lr", "task", ""})
NUMBERS = st.sampled_from(
    ["0", "-1", "1e400", "-1e-320", "nan", "inf", "9" * 400, str(2**63), "0x10", "1_0", "٣", "1e3"]
)
WORDS = st.one_of(
    NUMBERS, st.text(max_size=20), st.sampled_from(["gru", "adding", "true", "none", "x" * 5000, "\udcff", "\x1b[2J"])
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)
BYTES = st.binary(max_size=200)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4)), min_size=1, max_size=4)
"""Bytes to write over those at a place of a file, from 0 to 1."""


def drill(full: bool, rng: random.Random, place: Path) -> Iterator[Count]:
    """Try inputs of each kind, in a fork each."""
    for name, check in CHECKS.items():
        path = place / f"{name.replace(' ', '_')}.json"
        work = functools.partial(_try_all, check, EXAMPLES[full], rng.randrange(2**32), path)
        ended = run(work, path)
        count = Count(f"fuzz: {name}")
        saved = json.loads(path.read_text()) if path.exists() else {"ends": {}, "faults": [f"died: {ended.err[-500:]}"]}
        count.ends.update(saved["ends"])
        count.faults += saved["faults"]
        yield count


def _try_all(check: Callable[[Path], tuple[Any, Callable]], examples: int, number: int, path: Path) -> None:
    """Write the counts of one kind of inputs to a file."""
    place = path.with_suffix("")
    place.mkdir()
    strategy, answer = check(place)
    count = Count("")

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
    )
    @given(strategy)
    def attempt(value: Any) -> None:
        end, fault = answer(value)
        count.add(end, fault and f"{str(value)[:300]!r}: {fault}")

    attempt()
    path.write_text(json.dumps({"ends": count.ends, "faults": count.faults[:20]}))


def _command(*words: str) -> tuple[str, str]:
    ended = call(*words)
    fault = ended.fault
    if not fault and ended.code == 2 and (ended.err.count("error:") != 1 or len(ended.err) > 3000):
        fault = f"not one short line: {ended.err[:500]}"
    return ("refused" if ended.code and "is right" not in ended.err else "taken"), fault


def _nothing_is_trained() -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise UserError("is right")

    trainer.train_trials = refuse  # pyright: ignore[reportAttributeAccessIssue]


def _flags(place: Path) -> tuple[Any, Callable]:
    _nothing_is_trained()
    flag = st.tuples(st.sampled_from(KEYS) | st.text(max_size=8), WORDS).map(lambda pair: f"--{pair[0]}={pair[1]}")
    words = st.lists(flag | st.text(max_size=10), max_size=4)
    return words, lambda words: _command("train", "gradient_norms", f"--runs-dir={place}", *words)


def _sweeps(place: Path) -> tuple[Any, Callable]:
    _nothing_is_trained()
    file = place / "some.yaml"
    entry = st.one_of(
        st.fixed_dictionaries({"values": st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True)}),
        st.fixed_dictionaries({}, optional=dict.fromkeys(("value", "values", "min", "max", "distribution"), JSON)),
        st.fixed_dictionaries({"values": st.lists(st.integers(0, 9) | WORDS | st.floats(), max_size=2)}),
        JSON,
    )
    keys = st.sampled_from([*KEYS, *["seed", "init.gain", "training.steps"] * 30])
    content = st.fixed_dictionaries(
        {
            "method": st.sampled_from(["grid", "grid", "random", 3]),
            "program": st.sampled_from(["experiments/gradient_norms.py"] * 9) | WORDS,
            "parameters": st.dictionaries(keys, entry, min_size=1, max_size=2),
        },
        optional={
            "run_cap": st.integers(0, 3),
            **dict.fromkeys(("name", "project", "description"), JSON),
        },
    )

    def answer(value: Any) -> tuple[str, str]:
        text = (
            value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")
        )
        file.write_bytes(text)
        spec.describe(file)
        return _command("sweep", str(file), f"--runs-dir={place}", "--limit=3")

    return content | BYTES, answer


def _runs(place: Path) -> tuple[Any, Callable]:
    from tests.inference import runs  # starts JAX

    run_directory = runs.write(place / "attention" / "trial")
    names = (
        "config.json",
        "result.json",
        "metrics.jsonl",
        "processor.json",
        "test_examples.json",
        "gradient_flow.jsonl",
    )
    originals = {
        name: (run_directory.path / name).read_bytes() for name in names if (run_directory.path / name).exists()
    }

    def answer(case: tuple[str, Any]) -> tuple[str, str]:
        for name in names:
            (run_directory.path / name).unlink(missing_ok=True)
            if name in originals:
                (run_directory.path / name).write_bytes(originals[name])
        name, change = case
        path = run_directory.path / name
        known = json.loads(originals[name]) if name in originals and name.endswith(".json") else {"step": 1}
        path.write_bytes(
            _changed(known, change) if not isinstance(change, list) else _edited(originals.get(name, b"{}"), change)
        )
        for words in (
            ["report", str(place), f"--output={place / 'report'}"],
            ["predict", str(run_directory.path), "abc"],
        ):
            end, fault = _command(*words)
            if fault:
                return end, f"{words[0]}: {fault}"
        return end, ""

    changes = st.tuples(
        st.sampled_from([*KEYS, "status", "summary", "schema", "step", "spec", "processor"]), JSON | WORDS
    )
    return st.tuples(st.sampled_from(names), changes | BYTES | EDITS), answer


def _changed(known: dict[str, Any], change: Any) -> bytes:
    """Return a JSON object with one key changed, or other bytes."""
    return change if isinstance(change, bytes) else json.dumps({**known, change[0]: change[1]}).encode()


def _edited(content: bytes, edits: list[tuple[float, bytes]]) -> bytes:
    for place, new in edits:
        start = int(place * len(content))
        content = content[:start] + new + content[start + len(new) :]
    return content


def _loader(originals: list[bytes], suffix: str, load: Callable[[Path], Any], place: Path) -> tuple[Any, Callable]:
    """Return damaged files, and what their loader makes of them."""

    def answer(content: bytes) -> tuple[str, str]:
        path = place / f"some{suffix}"
        path.write_bytes(content)
        try:
            load(path)
        except UserError as error:
            return "refused", "" if "\n" not in str(error) else f"not one line: {error}"
        except Exception as error:
            return "", f"{type(error).__name__}: {error}"
        return "taken", ""

    damaged = st.builds(_edited, st.sampled_from(originals), EDITS)
    cut = st.builds(
        lambda content, part: content[: int(part * len(content))], st.sampled_from(originals), st.floats(0, 1)
    )
    return damaged | cut | BYTES, answer


def _audio(place: Path) -> tuple[Any, Callable]:
    sound = np.sin(np.arange(4000) / 5).astype(np.float32)
    originals = []
    for kind in ("WAV", "FLAC", "OGG", "AIFF"):
        file = io.BytesIO()
        soundfile.write(file, sound, 8000, format=kind)
        originals.append(file.getvalue())
    return _loader(originals, ".wav", lambda path: load_audio(path, 16000), place)


def _images(place: Path) -> tuple[Any, Callable]:
    picture = Image.fromarray(np.arange(48 * 32, dtype=np.uint8).reshape(32, 48))
    originals = []
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        file = io.BytesIO()
        picture.save(file, kind)
        originals.append(file.getvalue())
    return _loader(originals, ".png", load_image, place)


def _arrays(place: Path) -> tuple[Any, Callable]:
    from research.batch import TaskSpec
    from research.inference.arrays import read_array

    features = TaskSpec("features", 2, 6, "value", 1, 1)
    originals = []
    for save in (np.save, np.savez):
        file = io.BytesIO()
        save(file, np.zeros((5, 2), np.float32))
        originals.append(file.getvalue())
    originals.append(b"[[1, 2], [3, 4.5]]")
    return _loader(originals, ".npy", lambda path: read_array(str(path), features), place)


CHECKS = {
    "config flags": _flags,
    "sweep files": _sweeps,
    "run directories": _runs,
    "audio": _audio,
    "images": _images,
    "data files": _arrays,
}
