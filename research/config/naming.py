"""Names of run directories: LABEL-ID, such as `adding_50-gru_chrono-seed0-960ac3bb`.

The label is for people: the values that the trial was given. The ID is a hash of them and of the experiment. So two
trials never share a name, and the same command finds its directory again.
"""

import hashlib
import json
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any, NamedTuple

from research.config.config import Config
from research.config.flags import config_of
from research.config.flat import find_option
from research.options import LABELS, NEUTRAL_KEYS, flatten

RUN_KEYS = ("resume_from", "init_from")
"""Keys whose value is the path of a run."""
MAX_LETTERS = 80
MAX_BYTES = 240
"""Bounds of a label; with the ID it stays below the 255 bytes that file systems allow."""


class NamedConfig(NamedTuple):
    """A trial, and the name of its run directory."""

    name: str
    config: Config


def name_trial(experiment: str, flags: Mapping[str, str]) -> NamedConfig:
    """Return the trial of an experiment with these flags."""
    return name_config(config_of(experiment, flags), flags)


def name_config(config: Config, keys: Collection[str]) -> NamedConfig:
    """Return the trial of a config in which these keys were given a value."""
    named = (key for key in keys if key != "experiment" and not key.startswith(NEUTRAL_KEYS))
    options = {key: option for key in named if (option := find_option(config, key))}
    values = {key: option.value for key, option in options.items()}
    places = {key: (_place(key), option.place) for key, option in options.items()}
    label = _label({key: values[key] for key in sorted(options, key=places.__getitem__)})
    return NamedConfig(f"{_cut(label)}-{_id([config.experiment, values])}", config)


def name_in_wandb(trials: Sequence[NamedConfig], varied: Sequence[str]) -> list[NamedConfig]:
    """Return the trials of a sweep with a `wandb.run_name` of the keys that vary in it, unless they have one."""
    named = []
    for name, config in trials:
        options = flatten(config)
        label = _cut(_label({key: options[key] for key in sorted(varied, key=_place) if key in options}))
        run_name = config.wandb.run_name or (f"{label}-{run_id(name)}" if varied else "")
        named.append(NamedConfig(name, replace(config, wandb=replace(config.wandb, run_name=run_name))))
    return named


def folder_name(name: str) -> str:
    """Return the name of the folder for the runs of a sweep or an experiment.

    It is the name itself. A name that is too long, or has letters that a folder's name must not have, is changed and
    gets an ID, so that two names never become one folder.
    """
    folder = _cut(_safe(name, "-").lstrip(".-"))
    return folder if folder == name else f"{folder}-{_id(name)}".lstrip("-")


def run_id(path: str) -> str:
    """Return the id that the name of a run directory ends in; the name if it has none."""
    return path.rstrip("/").rpartition("/")[2].rpartition("-")[2]


def _place(key: str) -> int:
    """Return the place of a key in a label: setting, variant, task, other keys in the order of the config, seed."""
    if key in LABELS:
        return LABELS.index(key)
    return 5 if key == "seed" else 3 if key.startswith("task.") else 4


def _label(values: Mapping[str, Any]) -> str:
    words = [_word(key, value) for key, value in values.items()]
    return "-".join(_safe(word).lstrip(".") for word in words if word) or "default"


def _word(key: str, value: Any) -> str:
    if key in LABELS or key.endswith(".name"):
        return str(value)
    if key == "seed":
        return f"seed{value}"
    if key in RUN_KEYS:
        return f"{key}_{run_id(value)}"
    if isinstance(value, str):
        text = _short(value)
    else:
        text = (
            f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
        )
    return "_".join([*key.split(".")[1:], text])


def _short(text: str) -> str:
    """Return the last part of a path, which may be long; a name and its config, such as gcin/speaker, as they are."""
    path = PurePath(text)
    named = text.startswith("tfds:") or (len(path.parts) == 2 and path.parts[0][:1] not in "./~" and not path.suffix)
    return text if named else path.name


def _safe(text: str, others: str = "") -> str:
    """Return the text with `_` for all but letters, marks and digits of any script, `.`, `_`, `+` and some others."""
    letters = unicodedata.normalize("NFC", text)
    return "".join(x if x in f"._+{others}" or unicodedata.category(x)[0] in "LMN" else "_" for x in letters)


def _cut(text: str) -> str:
    return text[:MAX_LETTERS].encode()[:MAX_BYTES].decode(errors="ignore").rstrip("-")


def _id(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]
