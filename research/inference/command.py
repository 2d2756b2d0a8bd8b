"""The command `predict`: inputs in, a line for each out.

Inputs are taken a chunk at a time, so that the first outputs come before the last inputs are read. One that cannot be
read is a line on stderr; the others are answered.
"""

import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from research.batch import END
from research.errors import UserError
from research.predicting import inputs, restored
from research.predicting.inputs import Given
from research.predicting.options import Options
from research.predicting.predictor import Output, Predictor, shortening
from research.predicting.restored import Restored
from research.tasks.reader import Reader
from research.training import compilation, devices

CHUNK = 256


@dataclass
class Answer:
    """An input and what came of it."""

    number: int
    """Of the input, from 1."""
    given: Given
    read: np.ndarray | None = None
    """What the model reads."""
    fault: str = ""
    """Why it reads nothing."""
    outputs: Sequence[Output] = ()
    alignment: Path | None = None
    """Where it is drawn."""


def predict(options: Options) -> int:
    """Print what the model says of each input; returns the exit code: 0, or 2 if one could not be read.

    Raises:
        UserError: if nothing can be predicted, for whatever reason.
    """
    devices.require()
    compilation.keep_programs()
    model = restored.restore(options.run)
    predictor = Predictor(model, options.decoding_of(model.config), options.n_best, options.seed or 0)
    if not model.finished:
        steps = model.config.training.steps
        print(
            f"note: {options.run}: unfinished; its checkpoint of step {model.step} of {steps} is used", file=sys.stderr
        )
    named = inputs.several(options.inputs, model.reader.kind)
    faults = cut = 0
    with tempfile.TemporaryDirectory() as folder:
        every = enumerate(inputs.given(options.inputs, model.reader.kind, Path(folder)), start=1)
        for chunk in _chunks(every):
            answers = [_read(number, given, model) for number, given in chunk]
            readable = [answer for answer in answers if answer.read is not None]
            _answer(readable, predictor)
            if options.alignment:
                _draw(readable, predictor, options.alignment, numbered=named)
            for answer in answers:
                _print(answer, model.reader, options, named)
            sys.stdout.flush()
            faults += len(answers) - len(readable)
            cut += sum(not answer.outputs[0].finished for answer in readable)
    if cut:
        more = f"{predictor.longest} tokens; --max-length=N allows more"
        print(f"note: {cut} of the outputs had not ended after {more}", file=sys.stderr)
    return 2 if faults else 0


def _chunks(every: Iterator[tuple[int, Given]]) -> Iterator[list[tuple[int, Given]]]:
    while chunk := list(itertools.islice(every, CHUNK)):
        yield chunk


def _read(number: int, given: Given, model: Restored) -> Answer:
    """The input as the model reads it, or one line about why it cannot.

    Raises:
        UserError: if the run's reader is not that of its model.
    """
    fault = f"{given.name}: {given.fault}" if given.fault else ""
    read = None
    if not fault:
        try:
            read = model.reader.read(given.content)
            fault = "" if len(read) else f"{given.name}: holds nothing that the model reads"
        except UserError as error:
            fault = str(error)
        except OSError as error:
            fault = f"{given.name}: cannot be read: {error.strerror or error}"
    wanted = model.interface.input_size
    if read is not None and read.ndim == 2 and read.shape[1] != wanted:
        raise UserError(
            f"reader.json of the run makes {read.shape[1]} features of a step; must be {wanted}, as it reads"
        )
    fault = " ".join(given.complaint(fault).split("\n")) if fault else ""
    if fault:
        print(f"error: {fault}", file=sys.stderr)
    return Answer(number, given, None if fault else read, fault)


def _answer(answers: Sequence[Answer], predictor: Predictor) -> None:
    found = predictor.outputs([answer.read for answer in answers if answer.read is not None])
    for answer, outputs in zip(answers, found, strict=True):
        answer.outputs = outputs


def _draw(answers: Sequence[Answer], predictor: Predictor, path: Path, numbered: bool) -> None:
    """Draw the alignment of the best output of each."""
    from research.reporting import figures
    from research.reporting.figures.alignment import Alignment

    reader, factor = predictor.model.reader, shortening(predictor.model.config.model)
    read = [answer.read for answer in answers if answer.read is not None]
    found = predictor.alignments(read, [answer.outputs[0] for answer in answers])
    for answer, source, weights in zip(answers, read, found, strict=True):
        axis, steps = reader.axis(answer.given.content), len(source)
        edges = np.minimum(np.arange(weights.shape[1] + 1) * factor, steps)
        scale = 1.0 if axis.extent is None else axis.extent / steps
        said = _labels(answer.outputs[0], reader)
        place = path.with_stem(f"{path.stem}-{answer.number}") if numbered else path
        drawn = Alignment(
            weights,
            said,
            edges * scale,
            axis.name,
            answer.given.name,
            axis.labels,
            axis.picture,
            reader.kind,
            axis.heights,
        )
        try:
            figures.draw_alignment(drawn, place)
        except OSError as error:
            raise UserError(f"--alignment={place}: cannot be written: {error.strerror or error}") from error
        answer.alignment = place


def _labels(output: Output, reader: Reader) -> list[str]:
    """Of all that is said, marks included."""
    names = iter(reader.said(output.tokens))
    plain = set(output.tokens)
    return [next(names) if token in plain else "end" if token == END else "mark" for token in output.said]


def _print(answer: Answer, reader: Reader, options: Options, named: bool) -> None:
    if options.format == "json":
        print(json.dumps(_object(answer, reader), ensure_ascii=False))
        return
    name = [_plain(answer.given.name)] if named else []
    for output in answer.outputs:
        score = [f"{output.score:.4f}"] if options.n_best > 1 else []
        print("\t".join([*name, *score, _plain(reader.text(output.tokens))]))


def _object(answer: Answer, reader: Reader) -> dict[str, object]:
    name = _unicode(answer.given.name)
    if answer.fault:
        return {"input": name, "error": answer.fault}
    outputs = [
        {
            "text": reader.text(output.tokens),
            "score": output.score,
            "log_probability": output.log_probability,
            "tokens": len(output.said),
            "finished": output.finished,
        }
        for output in answer.outputs
    ]
    drawn = {"alignment": str(answer.alignment)} if answer.alignment else {}
    return {"input": name, "outputs": outputs, **drawn}


def _plain(text: str) -> str:
    """The text on one line and in one column."""
    for char, written in (("\t", "\\t"), ("\r", "\\r"), ("\n", "\\n")):
        text = text.replace(char, written)
    return _unicode(text)


def _unicode(text: str) -> str:
    """A path need not be UTF-8."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
