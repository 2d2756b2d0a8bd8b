"""How much packs help: trials of the gradient-norm sweep as packs, and the same trials one process each.

    python -m benchmarks.pack_speed [SETTING | all]

One process each means `python -m research train`, as many at a time as there are cores: what `wandb agent` would do.
"""

import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import timing
from experiments.gradient_norms import EXPERIMENT
from research.training.devices import cores

SEEDS = [0, 1, 2]
COMMAND = ["${env}", "${interpreter}", "-m", "research", "train", "gradient_norms", "${args}"]


def main() -> None:
    """Train all trials both ways and print the times."""
    setting = sys.argv[1] if len(sys.argv) > 1 else "adding_50"
    settings = list(EXPERIMENT.settings)
    if setting not in ("all", *settings):
        sys.exit(f"error: setting {setting!r}: must be all or one of {', '.join(settings)}")
    parameters = {
        "setting": settings if setting == "all" else [setting],
        "variant": list(EXPERIMENT.variants),
        "seed": SEEDS,
    }
    sweep = {
        "name": "gradient_norms",
        "command": COMMAND,
        "method": "grid",
        "parameters": {key: {"values": values} for key, values in parameters.items()},
    }
    trials = [
        [f"--{key}={value}" for key, value in zip(parameters, values, strict=True)]
        for values in itertools.product(*parameters.values())
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sweep.yaml")
        file.write_text(json.dumps(sweep), encoding="utf-8")  # JSON is YAML
        packed = _seconds(lambda: _research("sweep", str(file), f"--runs-dir={folder}/packed"))
        separate = _seconds(lambda: _train_separately(trials, Path(folder, "separate")))
    row = {"setting": setting, "trials": len(trials), "cores": cores(), "packed_s": packed, "separate_s": separate}
    path = timing.write([row], "pack_speed")
    ratio = separate / packed
    print(f"{len(trials)} trials: one process each {separate:.0f} s, as packs {packed:.0f} s: {ratio:.1f} x")
    print(f"written to {path}")


def _train_separately(trials: list[list[str]], runs: Path) -> None:
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(lambda flags: _research("train", "gradient_norms", *flags, f"--runs-dir={runs}"), trials))


def _research(*args: str) -> None:
    subprocess.run([sys.executable, "-m", "research", *args], check=True, capture_output=True)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
