"""Kill commands at random moments; afterwards the same command completes, with the results of an undisturbed one.

SIGTERM, SIGHUP and SIGINT end with their exit codes, SIGUSR1 does not end a command, and SIGKILL ends it anywhere.
"""

import functools
import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from drills.commands import TINY, Process, run, train_args
from drills.count import Count
from research.data.corpora.corpus import Examples, PackageCorpus

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
CLOCK = ("train/seconds", "train/steps_per_second")
"""Metrics that a clock decides."""
KILLS = {"training": (3, 100), "saving": (3, 100), "sweep": (2, 100), "report": (2, 50), "preparing data": (2, 50)}
"""Kills in a small and in a full drill."""
STEPS = 400
STOPS_EARLY = {
    "training__eval_every": 30,
    "training__early_stopping_patience": 5,
    "checkpoint__keep": "both",
    "checkpoint__mode": "max",  # the first evaluation is the best one
}


@dataclass(frozen=True)
class Case:
    """A command that is killed."""

    work: Callable[[Path], Sequence[str] | Callable[[], Any]]
    """The command, or a function, that writes into a folder."""
    results: Callable[[Path], Any]
    """What it has written there, without what a clock decides."""


def drill(full: bool, rng: random.Random, place: Path) -> Iterator[Count]:
    """Kill each kind of work."""
    runs = place / "reported"
    for seed in (0, 1):
        run(train_args(runs, training__steps=40, seed=seed), place / "reported")
    cases = {
        "training": Case(lambda folder: train_args(folder, training__steps=5000), trained),
        "saving": Case(
            lambda folder: train_args(folder, training__steps=STEPS, training__checkpoint_seconds=0, **STOPS_EARLY),
            trained,
        ),
        "sweep": Case(lambda folder: ["sweep", str(sweep_file(place)), f"--runs-dir={folder}"], trained),
        "report": Case(lambda folder: ["report", str(runs), f"--output={folder}"], files),
        "preparing data": Case(lambda folder: functools.partial(prepare, folder), files),
    }
    for name, case in cases.items():
        yield kill(name, case, KILLS[name][full], rng, place / name.replace(" ", "_"))


def kill(name: str, case: Case, kills: int, rng: random.Random, place: Path) -> Count:
    """Kill a command, with all signals alternately."""
    count = Count(f"kills: {name}")
    place.mkdir()
    run(case.work(place / "compiled"), place / "compiled")  # later ones find the programs in the cache
    whole = run(case.work(place / "whole"), place / "whole")
    if whole.code:
        count.add("", f"undisturbed: {whole.code} {whole.err[-300:]}")
        return count
    expected = case.results(place / "whole")
    first = rng.randrange(len(SIGNALS))
    for number in range(kills):
        sent = SIGNALS[(first + number) % len(SIGNALS)]
        folder = place / str(number)
        process = Process(case.work(folder), folder)
        moment = rng.uniform(0.01, whole.seconds)
        time.sleep(moment)
        process.kill(sent)
        killed = process.wait()
        again = killed if killed.code == 0 else run(case.work(folder), folder)
        fault = killed.fault if killed.code != -sent else ""
        if not fault and again.code:
            fault = f"resumed: {again.code} {again.err[-300:]}"
        if not fault and case.results(folder) != expected:
            fault = "other results than undisturbed"
        done = "undisturbed to its end" if killed.code == 0 else "killed, and completed alike"
        count.add(done, fault and f"{sent.name} after {moment:.2f} of {whole.seconds:.2f} s: {fault}")
    return count


def trained(folder: Path) -> dict[str, Any]:
    """Return what the run directories in a folder record."""
    results: dict[str, Any] = {}
    for path in sorted(folder.rglob("config.json")):
        run_directory = path.parent
        result = json.loads((run_directory / "result.json").read_text())
        results[run_directory.name] = {
            "summary": {key: value for key, value in result["summary"].items() if key not in CLOCK},
            "steps": (result["status"], result["steps"]),
            **{name: records(run_directory / f"{name}.jsonl") for name in ("metrics", "gradient_flow")},
        }
    return results


def records(path: Path) -> list[Mapping[str, Any]]:
    """Return the records of a file."""
    lines = map(json.loads, path.read_text().splitlines())
    return [{key: value for key, value in line.items() if key not in CLOCK} for line in lines]


def files(folder: Path) -> dict[str, str]:
    """Return digests of tables and data in a folder; a figure in a PDF has a date in it."""
    paths = (
        path
        for path in folder.rglob("*")
        if path.suffix in (".csv", ".md", ".tex", ".png", ".json") or "-of-" in path.name
    )
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def sweep_file(place: Path) -> Path:
    """Write a sweep of four trials in two packs."""
    values = {**TINY, "training.steps": 600, "training.checkpoint_seconds": 0.1}
    lines = [f"  {key}: {{value: {value}}}" for key, value in values.items() if key != "cell.name"]
    lines += ["  cell.name: {values: [rnn, gru]}", "  seed: {values: [0, 1]}"]
    path = place / "some.yaml"
    path.write_text("\n".join(["method: grid", "program: experiments/gradient_norms.py", "parameters:", *lines]))
    return path


class Squares(PackageCorpus):
    """Squares, which take their time."""

    FEATURES: ClassVar = {"square": (np.int32, ())}

    def examples(self) -> Examples:
        for index in range(200):
            time.sleep(0.002)
            yield "train", str(index), {"square": index**2}


def prepare(folder: Path) -> None:
    """Prepare a corpus in a folder."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL if number != signal.SIGUSR1 else signal.SIG_IGN)
    os.environ["TFDS_DATA_DIR"] = str(folder)
    Squares(name="squares", summary="Squares.", license="", megabytes=0, source="", citation="").prepare()
