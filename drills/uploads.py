"""A server of W&B that fails, and commands that are killed: in the end W&B has each row of metrics.jsonl once.

The server is on loopback. It answers with an error, late or never, from the start or midway through training. The
command completes nevertheless; when the server is back, the same command sends what it lacks.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wandb.util import get_core_path

from drills.commands import Process, run, train_args
from drills.count import Count
from drills.kills import CLOCK
from drills.wandb_server import Server
from research.tracking import wandb_session as session
from research.tracking.strict_json import decode

KILLS = (2, 20)
STEPS = 3000
CHARTS = (
    "gradient/time_profile_table",
    "gradient/heatmap",
    "gradient/first_profile",
    "gradient/latest_profile",
    "gradient/profiles",
)
MEDIA = ("validation/samples", "validation/alignments", "validation/audio")
FAULTS: dict[str, tuple[int, float]] = {
    "server killed": (0, 0.0),
    "500": (500, 0.0),
    "429": (429, 0.0),
    "401": (401, 0.0),
    "5 s an answer": (200, 5.0),
    "no answer": (200, 600.0),
}
"""Status and seconds of every answer (see `Server.fail`)."""
COMPLETE = "with all rows, summary, charts and status"
PATIENCE = {
    "WANDB_INIT_TIMEOUT": "6",
    "WANDB_FINISH_TIMEOUT": "6",
    "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
}
"""Short waits, and uploads every second instead of every 15."""
LOGIN = {"WANDB_API_KEY": "0" * 40, "WANDB_MODE": "online"}


def drill(full: bool, rng: random.Random, place: Path) -> Iterator[Count]:
    """Kill commands offline and online, and let the server fail."""
    session.ANSWER_SECONDS = 6.0
    run(command(place / "compiled"), place / "compiled")
    whole = run(command(place / "whole"), place / "whole")
    for name, killed in {"killed offline": offline, "killed online": online}.items():
        count = Count(f"uploads: {name}")
        for number in range(KILLS[full]):
            sent = (signal.SIGKILL, signal.SIGTERM)[number % 2]
            folder = place / f"{name.split()[1]}_{number}"
            moment = rng.uniform(0.0, 0.3) * whole.seconds
            fault = killed(folder, sent, moment)
            count.add(COMPLETE, fault and f"{sent.name} {moment:.2f} s after the first rows: {fault}")
        yield count
    for name, (status, seconds) in FAULTS.items():
        count = Count(f"uploads: {name}")
        for midway in (False, True)[not full :]:
            folder = place / f"{name.replace(' ', '_')}_{midway}"
            fault = failing(folder, status, seconds, midway)
            count.add(COMPLETE, fault and f"{'midway' if midway else 'from the start'}: {fault}")
        yield count


def command(folder: Path) -> Sequence[str]:
    """Return a command that saves often; W&B's mode is that of the environment."""
    return train_args(folder, training__steps=STEPS, training__checkpoint_seconds=0.3, wandb__mode="auto")


def offline(folder: Path, sent: int, moment: float) -> str:
    """Kill an offline run, resume it, and return what is wrong with its folder."""
    with environment(WANDB_MODE="offline"):
        kill(folder, sent, moment, lambda: any(folder.rglob("metrics.jsonl")))
        again = run(command(folder), folder)
    if again.code:
        return f"{again.code} {again.err[-300:]}"
    files = [*folder.rglob("*.wandb")]
    if len(files) != 1:
        return f"{len(files)} files: {files}"
    words = [get_core_path(), "leet", "inspect", "--no-observability", "--json", "--run-file", str(files[0])]
    text = subprocess.run([*words, str(files[0].parents[1])], capture_output=True, check=True, text=True).stdout
    records = [json.loads(line) for line in text.splitlines()]
    summary: dict[str, Any] = {}
    for record in records:
        summary |= record.get("summary", {}).get("update", {})
    state = "finished" if any(record["type"] == "exit" for record in records) else "running"
    return compare(folder, state, summary, [record["history"]["item"] for record in records if "history" in record])


