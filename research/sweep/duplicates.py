"""Find trials of a sweep that compute the same, because the options that they differ in do nothing."""

from collections.abc import Iterator, Sequence
from typing import Any

from research.config.config import Config
from research.config.naming import NamedConfig
from research.options import LABELS, NEUTRAL_KEYS, flatten


def describe_duplicates(trials: Sequence[NamedConfig]) -> Iterator[str]:
    """Yield a line for each reason why trials compute exactly what an earlier trial computes."""
    first: dict[tuple[tuple[str, Any], ...], NamedConfig] = {}
    pairs: dict[str, list[str]] = {}
    for trial in trials:
        unused, flat = unused_options(trial.config), flatten(trial.config)
        used = {key: value for key, value in flat.items() if key not in unused}
        computed = ((key, value) for key, value in used.items() if not key.startswith((*LABELS, *NEUTRAL_KEYS)))
        known = first.setdefault(tuple(computed), trial)
        if known is not trial:
            keys = [key for key in unused if flat[key] != flatten(known.config)[key]]
            reason = f"{', '.join(keys)} does nothing for {trial.config.cell.name}" if keys else "only names differ"
            pairs.setdefault(reason, []).append(f"{trial.name} computes the same as {known.name}")
    for reason, same in pairs.items():
        more = f" (and {len(same) - 1} more)" if len(same) > 1 else ""
        yield f"{same[0]}{more}: {reason}"


def unused_options(config: Config) -> list[str]:
    """Return the keys of options that do nothing for the cell of a trial."""
    unused = [f"init.{name}" for name in config.cell.unused_init_options()]
    return [*unused, "init.forget_bias"] if config.init.bias == "chrono" else unused
