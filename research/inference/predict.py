"""The command `predict`: a line of output for each input.

Inputs are taken a chunk at a time, so that the first outputs come before the last inputs are read. One that cannot be
read is a line on stderr; the others are answered.
"""

import itertools
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from research.batch import EOS
from research.data.processor import Processor
from research.errors import UserError
from research.inference import inputs
from research.inference.inputs import Input
from research.inference.options import PredictOptions
from research.inference.predictor import Output, Predictor, shortening
from research.inference.restore import restore
from research.training import compilation, devices

CHUNK = 256


@dataclass
class Answer:
    """An input and its outputs."""

    number: int
    """Number of the input, from 1."""
    input: Input
    encoded: np.ndarray
    """What the model reads."""
    fault: str
    """Why it reads nothing; empty: it does."""
    outputs: Sequence[Output] = ()
    alignment: Path | None = None
    """Path of its figure."""


def predict(options: PredictOptions) -> int:
    """Print what the model predicts of each input; return the exit code: 0, or 2 if an input could not be read.

    Raises:
        UserError: if nothing can be predicted, for whatever reason.
    """
    devices.require()
    compilation.enable_cache()
    model = restore(options.run)
    predictor = Predictor(model, options.decoding_of(model.config), options.n_best, options.seed or 0)
    if not model.finished:
        steps = model.config.training.steps
        print(f"note: {options.run}: unfinished; uses its checkpoint of step {model.step} of {steps}", file=sys.stderr)
    kind = model.processor.kind
    named = inputs.are_named(options.inputs, kind)
    faults = cut = 0
    with tempfile.TemporaryDirectory() as folder:
        numbered = enumerate(inputs.read(options.inputs, kind, Path(folder)), start=1)
        while chunk := list(itertools.islice(numbered, CHUNK)):
            answers = [_encode(number, item, model.processor) for number, item in chunk]
            readable = [answer for answer in answers if not answer.fault]
            outputs = predictor.outputs([answer.encoded for answer in readable])
            for answer, best_first in zip(readable, outputs, strict=True):
                answer.outputs = best_first
            if options.alignment:
                _draw(readable, predictor, options.alignment, numbered=named)
            for answer in answers:
                _print(answer, model.processor, options, named)
            sys.stdout.flush()
            faults += len(answers) - len(readable)
            cut += sum(not answer.outputs[0].finished for answer in readable)
    if cut:
        more = f"{predictor.decoding.max_length} tokens; --max-length=N allows more"
        print(f"note: {cut} of the outputs had not ended after {more}", file=sys.stderr)
    return 2 if faults else 0


def _encode(number: int, item: Input, processor: Processor) -> Answer:
    """Return the input as the model reads it, or say on stderr in one line why it cannot."""
    encoded, fault = np.zeros(0), item.fault and f"{item.name}: {item.fault}"
    if not fault:
        try:
            encoded = processor.encode(item.source)
            fault = "" if len(encoded) else f"{item.name}: holds nothing that the model reads"
        except UserError as error:
            fault = str(error)
        except OSError as error:
            fault = f"{item.name}: cannot be read: {error.strerror or error}"
    if fault:
        fault = " ".join(item.complaint(fault).split("\n"))
        print(f"error: {fault}", file=sys.stderr)
    return Answer(number, item, encoded, fault)


def _draw(answers: Sequence[Answer], predictor: Predictor, path: Path, numbered: bool) -> None:
    """Draw the alignment of the best output of each input."""
    from research.reporting import figures
    from research.reporting.figures.alignment import Alignment

    processor, factor = predictor.model.processor, shortening(predictor.model.config.model)
    encoded, best = [answer.encoded for answer in answers], [answer.outputs[0] for answer in answers]
    for answer, weights in zip(answers, predictor.alignments(encoded, best), strict=True):
        axis, steps = processor.axis(answer.input.source), len(answer.encoded)
        edges = np.minimum(np.arange(weights.shape[1] + 1) * factor, steps)
        scale = 1.0 if axis.extent is None else axis.extent / steps
        place = path.with_stem(f"{path.stem}-{answer.number}") if numbered else path
        alignment = Alignment(
            weights=weights,
            predicted=_labels(answer.outputs[0], processor),
            edges=edges * scale,
            name=axis.name,
            title=answer.input.name,
            labels=axis.labels,
            picture=axis.picture,
            kind=processor.kind,
            heights=axis.heights,
        )
        try:
            figures.draw_alignment(alignment, place)
        except OSError as error:
            raise UserError(f"--alignment={place}: cannot be written: {error.strerror or error}") from error
        answer.alignment = place


def _labels(output: Output, processor: Processor) -> list[str]:
    """Return a label for each predicted token, marks included."""
    names = iter(processor.symbols(output.tokens))
    symbols = set(output.tokens)
    return [next(names) if token in symbols else "end" if token == EOS else "mark" for token in output.sequence]


def _print(answer: Answer, processor: Processor, options: PredictOptions, named: bool) -> None:
    if options.format == "json":
        print(json.dumps(_to_dict(answer, processor), ensure_ascii=False))
        return
    name = [_escape(answer.input.name)] if named else []
    for output in answer.outputs:
        score = [f"{output.score:.4f}"] if options.n_best > 1 else []
        print("\t".join([*name, *score, _escape(processor.decode(output.tokens))]))


def _to_dict(answer: Answer, processor: Processor) -> dict[str, object]:
    name = _unicode(answer.input.name)
    if answer.fault:
        return {"input": name, "error": answer.fault}
    outputs = [
        {
            "text": processor.decode(output.tokens),
            "score": output.score,
            "log_probability": output.log_probability,
            "tokens": len(output.sequence),
            "finished": output.finished,
        }
        for output in answer.outputs
    ]
    figure = {"alignment": str(answer.alignment)} if answer.alignment else {}
    return {"input": name, "outputs": outputs, **figure}


def _escape(text: str) -> str:
    """Return the text on one line and in one column."""
    return _unicode(text.translate(str.maketrans({"\t": r"\t", "\r": r"\r", "\n": r"\n"})))


def _unicode(text: str) -> str:
    """Return text that can be written; a path need not be UTF-8."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
