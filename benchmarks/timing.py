"""Timing on a noisy machine: run the candidates alternately and compare medians."""

import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from research.training.devices import cores

PAUSE = 0.02
"""Seconds before each call: threads of the previous call (OpenMP) may still be waiting actively for work."""

RATE = 1e-6
"""Learning rate of updates: so low that the numbers hardly change."""


def medians(candidates: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return median milliseconds of each call, over `rounds` in which each runs once; one more round warms up."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for round_number in range(rounds + 1):
        for name, call in candidates.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            call()
            if round_number:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def updated(gradients: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Return a function that updates its arguments by their gradients many times, as a training program does.

    What a call itself costs, and the pages of memory that the system hands out for it, are spread over the updates.

    Args:
        gradients: of all arguments, in their order.
        count: number of updates, one after the other.
    """

    def update(_: Any, arguments: Any) -> Any:
        return jax.tree.map(lambda x, d: x - RATE * d, arguments, gradients(*arguments))

    return lambda *arguments: jax.lax.fori_loop(0, count, update, arguments)


def import_torch() -> Any:
    """Return torch, with one thread for each core; end the program in one line where it is not installed."""
    try:
        torch = importlib.import_module("torch")  # not installed for those who only test
    except ImportError:
        sys.exit("error: torch, which ours is compared with, is not installed: pip install -r requirements-bench.txt")
    torch.set_num_threads(cores())
    return torch


def write(rows: list[dict[str, Any]], name: str) -> Path:
    """Write the rows to `runs/bench/NAME.json`."""
    path = Path("runs/bench") / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return path
