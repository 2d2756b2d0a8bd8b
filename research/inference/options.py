"""What `predict` is asked: its command line, and what the run's own way to decode becomes by it."""

import argparse
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from research import catalogue
from research.config import METHOD_OPTIONS, Config, DecodingConfig
from research.errors import UserError

DESCRIPTION = """\
What a trained model says of an input: a word, a sentence or the file of a sound, as the run's task has it.
INPUT is a text, a file, a folder of files (all, at any depth), or - (texts: the lines of the standard input; else: one
file on it). Without options a model decodes as in its evaluation."""
IMAGES = (".png", ".svg", ".pdf")
MOST_DRAWS = 1000


@dataclass(frozen=True)
class Options:
    """Of one command."""

    run: Path
    inputs: tuple[str, ...]
    decoding: dict[str, Any]
    """Given options of `DecodingConfig`."""
    seed: int | None
    n_best: int
    alignment: Path | None
    format: Literal["text", "json"]

    def decoding_of(self, config: Config) -> DecodingConfig:
        """The run's decoding with what is given; another method leaves the options of the run's own behind.

        Raises:
            UserError: for a value that is not allowed, or that the method or the model does not read.
        """
        own = config.decoding
        method = self.decoding.get("method", own.method)
        left = {name for names in METHOD_OPTIONS.values() for name in names} if method != own.method else set()
        kept = {item.name: getattr(own, item.name) for item in fields(own) if item.name not in left}
        decoding = replace(config, decoding=DecodingConfig(**kept | self.decoding)).decoding
        if self.seed is not None and method != "sample":
            raise UserError(f"--seed={self.seed}: must not be given with decoding.method={method}, which draws nothing")
        most, reason = {
            "greedy": (1, "as decoding.method=greedy has one output"),
            "beam": (decoding.beam_size, "which is decoding.beam_size"),
            "sample": (MOST_DRAWS, "the most that are drawn"),
        }[method]
        if self.n_best > most:
            raise UserError(f"--n-best={self.n_best}: must be at most {most}, {reason}")
        weighs = catalogue.entries("attentions")[config.model.attention].weighs
        if self.alignment and not weighs:
            raise UserError(f"--alignment: model.attention={config.model.attention} has no weights that could be drawn")
        return decoding


def add_to(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run directory, such as runs/attention/TRIAL")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="a text, a file, a folder, or -")
    decoding = parser.add_argument_group("decoding (default: as the run's evaluation, decoding.*)")
    decoding.add_argument("--method", choices=["greedy", "beam", "sample"], help="how outputs are found")
    decoding.add_argument("--beam-size", type=_whole, metavar="N", help="beam: hypotheses kept at each step")
    decoding.add_argument("--length-penalty", type=_number, metavar="X", help="beam: favour of long outputs")
    decoding.add_argument("--coverage-penalty", type=_number, metavar="X", help="beam: price of what got no attention")
    decoding.add_argument("--temperature", type=_number, metavar="X", help="sample: divides the logits")
    decoding.add_argument("--top-k", type=_whole, metavar="N", help="sample: from the N likeliest tokens; 0: from all")
    decoding.add_argument("--seed", type=_whole, metavar="N", help="sample: of the draws (default: 0)")
    decoding.add_argument("--min-length", type=_whole, metavar="N", help="least tokens of an output")
    decoding.add_argument(
        "--max-length", type=_whole, metavar="N", help="most, with the end mark; 0: as the longest target in training"
    )
    parser.add_argument("--n-best", type=_whole, default=1, metavar="N", help="outputs of an input, with their scores")
    drawn = "draw the attention (.png, .svg, .pdf); of several inputs: FILE-1.png, FILE-2.png, ..."
    parser.add_argument("--alignment", type=Path, metavar="FILE", help=drawn)
    parser.add_argument("--format", choices=["text", "json"], default="text", help="json: an object a line")


def of(found: argparse.Namespace) -> Options:
    """The options, checked as far as they can be without the run.

    Raises:
        UserError: for a value that is not allowed.
    """
    if found.n_best < 1:
        raise UserError(f"--n-best={found.n_best}: must be at least 1")
    if found.seed is not None and not 0 <= found.seed < 2**31:
        raise UserError(f"--seed={found.seed}: must be between 0 and 2**31 - 1")
    if found.inputs.count("-") > 1:
        raise UserError("-: must be given once, as there is one standard input")
    if found.alignment:
        _check_place(found.alignment)
    given = {item.name: getattr(found, item.name) for item in fields(DecodingConfig)}
    decoding = {name: value for name, value in given.items() if value is not None}
    return Options(found.run, tuple(found.inputs), decoding, found.seed, found.n_best, found.alignment, found.format)


def _check_place(path: Path) -> None:
    """See now, not when all is computed, that a figure can be written."""
    if path.suffix.lower() not in IMAGES:
        raise UserError(f"--alignment={path}: must end in one of {', '.join(IMAGES)}")
    if not path.parent.is_dir():
        raise UserError(f"--alignment={path}: the folder {path.parent} does not exist")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise UserError(f"--alignment={path}: cannot be written")


def _whole(text: str) -> int:
    if not text.removeprefix("-").isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: must be a number") from None
