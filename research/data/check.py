"""`data check`: what a source of data is understood as, and what is wrong with it."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from research.data.field import Field
from research.data.fields import INPUTS, FieldOptions
from research.data.fields.audio import RATES
from research.data.fields.label import LabelsTarget, LabelTarget
from research.data.fields.number import NumberTarget
from research.data.fields.text import TextInput, TextTarget
from research.data.processor import Processor
from research.data.tables.encoded import Encoded
from research.data.tables.folders import AUDIO, MEDIA
from research.data.tables.table import Rows
from research.data.tables.values import Values, columns_of
from research.data.text import Tagged, Text

SHOWN = 5
"""Lines of a list that are printed."""
BARS = 40
SOUND = (b"RIFF", b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3")
"""First bytes of audio files."""
TAGS = ("tags", "features", "feats", "msd", "tag")
"""Columns that are put in front of an input of text, as in SIGMORPHON's tables of lemma, tags and form."""
TIMES = ("t", "time", "step")
"""Columns that order the steps of a series."""
ROWS = 200
"""Rows that show whether texts are made of symbols."""
FILES = 1000
"""Files that a field is fitted to, spread evenly."""


@dataclass(frozen=True)
class Checked:
    """A split that was read whole."""

    values: Values
    inputs: dict[int, int]
    """Steps of the input of each usable pair."""
    targets: dict[int, int]
    """Tokens of its target, where that is text."""


