"""Damage each file of a run directory in each way; then train again, report and predict.

Every command answers in one line with exit code 2, or warns, or gives the numbers that it gave before.
"""

import functools
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from drills.commands import Ended, call, run, train_args
from drills.count import Count
from drills.kills import files, trained

WAYS = ("truncate", "empty", "flip", "delete", "swap")
OPTIONS = {
    "training__steps": 40,
    "training__checkpoint_seconds": 0,
    "training__eval_every": 10,
    "checkpoint__keep": "both",
    "checkpoint__mode": "max",  # the first evaluation is the best one, and not among the newest two
}
SMALL = 10
"""Cases of each command in a small drill; a full one has all."""


def drill(full: bool, rng: random.Random, place: Path) -> Iterator[Count]:
    """Damage copies of a finished run, of an interrupted one and of one that `predict` reads."""
    for command in ("train", "report", "predict"):
        path = place / f"{command}.json"
        ended = run(functools.partial(_damage_all, command, full, rng, place / command, path), place / command)
        if ended.code:
            yield Count(f"damage: {command}", faults=[f"{ended.code}: {ended.err[-2000:]}"])
            continue
        saved = json.loads(path.read_text())
        count = Count(f"damage: {command}", faults=saved["faults"])
        count.ends.update(saved["ends"])
        yield count


def _damage_all(command: str, full: bool, rng: random.Random, place: Path, path: Path) -> None:
    place.mkdir()
    whole, other = (_make(command, place / name, seed) for seed, name in enumerate(("whole", "other")))
    case = place / "case"  # always the same: some outputs name it
    ended, expected = _answer(command, Path(shutil.copytree(whole, case / whole.name)), case / "answer")
    if ended.code:
        raise RuntimeError(f"{command}: {ended}")
    names = [file.relative_to(whole) for file in sorted(whole.rglob("*")) if file.is_file()]
    cases = [(name, way) for name in names for way in WAYS]
    count = Count(command)
    for name, way in cases if full else rng.sample(cases, min(SMALL, len(cases))):
        shutil.rmtree(case)
        run_directory = Path(shutil.copytree(whole, case / whole.name))
        _damage(run_directory / name, other / name, way, rng)
        ended, results = _answer(command, run_directory, case / "answer")
        end, fault = _judge(ended, results, expected)
        count.add(end, fault and f"{name} {way}: {fault}")
    path.write_text(json.dumps({"ends": count.ends, "faults": count.faults}))


def _make(command: str, place: Path, seed: int) -> Path:
    """Return a new run directory."""
    if command == "predict":
        from tests.inference import runs  # JAX may start in a fork alone

        return runs.write(place / "attention" / "trial", seed=seed).path
    folder = place / "gradient_norms"
    ended = call(*train_args(place, seed=seed, **OPTIONS))
    if ended.code:
        raise RuntimeError(ended.err)
    (run_directory,) = (path.parent for path in folder.glob("*/config.json"))
    shutil.rmtree(run_directory / "wandb", ignore_errors=True)
    if command == "train":  # as if killed before the result
        (run_directory / "result.json").unlink()
    return run_directory


def _answer(command: str, run_directory: Path, output: Path) -> tuple[Ended, Any]:
    """Return how a command ended, and what it printed or wrote, without what a clock decides."""
    if command == "predict":
        ended = call("predict", str(run_directory), "ab", "dcba", "aabb")
        return ended, ended.out
    if command == "report":
        ended = call("report", str(run_directory), f"--output={output}")
        return ended, {**files(output), "out": ended.out.replace(str(output), "")}
    moved = Path(output.parent, "runs", "gradient_norms", run_directory.name)  # where its command finds it
    moved.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(run_directory, moved)
    ended = call(*train_args(output.parent / "runs", seed=0, **OPTIONS))
    return ended, trained(moved) if ended.code == 0 else None


def _damage(path: Path, other: Path, way: str, rng: random.Random) -> None:
    content = path.read_bytes()
    if way == "delete":
        path.unlink()
    elif way == "swap":
        path.write_bytes(other.read_bytes() if other.exists() else b"other")
    elif way == "flip" and content:
        place = rng.randrange(len(content))
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :])
    else:
        path.write_bytes(content[: len(content) // 2] if way == "truncate" else b"")


def _judge(ended: Ended, results: Any, expected: Any) -> tuple[str, str]:
    """Return how a command ended, and what it must not have done."""
    if ended.fault:
        return "", ended.fault
    if ended.code == 2:
        return "refused in one line", "" if ended.err.count("error:") == 1 else f"not one line: {ended.err}"
    if results == expected:
        return "same numbers, with a warning" if "warning" in ended.err else "same numbers", ""
    told = any(word in ended.err for word in ("warning", "left out", "note")) or " no result yet: " in ended.out
    return (
        "other numbers, with a warning",
        "" if told else f"other numbers without a word: {_difference(results, expected)}",
    )


def _difference(results: Any, expected: Any) -> str:
    text, other = (json.dumps(value, sort_keys=True, default=str) for value in (results, expected))
    place = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), 0)
    return f"...{text[max(place - 60, 0) : place + 40]} instead of {other[place : place + 40]}"
