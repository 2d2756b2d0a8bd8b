"""Trials of a sweep that would be trained twice, as what they differ in does nothing."""

from collections.abc import Iterator, Sequence
from typing import Any

from research.config.config import Config
from research.config.naming import NamedConfig
from research.options import LABELS, NEUTRAL_KEYS, flatten


def describe_duplicates(trials: Sequence[NamedConfig]) -> Iterator[str]:
    """Yield a line for each trial that computes, bit for bit, what an earlier one does, and why."""
    first: dict[tuple[tuple[str, Any], ...], NamedConfig] = {}
    for trial in trials:
        unused = _unused(trial.config)
        used = [(key, value) for key, value in flatten(trial.config).items() if key not in unused]
        known = first.setdefault(
            tuple(pair for pair in used if pair[0] not in LABELS and not pair[0].startswith(NEUTRAL_KEYS)), trial
        )
        if known is not trial:
            ours, theirs = flatten(trial.config), flatten(known.config)
            keys = [key for key in unused if ours[key] != theirs[key]]
            cell = trial.config.cell.name
            reason = f"{', '.join(keys)} does nothing for {cell}" if keys else "they differ in their names alone"
            yield f"{trial.name} computes the same as {known.name}: {reason}"


def _unused(config: Config) -> list[str]:
    unused = [f"init.{name}" for name in config.cell.unused_init_options()]
    return [*unused, "init.forget_bias"] if config.init.bias == "chrono" else unused
