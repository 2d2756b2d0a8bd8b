"""What a trial is called: the flags that it was started with."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from research.config.config import Config
from research.config.flags import config_of
from research.options import LABELS, NEUTRAL_KEYS, flatten

MAX_NAME = 200
"""Letters of a folder's name before it is cut off and told apart by a hash; file systems allow 255."""
FIRST = (*LABELS, "seed", "task.")
"""Prefixes of the keys that a name starts with, in this order."""


class NamedConfig(NamedTuple):
    """A trial, and the name of its folder."""

    name: str
    config: Config


def name_trial(experiment: str, flags: Mapping[str, str]) -> NamedConfig:
    """Return the trial of these flags; its name tells the flags, in the order of the config's keys."""
    config = config_of(experiment, flags)
    flat = flatten(config)
    keys = [
        key for key in sorted(flat, key=_rank) if key in flags and not key.startswith(("experiment", *NEUTRAL_KEYS))
    ]
    short = {key: key.removesuffix(".name").rpartition(".")[2] for key in flat}
    times = Counter(short.values())
    labels = [short[key] if times[short[key]] == 1 or key.endswith(".name") else key for key in keys]
    parts = [f"{label}={folder_name(str(flat[key]))}" for label, key in zip(labels, keys, strict=True)]
    name = ",".join(parts) or "base"
    if len(name) > MAX_NAME:
        name = f"{name[:MAX_NAME]},{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return NamedConfig(name, config)


def folder_name(text: str) -> str:
    """Return the text with all that is not safe in a file name replaced by underscores."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", text)


def _rank(key: str) -> int:
    return next((rank for rank, prefix in enumerate(FIRST) if key.startswith(prefix)), len(FIRST))
