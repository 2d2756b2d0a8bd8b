"""Run the drills: `python -m drills [NAME ...] [--size=small|full] [--seed=N]`; the exit code is 1 on a fault."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "true")  # compiles fast; the numbers are compared, not kept
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("WANDB_MODE", "disabled")

import argparse
import random
import sys
import tempfile
import time
import warnings
from pathlib import Path

from drills import commands
from drills.count import Count


def main() -> int:
    """Run the drills and print a table of their counts."""
    from drills import damage, executors, faults, fuzz, kills, memory, sweep_format, uploads

    known = {"kills": kills, "damage": damage, "faults": faults, "fuzz": fuzz, "memory": memory, "uploads": uploads}
    known |= {"sweep_format": sweep_format, "executors": executors}
    parser = argparse.ArgumentParser(prog="python -m drills")
    parser.add_argument("names", nargs="*", choices=[*known, []], help="all by default")
    parser.add_argument(
        "--size", choices=("small", "full"), default="full", help="minutes, or the better part of an hour"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    commands.warm()
    counts: list[Count] = []
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{folder}/jax"
        for name in options.names or known:
            started = time.monotonic()
            place = Path(folder, name)
            place.mkdir()
            for count in known[name].drill(options.size == "full", random.Random(options.seed), place):
                counts.append(count)
                for fault in count.faults:
                    print(f"FAULT {count.name}: {fault}", flush=True)
            print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
        print(*(count.line() for count in counts), sep="\n", flush=True)
    return int(any(count.faults for count in counts))


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)  # JAX has not started any thread yet
    sys.exit(main())
