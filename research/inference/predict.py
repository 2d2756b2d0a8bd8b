"""The command `predict`: a line of output for each input.

Inputs are taken a chunk at a time, so that the first outputs come before the last inputs are read, and lines of a pipe
are answered as they come. One that cannot be read is a line on stderr; the others are answered.
"""

import codecs
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from research.data.field import Axis
from research.data.tables.files import DELIMITERS, suffix
from research.data.tables.table import Rows
from research.data.text import UNKNOWN
from research.errors import UserError, escape, shorten, visible
from research.inference import inputs
from research.inference.answers import Answer, Texts, alignment_of, answer_of
from research.inference.inputs import Input
from research.inference.options import PredictOptions
from research.inference.predictor import Classifier, Predictor
from research.inference.restore import TrainedModel, restore
from research.tasks.dataset import Dataset
from research.training import compilation, devices

CHUNK = 256


@dataclass
class Item:
    """An input and what is found for it."""

    number: int
    """Number of the input, from 1."""
    input: Input
    encoded: np.ndarray
    """What the model reads."""
    fault: str
    """Why it reads nothing; empty: it does."""
    value: Any = None
    """The loaded input of a row of data."""
    answer: Answer | None = None
    alignment: Path | None = None
    """Path of its figure."""


def predict(options: PredictOptions) -> int:
    """Print what the model predicts for each input; return the exit code: 0, or 2 if an input could not be read.

    Raises:
        UserError: if nothing can be predicted, for whatever reason.
    """
    devices.require()
    compilation.enable_cache()
    model = restore(options.run)
    predictor = _predictor(model, options)
    if not model.finished:
        steps = model.config.training.steps
        note = f"note: {options.run}: unfinished; uses its checkpoint of step {model.step} of {steps}"
        print(visible(note), file=sys.stderr)
    kind = model.processor.kind if model.processor else "array"
    for word in options.inputs if kind == "text" else ():
        if word.lower().endswith(tuple(itertools.chain(*inputs.SUFFIXES.values(), DELIMITERS))):
            print(visible(f"note: {word}: is read as text, not as the name of a file"), file=sys.stderr)
    named = bool(options.source) or inputs.are_named(options.inputs, kind)
    faults = cut = unknown = 0
    with tempfile.TemporaryDirectory() as folder:
        numbers, given = itertools.count(1), inputs.read(options.inputs, kind, Path(folder))
        chunks = ([_encode(next(numbers), item, model) for item in chunk] for chunk in inputs.in_chunks(given, CHUNK))
        for items in _rows(options.source, model) if options.source else chunks:
            readable = [item for item in items if not item.fault]
            outputs = predictor.outputs([item.encoded for item in readable])
            for item, output in zip(readable, outputs, strict=True):
                item.answer = answer_of(output, model)
            if options.alignment and isinstance(predictor, Predictor):
                _draw(readable, predictor, options.alignment, numbered=named)
            for item in items:
                _print(item, options, named)
            sys.stdout.flush()
            faults += len(items) - len(readable)
            unknown += kind == "text" and sum(bool(np.any(item.encoded == UNKNOWN)) for item in readable)
            cut += sum(isinstance(item.answer, Texts) and not item.answer.outputs[0].finished for item in readable)
    if unknown and model.processor and getattr(model.processor.input, "has_unknown", True):
        places = f"{unknown} input{'s' * (unknown > 1)}"
        print(f"note: symbols that training does not have are read as <unk>, in {places}", file=sys.stderr)
    if cut and isinstance(predictor, Predictor):
        more = f"{predictor.decoding.max_length} tokens; --max-length=N allows more"
        print(f"note: {cut} of the outputs had not ended after {more}", file=sys.stderr)
    return 2 if faults else 0


def _predictor(model: TrainedModel, options: PredictOptions) -> Predictor | Classifier:
    """Return what answers inputs; refuse options that the model does not have."""
    if model.spec.target == "tokens":
        return Predictor(model, options.decoding_of(model.config), options.n_best, options.seed or 0)
    options.check_without_decoder(model.config.task.name, model.spec)
    return Classifier(model)


