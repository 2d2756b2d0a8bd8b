"""The speech library of this machine."""

import platform
from pathlib import Path

from research.data.corpora import espeak


def own_wheel() -> Path:
    """Return the wheel with espeak-ng."""
    return espeak.library_wheel(platform.system(), platform.machine())
