"""The run directory: the record of one trial. Reports read nothing else.

config.json     all options, flat and dotted; `schema` is the version of the files
processor.json  sizes of inputs and outputs, and the tokenizers and features that `predict` needs
metrics.jsonl   one record per line, appended during training
PROBE.jsonl     one record per line: arrays that a probe measured, such as norms of dL/dh_t in gradient_flow.jsonl
result.json     written once, at the end: status, summary, tables of errors, environment
test_examples.json  written before it: by metric, numerator and denominator of each test example
failure.txt     why the training ended with an error, until it is started again
checkpoint/     the newest two states of the trial
wandb/          W&B's files

A file that is missing, damaged, of another version or malformed raises a one-line UserError that names it.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from research import options
from research.errors import UserError, shorten
from research.tracking import lock, strict_json
from research.tracking.strict_json import ALL, is_number

SCHEMA = 2
"""The version of the files. Older versions have other keys."""
METRICS = "metrics"
PROBES = "probes."
"""Start of the keys of probes, such as probes.gates.every."""
PLACES = {"by_length": "length", "by_position": "position"}
"""The tables of `result.json`, and the column that indexes their rows."""


@dataclass(frozen=True, order=True)
class RunDirectory:
    """One trial on disk."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @classmethod
    def create(cls, path: Path | str, config: Any) -> "RunDirectory":
        """Create the folder and write `config.json`, or open a run of the same config.

        `config` is a dataclass of options, or its flat dotted keys and values.

        Raises:
            UserError: if the folder holds a run of another config, or cannot be created.
        """
        run = cls(Path(path))
        flat = run.check_config(config)
        try:
            run.path.mkdir(parents=True, exist_ok=True)
            strict_json.write(run.config_file, {"schema": SCHEMA, **flat})
        except OSError as error:
            raise UserError(f"{run.path}: cannot be a run directory: {error.strerror}") from error
        return run

    def check_config(self, config: Any) -> dict[str, Any]:
        """Return the flat dotted keys and values of a config; refuse it if the folder holds a run of another one.

        The options of probes that are off are those of the run: since it started, a probe may have been added, or its
        module not imported.
        """
        flat = dict(config) if isinstance(config, Mapping) else options.flatten(config)
        if not self.config_file.exists():
            return flat
        known = self.options()
        old, new = (_without_off_probes(values) for values in (known, strict_json.encode(flat)))
        for key in dict.fromkeys([*new, *old]):
            if old.get(key) != new.get(key) and not key.startswith(options.NEUTRAL_KEYS):
                raise UserError(
                    f"{self.path}: holds a run with {key}={shorten(old.get(key))}, not {shorten(new.get(key))}; "
                    "choose another directory or remove this one"
                )
        return {key: value for key, value in known.items() if key not in old} | {key: flat[key] for key in new}

    @property
    def config_file(self) -> Path:
        return self.path / "config.json"

    @property
    def result_file(self) -> Path:
        return self.path / "result.json"

    @property
    def processor_file(self) -> Path:
        return self.path / "processor.json"

    @property
    def test_examples_file(self) -> Path:
        return self.path / "test_examples.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoint"

    @property
    def failure_file(self) -> Path:
        return self.path / "failure.txt"

    def options(self) -> dict[str, Any]:
        """Return the flat dotted keys and values of `config.json`, including unknown ones."""
        flat = strict_json.read(self.config_file)
        schema = flat.pop("schema", 1)
        if schema != SCHEMA:
            age = "an older" if is_number(schema) and schema < SCHEMA else "another"
            raise UserError(f"{self.config_file}: written by {age} version: schema {shorten(schema)}, not {SCHEMA}")
        for key, value in flat.items():
            if not (isinstance(value, str | bool) or is_number(value)):
                raise UserError(f"{self.config_file}: {shorten(key)}: must be a word, a number, true or false")
        return flat

    def result(self) -> dict[str, Any] | None:
        """Return `result.json` with its floats restored; None while the trial is unfinished.

        Raises:
            UserError: if it is damaged, or if the config, the records or the processor have changed since.
        """
        if not self.result_file.exists():
            return None
        result = strict_json.read(self.result_file)
        digest, digests = result.pop("sha256", None), result.pop("digests", {})
        fault = "has changed since it was written" if digest not in (None, _sha256([result, digests])) else ""
        result = strict_json.decode(result)
        if fault := fault or _result_fault(result):
            raise UserError(f"{self.result_file}: {fault}; delete the file to finish the run again")
        current = self._digests(digests)
        for name, known in digests.items():
            if current.get(name) != known:
                problem = "has changed since the run was finished" if name in current else "is missing"
                raise UserError(f"{self.path / name}: {problem}; --rerun trains anew")
        return result

    def finish(self, result: Mapping[str, Any], stems: Iterable[str] = ()) -> None:
        """Write `result.json`, which marks the trial as finished.

        It has digests of the files that belong to the trial, if the stems of its records are given.
        """
        encoded, records = strict_json.encode(result), [f"{stem}.jsonl" for stem in stems]
        files = [self.config_file, self.processor_file, self.test_examples_file]
        digests = self._digests([*(file.name for file in files), *records]) if records else {}
        strict_json.write(self.result_file, {**encoded, "digests": digests, "sha256": _sha256([encoded, digests])})

    def processor(self) -> dict[str, Any]:
        """Return the content of `processor.json`. Strings such as "nan" remain strings."""
        return strict_json.read(self.processor_file)

    def save_processor(self, saved: Mapping[str, Any]) -> None:
        """Write `processor.json`, what `predict` needs besides the weights."""
        strict_json.write(self.processor_file, saved, indent=None)

    def test_examples(self) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Return, by metric, numerator and denominator of each test example [N]; {} of a run without them.

        A metric, here without `test/`, is the sum of its numerators over that of its denominators. The examples of
        runs with the same data are the same, in the same order.
        """
        if not self.test_examples_file.exists():
            return {}
        saved = strict_json.read(self.test_examples_file)  # NumPy reads "inf" and "nan"
        with contextlib.suppress(ValueError, TypeError):
            pairs = {name: np.array(pair, np.float64) for name, pair in saved.items()}
            if all(pair.ndim == 2 and len(pair) == 2 for pair in pairs.values()):
                return {name: (errors, count) for name, (errors, count) in pairs.items()}
        raise UserError(f"{self.test_examples_file}: must hold two lists of one length for each metric")

    def save_test_examples(self, by_example: Mapping[str, tuple[NDArray[Any], NDArray[Any]]]) -> None:
        """Write `test_examples.json`: what `test_examples` returns."""
        found = {name: pair for name, pair in by_example.items() if not name.startswith("baseline/")}
        if found:
            strict_json.write(self.test_examples_file, {k: [1 * x for x in pair] for k, pair in found.items()}, None)

    def claimed(self) -> contextlib.AbstractContextManager[None]:
        """Lock the directory, as `lock.claimed` does; raise a BusyError if another process holds the lock."""
        return lock.claimed(self.path)

    def holder(self) -> str | None:
        """Return the host and process id of the process that has `claimed` the directory; None if there is none."""
        return lock.holder(self.path)

    def fail(self, reason: str) -> None:
        """Write why the process that trains the trial ends with an error, for `failure`."""
        with contextlib.suppress(OSError):  # which may be the reason
            self.failure_file.write_text(reason, encoding="utf-8")

    def failure(self) -> str:
        """Return why the last process that trained the trial has ended with an error; "" if it has not."""
        with contextlib.suppress(OSError):  # mostly, there is no file
            return self.failure_file.read_text(encoding="utf-8", errors="replace")
        return ""

    def append(self, stem: str, record: Mapping[str, Any]) -> None:
        """Append a record with a `step`: numbers to "metrics", numbers and arrays to the file of a probe."""
        strict_json.append(self._file(stem), record)

    def records(self, stem: str, key: str = "", chosen: slice = ALL) -> list[dict[str, Any]]:
        """Return records in the order of writing; [] if there is no file. An incomplete last line is skipped.

        `stem` is "metrics", or the name of a probe. With a `key`, only records that have it are read, and of these only
        the `chosen` ones, such as `strict_json.LAST`.
        """
        path, records = self._file(stem), []
        lengths: dict[str, int] = {}
        for number, record in strict_json.read_records(path, key, chosen):
            if fault := _record_fault(record, lengths, only_numbers=stem == METRICS):
                raise UserError(f"{path}:{number}: {fault}")
            records.append(record)
        return records

    def snapshot(self, stems: Iterable[str]) -> dict[str, Any]:
        """Flush the records to disk; return what `mismatch` needs to recognize this run with these records."""
        records = {}
        for path in filter(Path.exists, map(self._file, stems)):
            with path.open("rb") as file:
                os.fsync(file.fileno())
                records[path.name] = [os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()]
        return {"config_sha256": self._config_sha256(), "records": records}

    def mismatch(self, snapshot: Mapping[str, Any]) -> str:
        """Return why a snapshot is not of this run, or which of its records are lost; "" if it is and none is."""
        if snapshot.get("config_sha256") != self._config_sha256():
            return "of another run: its config differs"
        for name, (size, digest) in snapshot["records"].items():
            path = self.path / name
            content = path.read_bytes()[:size] if path.exists() else b""
            if hashlib.sha256(content).hexdigest() != digest:
                return f"records are missing: {name} is not as it was"
        return ""

    def rewind(self, stems: Iterable[str], snapshot: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
        """Remove the records that were written after a snapshot; return the others by file stem. {}: remove all."""
        kept = {}
        for stem in stems:
            path = self._file(stem)
            size, _ = snapshot.get("records", {}).get(path.name, (0, ""))
            if path.exists():
                os.truncate(path, size)
            kept[stem] = self.records(stem)
        return kept

    def clear(self, stems: Iterable[str]) -> None:
        """Remove the result and the records, so that the trial is trained anew; its checkpoints must go as well."""
        for path in (self.result_file, self.test_examples_file, self.processor_file, *map(self._file, stems)):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.path / "wandb", ignore_errors=True)

    def _file(self, stem: str) -> Path:
        return self.path / f"{stem}.jsonl"

    def _config_sha256(self) -> str:
        flat = self.options()
        return _sha256({key: value for key, value in flat.items() if not key.startswith(options.NEUTRAL_KEYS)})

    def _digests(self, names: Iterable[str]) -> dict[str, str]:
        """Return the SHA-256 of the files that exist, of the config without what may change."""
        paths = {name: self.path / name for name in names if (self.path / name).exists()}
        return {
            name: self._config_sha256() if path == self.config_file else hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in paths.items()
        }


def _without_off_probes(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options without those of probes that are off."""
    return {
        key: value
        for key, value in flat.items()
        if not key.startswith(PROBES) or flat.get(f"{PROBES}{key.removeprefix(PROBES).partition('.')[0]}.every")
    }


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _record_fault(record: Mapping[str, Any], lengths: dict[str, int], only_numbers: bool) -> str | None:
    """Return what is wrong with a record: a value is a number, or an array as long as in the first record."""
    for key, value in record.items():
        if is_number(value) and key not in lengths:
            continue
        if only_numbers:
            return f"{shorten(key)}: must be a number"
        if not (isinstance(value, list) and value and {*map(type, value)} <= {int, float}):
            return f"{key}: must be a list of at least one number"
        if len(value) != lengths.setdefault(key, len(value)):
            return f"{key}: has {len(value)} numbers; must have {lengths[key]}, as in the first record"
    return None


def _result_fault(result: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a result, to follow the name of the file in an error."""
    summary = result.get("summary")
    if not (
        isinstance(result.get("status"), str) and isinstance(summary, dict) and all(map(is_number, summary.values()))
    ):
        return "must hold a status, and a summary of numbers"
    for name in ("signatures", "profiles"):
        words = result.get(name) or {}
        if not (isinstance(words, dict) and all(isinstance(word, str) for word in words.values())):
            return f"{name}: must hold words"
    for name, place in PLACES.items():
        table = result.get(name) or {place: []}
        columns: list[Any] = list(table.values()) if isinstance(table, dict) and place in table else [None]
        numbers = all(isinstance(column, list) and all(map(is_number, column)) for column in columns)
        if not numbers or len(set(map(len, columns))) > 1:
            return f"{name}: must hold columns of numbers of one length, {place} among them"
    return None