def _encode(number: int, item: Input, model: TrainedModel) -> Item:
    """Return the input as the model reads it, or say on stderr in one line why it cannot."""
    encoded, fault = np.zeros(0), item.fault and f"{shorten(item.name) if item.line else item.name}: {item.fault}"
    if not fault:
        try:
            encoded = model.encode(item.source)
        except UserError as error:
            is_table = isinstance(model.config.task, Dataset) and suffix(Path(item.source)) in DELIMITERS
            fault = f"{error}; --source={item.name} reads the rows of a table" if is_table else str(error)
        except OSError as error:
            fault = f"{item.name}: cannot be read: {error.strerror or error}"
    if fault:
        fault = item.complaint(fault)
        print(f"error: {visible(fault)}", file=sys.stderr)
    return Item(number, item, encoded, fault)


def _rows(source: str, model: TrainedModel) -> Iterator[list[Item]]:
    """Yield the inputs of the rows of a source of data, a chunk at a time."""
    task, processor = model.config.task, model.processor
    if not isinstance(task, Dataset) or processor is None:
        raise UserError(f"--source={source}: must be absent, as the data of the task {task.name} are fixed")
    numbers, task = itertools.count(1), task.with_columns(processor)

    def encode(rows: Rows, row: int, columns: list[str]) -> Item:
        value, encoded, fault, place = None, np.zeros(0), "", rows.place(row)
        try:
            value = task.input.load(task.input.read(rows[row], columns, rows.folder))
            encoded = processor.input.encode(value)
        except (UserError, ValueError) as error:
            fault = f"{place}: column {', '.join(columns)} {error}"
            print(f"error: {fault}", file=sys.stderr)
        return Item(next(numbers), Input(place, place), encoded, fault, value)

    read = replace(task, source=source, train="", validation="", test="", on_error="skip", extra_train="", joined=0)
    for rows in read.read().values():
        damaged = [Item(next(numbers), Input(fault, fault), np.zeros(0), fault) for fault in rows.faults]
        for item in damaged:
            print(f"error: {item.fault}", file=sys.stderr)
        yield damaged
        columns = task.input_columns(rows, source)
        for start in range(0, len(rows), CHUNK):
            yield [encode(rows, row, columns) for row in range(start, min(start + CHUNK, len(rows)))]


def _draw(items: Sequence[Item], predictor: Predictor, path: Path, numbered: bool) -> None:
    """Draw the alignment of the best output of each input."""
    from research.reporting import figures

    texts = [item.answer for item in items if isinstance(item.answer, Texts)]
    encoded, best = [item.encoded for item in items], [text.outputs[0] for text in texts]
    processor = predictor.model.processor
    for item, text, weights in zip(items, texts, predictor.alignments(encoded, best), strict=True):
        axis = Axis(name="steps")
        if processor:
            axis = processor.axis(item.input.source) if item.value is None else processor.input.axis(item.value)
        place = path.with_stem(f"{path.stem}-{item.number}") if numbered else path
        alignment = alignment_of(predictor.model, text, weights, axis, len(item.encoded), item.input.name)
        try:
            figures.draw_alignment(alignment, place)
        except OSError as error:
            raise UserError(f"--alignment={place}: cannot be written: {error.strerror or error}") from error
        item.alignment = place


def _print(item: Item, options: PredictOptions, named: bool) -> None:
    if options.format == "json":
        answer = {"error": visible(item.fault)} if item.answer is None else item.answer.to_dict()
        figure = {"alignment": str(item.alignment)} if item.alignment else {}
        ascii_only = codecs.lookup(sys.stdout.encoding or "utf-8").name != "utf-8"
        print(json.dumps({"input": escape(item.input.name), **answer, **figure}, ensure_ascii=ascii_only))
    elif item.answer is not None:
        name = [item.input.name] if named else []
        for columns in item.answer.columns(options.n_best):
            print("\t".join(map(escape, [*name, *columns])))
