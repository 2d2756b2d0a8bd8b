"""Fair timing on a noisy machine: the candidates run in turn, round after round, and medians are compared."""

import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from research.training.devices import cores

PAUSE = 0.02
"""Seconds before each call: threads of the call before may still be spinning for more work, as those of OpenMP do."""


def medians(candidates: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each call, over `rounds` in which each runs once; one more round warms up."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for round_number in range(rounds + 1):
        for name, call in candidates.items():
            time.sleep(PAUSE)
            began = time.perf_counter()
            call()
            if round_number:
                times[name].append(1e3 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in times.items()}


def import_torch() -> Any:
    """torch, with one thread for each core; ends the program in one line where it is not installed."""
    try:
        torch = importlib.import_module("torch")  # is not there for those who only test
    except ImportError:
        sys.exit("error: torch is not installed, with which ours is compared: pip install -r requirements-bench.txt")
    torch.set_num_threads(cores())
    return torch


def write(rows: list[dict[str, Any]], name: str) -> Path:
    """Write the rows to `runs/bench/NAME.json`."""
    path = Path("runs/bench") / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return path