def online(folder: Path, sent: int, moment: float) -> str:
    """Kill an online run, resume it, and return what is wrong on the server."""
    with Server() as server, environment(WANDB_BASE_URL=server.url, **LOGIN, **PATIENCE):
        kill(folder, sent, moment, lambda: any(num_rows(server)))
        print(f"  {signal.Signals(sent).name}: {num_rows(server)} rows on the server", flush=True)
        again = run(command(folder), folder)
        return f"{again.code} {again.err[-300:]}" if again.code else on_server(folder, server)


def failing(folder: Path, status: int, seconds: float, midway: bool) -> str:
    """Let the server fail from the start or from its first rows on; return what is wrong on it after it is back."""
    with Server() as server, environment(WANDB_BASE_URL=server.url, **LOGIN, **PATIENCE):
        process = Process(command(folder), folder)
        if midway:
            await_start(lambda: any(num_rows(server)))
        server.fail(status, seconds)
        ended = process.wait()
        lacking = f"{num_rows(server)} rows in {ended.seconds:.0f} s"
        print(f"  {status}, {seconds:g} s an answer, midway={midway}: {lacking}: {last(ended.err)}", flush=True)
        if ended.code:
            return f"{ended.code} {ended.err[-300:]}"
        server.recover()
        again = run(command(folder), folder)
        return f"{again.code} {again.err[-300:]}" if again.code else on_server(folder, server)


def kill(folder: Path, sent: int, moment: float, started: Callable[[], bool]) -> None:
    """Start the command and kill it a moment after it has `started`."""
    process = Process(command(folder), folder)
    await_start(started)
    time.sleep(moment)
    process.kill(sent)
    process.wait()


def await_start(started: Callable[[], bool]) -> None:
    """Wait until training has started, or for a minute."""
    end = time.monotonic() + 60
    while not started() and time.monotonic() < end:
        time.sleep(0.02)


def num_rows(server: Server) -> list[int]:
    """Return the number of rows of each run."""
    return [len(served.rows) for served in [*server.runs.values()]]


def on_server(folder: Path, server: Server) -> str:
    """Return what is wrong with the only run on the server."""
    if len(server.runs) != 1:
        return f"{len(server.runs)} runs"
    (served,) = server.runs.values()
    return compare(folder, served.state, served.summary, served.rows)


def compare(folder: Path, state: str, summary: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """Return in what a run of W&B differs from its run directory."""
    (path,) = folder.rglob("metrics.jsonl")
    expected: dict[int, dict[str, Any]] = {}
    for line in path.read_text().splitlines():
        record = json.loads(line)
        expected.setdefault(record.pop("step"), {}).update(decode(record))
    losses = [record["train/loss"] for record in expected.values() if "train/loss" in record]
    result = decode(json.loads((path.parent / "result.json").read_text()))
    faults = {
        "rows": different_rows(rows, expected),
        "summary": [key for key, value in result["summary"].items() if number(summary.get(key)) != value],
        "best": best if (best := summary.get("train/loss")) != {"min": min(losses), "last": losses[-1]} else "",
        "charts": [chart for chart in CHARTS if not any(key.startswith(chart) for row in rows[-1:] for key in row)],
        "status": {state, summary.get("status")} - {"finished"},
    }
    return "; ".join(f"{name}: {fault}" for name, fault in faults.items() if fault)


def different_rows(rows: Sequence[dict[str, Any]], expected: dict[int, dict[str, Any]]) -> str:
    """Return how rows differ from those of metrics.jsonl."""
    if (steps := [row["_step"] for row in rows]) != [*expected]:
        return f"{len(steps)} for {len(expected)} steps, {len(set(steps))} different ones"
    for row, record in zip(rows, expected.values(), strict=True):
        got = {key: number(value) for key, value in row.items() if not key.startswith(("_", *CHARTS, *MEDIA))}
        if different := [key for key in {**got, **record} if key not in CLOCK and got.get(key) != record.get(key)]:
            return f"step {row['_step']}: {different}"
    return ""


def number(value: Any) -> Any:
    """Return a number that W&B writes as a word, such as "Infinity", or next to the best one in the summary."""
    value = value.get("last") if isinstance(value, dict) else value
    return float(value) if isinstance(value, str) else value


def last(text: str) -> str:
    """Return the last warning."""
    return ([line for line in text.splitlines() if "warning" in line] or [""])[-1][:250]


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set variables in a `with` block."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
