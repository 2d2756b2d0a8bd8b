"""The run directory: the record of one trial, and all that reports read.

    config.json          flat, dotted, complete: reproduces the run
    shards.json          the parts that its batches are computed in, as decided when it began
    reader.json          the sizes of inputs and outputs, and what turns them into what a user gives and is told
    metrics.jsonl        one record a line, appended as the run goes
    gradient_flow.jsonl  one record a line: the norms of dL/dh_t (and dL/dc_t) for every t
    result.json          written once, at the end: status and summary

JSON here is strict. Floats that are not finite are written as the strings "inf", "-inf" and "nan" and read back as
floats. Files that are replaced are replaced atomically; files that grow may end in half a line after a crash, which
readers pass over.
"""

import contextlib
import fcntl
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

from research.config import Config
from research.dotted import flatten, unflatten
from research.errors import UserError
from research.tracking import shape

Stem = Literal["metrics", "gradient_flow"]

NEUTRAL_KEYS = ("tracking.", "input.", "training.checkpoint_seconds")
"""Prefixes of keys that may change between a run and its continuation: they do not touch what is computed."""
NON_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


@dataclass(frozen=True, order=True)
class RunDirectory:
    """One trial on disk."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @classmethod
    def create(cls, path: Path | str, config: Config) -> "RunDirectory":
        """Make the folder and write `config.json`, or return to a run of the same config.

        Raises:
            UserError: if the folder holds a run of another config, or cannot be made.
        """
        run = cls(Path(path))
        if run.config_file.exists():
            run._check_same(config)
        try:
            run.path.mkdir(parents=True, exist_ok=True)
            _replace(run.config_file, json.dumps(_encode(flatten(config)), indent=1, allow_nan=False) + "\n")
        except OSError as error:
            raise UserError(f"{run.path}: cannot be a run directory: {error.strerror}") from error
        return run

    def forget(self) -> None:
        """Remove the folder, if the trial has not begun, and the experiment's, if there is nothing else in it."""
        with contextlib.suppress(OSError):
            files = [self.config_file, self.lock_file]
            if set(self.path.iterdir()) <= set(files):
                for file in files:
                    file.unlink(missing_ok=True)
                self.path.rmdir()
                self.path.parent.rmdir()

    @property
    def config_file(self) -> Path:
        return self.path / "config.json"

    @property
    def lock_file(self) -> Path:
        return self.path / ".lock"

    @property
    def result_file(self) -> Path:
        return self.path / "result.json"

    def options(self) -> dict[str, Any]:
        """The flat dotted keys of `config.json` as written, known or not: for runs of an older version.

        Raises:
            UserError: if the file is absent or broken, or an option is no word, number, true or false.
        """
        options = _read_object(self.config_file)
        _refuse(self.config_file, shape.options_fault(options))
        return options

    def config(self) -> Config:
        """The trial's config.

        Raises:
            UserError: if the file is absent or broken, or has an option that does not exist (any more).
        """
        try:
            return unflatten(self.options())
        except UserError as error:
            place = str(self.config_file)
            raise UserError(str(error) if place in str(error) else f"{place}: {error}") from error

    def result(self) -> dict[str, Any] | None:
        """`result.json` with its floats restored; None while the trial is unfinished.

        Raises:
            UserError: if the file is broken.
        """
        if not self.result_file.exists():
            return None
        result = _read_object(self.result_file, decoded=True)
        fault = shape.result_fault(result)
        _refuse(self.result_file, fault and f"{fault}; delete the file to finish the run anew")
        return result

    @property
    def shards_file(self) -> Path:
        return self.path / "shards.json"

    def batch_shards(self) -> int | None:
        """The parts that its batches are computed in; None as long as that is not decided.

        Raises:
            UserError: if the file is broken.
        """
        if not self.shards_file.exists():
            return None
        count = _read_object(self.shards_file).get("batch_shards")
        sound = isinstance(count, int) and not isinstance(count, bool) and count >= 1
        _refuse(self.shards_file, None if sound else "batch_shards: must be a whole number, at least 1")
        return count

    def decide_batch_shards(self, count: int) -> None:
        """Record the parts that its batches are computed in: a continuation keeps to them, and so to the last bit."""
        _replace(self.shards_file, json.dumps({"batch_shards": count}) + "\n")

    @property
    def reader_file(self) -> Path:
        return self.path / "reader.json"

    def reader(self) -> dict[str, Any]:
        """What `keep_reader` has written. A symbol such as "nan" is no float here.

        Raises:
            UserError: if the file is absent or broken.
        """
        return _read_object(self.reader_file)

    def keep_reader(self, saved: Mapping[str, Any]) -> None:
        """Write what `predict` needs beside the weights; all plain JSON."""
        _replace(self.reader_file, json.dumps(saved, allow_nan=False) + "\n")

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the directory while it is written to; the system frees it should the process die.

        Raises:
            UserError: if another process holds it.
        """
        with self.lock_file.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{self.path}: another process is training this trial") from None
            yield

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write `result.json`, atomically: a trial with this file is done."""
        _replace(self.result_file, json.dumps(_encode(result), indent=1, allow_nan=False) + "\n")

    def append(self, stem: Stem, record: Mapping[str, Any]) -> None:
        """Add one record. Arrays and scalars of NumPy and JAX are written as lists and numbers."""
        line = json.dumps(_encode(record), allow_nan=False) + "\n"
        with self._file(stem).open("ab+") as file:
            _end_last_line(file)
            file.write(line.encode())

    def records(self, stem: Stem) -> list[dict[str, Any]]:
        """All records, in the order of writing; [] if there is no file. Half a line at the end is passed over.

        Raises:
            UserError: for a broken line elsewhere, or a record of another shape, naming the file and the line.
        """
        path = self._file(stem)
        if not path.exists():
            return []
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from error
        records: list[dict[str, Any]] = []
        for number, line in enumerate(lines, start=1):
            record = _parse(line)
            if record is not None:
                records.append(record)
                first = records[0]
                fault = shape.metrics_fault(record) if stem == "metrics" else shape.gradient_flow_fault(record, first)
                _refuse(f"{path}:{number}", fault)
            elif line.strip() and number < len(lines):
                raise UserError(f"{path}:{number}: not a record: {line[:40].decode(errors='replace')!r}")
        return records

    def truncate(self, step: int) -> None:
        """Drop what a continuation from the state after `step` updates will record again, and half a last line.

        The training metrics of step n are written after n updates and stay; the gradient's profile of step n is that of
        the weights after n updates, taken in the update that follows, and will be recorded again. -1 drops everything.
        """
        last_kept: dict[Stem, int] = {"metrics": step, "gradient_flow": step - 1}
        for stem, last in last_kept.items():
            path = self._file(stem)
            if path.exists():
                records = [record for record in self.records(stem) if record["step"] <= last]
                _replace(path, "".join(json.dumps(_encode(record), allow_nan=False) + "\n" for record in records))

    def _file(self, stem: Stem) -> Path:
        assert stem in get_args(Stem), stem
        return self.path / f"{stem}.jsonl"

    def _check_same(self, config: Config) -> None:
        old, new = flatten(self.config()), flatten(config)
        for key in [*new, *(key for key in old if key not in new)]:
            if old.get(key) != new.get(key) and not key.startswith(NEUTRAL_KEYS):
                raise UserError(
                    f"{self.path}: holds a run with {key}={old.get(key)}, not {new.get(key)}; "
                    "choose another directory or remove this one"
                )


