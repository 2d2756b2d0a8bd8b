"""`python -m research`, and `python research/__main__.py`, which W&B's default command runs."""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # where `research` is, not what is in it

from research.cli.main import script

if __name__ == "__main__":
    script()