def fit(train: Values) -> Processor | None:
    """Return the fields, fitted to a training split; None if none of its pairs is usable."""
    fields, rows, skipped = train.fields, range(train.size), list(train.skipped)
    sample = rows[:: max(1, len(rows) // FILES)] if fields.input.per_file else rows
    inputs = [value for _, value, _ in train.load(sample)]
    targets = [part for target in train.targets(rows).values() for part in fields.target.trained_on(target)]
    if not inputs or not targets:
        return None
    train.skipped[:] = skipped  # `read` lists them all
    return Processor(fields.input.fit(inputs), fields.target.fit(targets), "", train.columns)


def read(values: Values, processor: Processor) -> Checked:
    """Return all usable pairs of a split; those that are not usable are in `values.skipped`."""
    kind, inputs, targets = values.fields.target.kind, {}, {}
    for number, source, encoded in Encoded(values, processor).encode(range(values.size), stored=False):
        inputs[number] = len(source)
        if kind == "tokens":
            targets[number] = len(encoded[0])
    return Checked(values, inputs, targets)


def unknown(checked: Checked, processor: Processor) -> dict[str, Counter[str]]:
    """Return the symbols of a split's texts that the fields do not know, and in how many pairs they occur."""
    counts: dict[str, Counter[str]] = {"input": Counter(), "target": Counter()}
    for number in checked.inputs:
        value, target = checked.values[number]
        counts["input"].update(_unknown(processor.input, value))
        if checked.targets:
            counts["target"].update({symbol for text in target for symbol in _unknown(processor.target, text)})
    return counts


def _unknown(field: Field, value: Any) -> list[str]:
    if isinstance(field, Tagged):
        tags = _unknown(field.tags, (field.tags.separator or "").join(value[:-1])) if value[:-1] else []
        return tags + _unknown(field.text, value[-1])
    return field.unknown(value) if isinstance(field, Text) else []


def histogram(title: str, lengths: Sequence[int]) -> str:
    """Return lengths as bars: how many values have a length in each of at most 12 ranges."""
    if not lengths:
        return f"{title}: none"
    array = np.array(lengths)
    bins = min(12, len(np.unique(array)))
    counts, edges = np.histogram(array, bins=bins)
    rows = [f"{title}: {array.min()} to {array.max()}, median {np.median(array):g}"]
    for count, low, high in zip(counts, edges, edges[1:], strict=False):
        span = f"{np.ceil(low):.0f}-{np.ceil(high) - 1 if high < edges[-1] else array.max():.0f}"
        rows.append(f"  {span:>13}  {'#' * round(BARS * count / counts.max()):<{BARS}}  {count:,}")
    return "\n".join(rows)


def overlaps(splits: Mapping[str, Checked]) -> list[str]:
    """Return a line for each fault between examples: duplicates, and inputs that are in two splits."""
    lines = []
    seen: dict[str, dict[Any, str]] = {}
    for split, checked in splits.items():
        places: dict[Any, str] = {}
        repeated = []
        for number in checked.inputs:
            place = checked.values.rows.place(checked.values.place(number))
            first = places.setdefault(_key(checked.values[number][0]), place)
            repeated += [f"{place} is {first}"] if first != place else []
        if repeated:
            lines.append(f"{split}: inputs that occur again: {len(repeated):,}, such as {repeated[0]}")
        seen[split] = places
    for first, second in itertools.combinations(seen, 2):
        if both := [key for key in seen[second] if key in seen[first]]:
            example = f"{seen[second][both[0]]} is {seen[first][both[0]]}"
            lines.append(f"inputs of {second} that {first} has as well: {len(both):,}, such as {example}")
    return lines


def guess(rows: Rows) -> dict[str, str]:
    """Return the flags that the first rows suggest, without those that are the default."""
    flags = _fields(rows)
    tags = next((name for name in TAGS if name in rows.columns and isinstance(rows[0][name], str)), "")
    if tags and not flags and len(rows.columns) == 3:
        flags["task.input.tags_column"] = tags
        found = next((mark for mark in ";|," if mark in str(rows[0][tags])), ";")
        flags |= {"task.input.tags_separator": found} if found != ";" else {}
        flags["task.target.column"] = [name for name in rows.columns if name != tags][-1]
    for options in (TextInput(), TextTarget()):
        if flags.get(f"{options.section}.name", "text") != "text":
            continue
        taken = [] if isinstance(options, TextInput) else columns_of(TextInput(), rows, "", [])
        named = flags.get(f"{options.section}.column")
        (column, *_) = [named] if named else columns_of(options, rows, "", taken)
        if _are_symbols([rows[number][column] for number in range(min(len(rows), ROWS))]):
            flags[f"{options.section}.tokenizer"] = "symbols"
    return flags


def series(rows: Rows) -> dict[str, str]:
    """Return the flags of a table whose rows may be steps: the first column repeats, and others are numbers; or {}."""
    by, *others = rows.columns
    sample = [rows[number] for number in range(min(len(rows), ROWS))]
    numbers = [name for name in others if all(_is_number(row[name]) for row in sample)]
    times = [name for name in numbers if name.lower() in TIMES][:1]
    columns = [name for name in numbers if name not in times]
    if 2 * len({str(row[by]) for row in sample}) > len(sample) or not columns:
        return {}
    order = {"input.time": times[0]} if times else {}
    return {"input.name": "series", "input.id": by, **order, "input.column": ",".join(columns)}


def _is_number(value: Any) -> bool:
    try:
        return np.ndim(value) == 0 and bool(float(value) == float(value))
    except (TypeError, ValueError):
        return False


def _are_symbols(values: Sequence[Any]) -> bool:
    """Return whether texts are short symbols of a small inventory between spaces, such as phonemes, and no words."""
    texts = [text for value in values for text in (value if isinstance(value, list) else [value])]
    if not all(isinstance(text, str) for text in texts):
        return False
    symbols = Counter(symbol for text in texts for symbol in text.split(" "))
    few = 0 < len(symbols) * 10 <= symbols.total()
    return few and max(map(len, symbols)) in range(2, 6) and symbols.total() >= 2 * len(texts)


def _fields(rows: Rows) -> dict[str, str]:
    """Return the flags of the fields that the first row suggests, without those of text."""
    first, flags = rows[0], {}
    kinds = {name: _input_kind(value, first) for name, value in first.items()}
    taken = next((name for name in rows.columns if kinds[name]), "")
    if taken:
        flags = _flags(INPUTS[kinds[taken]](), taken, rows, [])
    inputs = [taken] if taken else columns_of(TextInput(), rows, "", [])
    free = [name for name in rows.columns if name not in inputs]
    texts = {name for name in free if isinstance(first[name], str)}
    if taken and texts & set(TextTarget.usual):
        return flags
    for target in (LabelTarget(), LabelsTarget()):
        if target.usual[0] in free:
            return flags | _flags(target, target.usual[0], rows, inputs)
    numbers = [name for name in free if _array(first[name]).dtype.kind == "f" and np.size(first[name]) == 1]
    usual = [name for name in NumberTarget.usual if name in numbers]
    if usual or (numbers and not texts):
        flags |= _flags(NumberTarget(), (usual or numbers)[0], rows, inputs)
    return flags


def _flags(options: FieldOptions, column: str, rows: Rows, taken: Sequence[str]) -> dict[str, str]:
    """Return the flags of a field; of its column, if the field would choose another."""
    named = columns_of(options, rows, "", taken) != [column]
    return {f"{options.section}.name": options.name} | ({f"{options.section}.column": column} if named else {})


def _input_kind(value: Any, row: Mapping[str, Any]) -> str:
    """Return the name of the input that a value suggests; empty: text, or none."""
    if isinstance(value, bytes):
        return "audio" if value.startswith(SOUND) else "image"
    if isinstance(value, str):
        suffix = f".{value.lower().rpartition('.')[2]}"
        return "audio" if suffix in AUDIO else "image" if suffix in MEDIA else ""
    array = _array(value)
    if array.dtype.kind not in "fiu" or array.size < 2:
        return ""
    return "image" if array.ndim == 3 else "audio" if array.ndim == 1 and set(RATES) & row.keys() else "series"


def _array(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:  # lists of different lengths
        return np.array("")


def _key(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tobytes()
    sound = isinstance(value, tuple) and isinstance(value[0], np.ndarray)
    return _key(value[0]) if sound else value if isinstance(value, str | bytes) else repr(value)