def find(root: Path | str) -> list[RunDirectory]:
    """All run directories at or under `root`, at any depth, sorted by path."""
    found = []
    for folder, folders, files in os.walk(root):
        if "config.json" in files:
            found.append(RunDirectory(Path(folder)))
            folders.clear()  # a run holds no runs, but may hold large checkpoint and W&B folders
    return sorted(found)


def _replace(path: Path, text: str) -> None:
    """Write the file so that a crash at any moment leaves the old or the new content, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _end_last_line(file: BinaryIO) -> None:
    """Go to the end of the file, onto a fresh line: half a record left by a crash is cut off, a whole one ended."""
    if file.seek(0, os.SEEK_END) == 0:
        return
    file.seek(-1, os.SEEK_END)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    last = file.read().rpartition(b"\n")[2]
    if _parse(last) is None:
        file.truncate(file.tell() - len(last))
    else:
        file.write(b"\n")


def _parse(line: bytes) -> dict[str, Any] | None:
    """The record of a line, an object with a step; None if it is not one."""
    try:
        value = _decode(json.loads(line))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and shape.is_step(value.get("step")) else None


def _read_object(path: Path, decoded: bool = False) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        value = _decode(value) if decoded else value
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not JSON: {error.msg.removesuffix(' at')}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: holds too long a number, or lists too deep in each other") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}:1: must be a JSON object")
    return value


def _refuse(place: Path | str, fault: str | None) -> None:
    if fault:
        raise UserError(f"{place}: {fault}")


def _encode(value: Any) -> Any:
    """Plain values that strict JSON can hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): _encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    return _encode(value.tolist()) if hasattr(value, "tolist") else value


def _decode(value: Any) -> Any:
    if isinstance(value, str):
        return NON_FINITE.get(value, value)
    if isinstance(value, dict):
        return {key: _decode(item) for key, item in value.items()}
    return [_decode(item) for item in value] if isinstance(value, list) else value
