"""Words for the tasks that are drawn at random, for the caption of a table: what is asked, and how much of it."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

WORDS = {
    "copy": "copy of up to {max_length} vectors of {bits} bits",
    "repeat_copy": "up to {max_length} vectors of {bits} bits, up to {max_repeats} times",
    "reverse": "reversal of up to {max_length} of {symbols} symbols",
    "copying_memory": "copying memory, {memorised} of {symbols} symbols over {delay} steps",
    "selective_copying": "selective copying, {memorised} of {symbols} symbols among {noise} steps of noise",
    "adding": "adding problem, {length} steps",
    "multiplication": "multiplication problem, {length} steps",
    "temporal_order": "temporal order of {symbols} symbols, {length} steps",
    "delayed_recall": "recall of one of {classes} symbols over {delay} steps and more",
    "dyck": "nested brackets of {kinds} kinds, at most {depth} deep, {length} steps",
}
USUAL = "arjovsky_2016"  # the definition of the adding problem that goes without saying


def words(options: Mapping[str, Any]) -> str | None:
    """What the options of such a task ask for; None for another task."""
    name = options.get("task.name")
    if name not in WORDS:
        return None
    own = {key.removeprefix("task."): value for key, value in options.items()}
    definition = str(own.get("definition", USUAL))
    suffix = "" if definition == USUAL else f", as {definition.replace('_', ' ')}"
    return WORDS[name].format_map(defaultdict(lambda: None, own)) + suffix
