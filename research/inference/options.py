"""Options of `predict`, and how they change the decoding of a run."""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from research.config import Config
from research.config.flat import override
from research.errors import UserError
from research.seq2seq.decoding import Decoding, Sample

IMAGES = (".png", ".svg", ".pdf")
MAX_DRAWS = 1000
DECODING = ("beam_size", "length_penalty", "coverage_penalty", "temperature", "top_k", "min_length", "max_length")
"""Options of `decoding` that a command may change."""


@dataclass(frozen=True)
class PredictOptions:
    """What a trained model predicts of inputs: a word, a sentence, the file of a recording, as the run's task has it.

    An input is a text, a file, a folder of files (all, at any depth), or - (texts: the lines of the standard input;
    else: one file on it). Without options a model decodes as in its evaluation.
    """

    run: Path
    """Run directory, such as runs/attention/TRIAL."""
    inputs: tuple[str, ...]
    """Texts, files, folders, or -."""
    method: Literal["greedy", "beam", "sample"] | None = None
    """How outputs are found; None, here and below: as in the run's evaluation."""
    beam_size: int | None = None
    """Beam: hypotheses kept at each step."""
    length_penalty: float | None = None
    """Beam: preference for long outputs."""
    coverage_penalty: float | None = None
    """Beam: penalty for source steps without attention."""
    temperature: float | None = None
    """Sample: divides the logits."""
    top_k: int | None = None
    """Sample: from the N likeliest tokens; 0: from all."""
    seed: int | None = None
    """Sample: decides what is drawn; None: 0."""
    min_length: int | None = None
    """Least tokens of an output."""
    max_length: int | None = None
    """Most tokens of an output, with the end mark; 0: as the longest target in training."""
    n_best: int = 1
    """Outputs of an input, with their scores."""
    alignment: Path | None = None
    """Draw the attention to this file (.png, .svg, .pdf); of several inputs to FILE-1.png, FILE-2.png, ..."""
    format: Literal["text", "json"] = "text"
    """json: an object a line."""

    def __post_init__(self) -> None:
        if not self.inputs:
            raise UserError("INPUT: must be at least one text, file or folder, or -")
        if self.n_best < 1:
            raise UserError(f"--n-best={self.n_best}: must be at least 1")
        if self.seed is not None and not 0 <= self.seed < 2**31:
            raise UserError(f"--seed={self.seed}: must be between 0 and 2**31 - 1")
        if self.inputs.count("-") > 1:
            raise UserError("-: must be given once, as there is one standard input")
        if self.alignment:
            _check_figure(self.alignment)

    def decoding_of(self, config: Config) -> Decoding:
        """Return the run's decoding with the command's options; another method leaves the run's method's behind.

        Raises:
            UserError: for a value that is not allowed, or that the method or the model does not have.
        """
        name = self.method or config.decoding.name
        lengths = {item.name: getattr(config.decoding, item.name) for item in fields(Decoding) if item.name != "name"}
        kept = lengths if name != config.decoding.name else {}
        options = {key: value for key in DECODING if (value := getattr(self, key)) is not None}
        changes = {f"decoding.{key}": value for key, value in {"name": name, **kept, **options}.items()}
        decoding = override(config, changes).decoding
        draws = isinstance(decoding, Sample)
        if self.seed is not None and not draws:
            raise UserError(f"--seed={self.seed}: must be absent with decoding.name={name}, which draws nothing")
        most = MAX_DRAWS if draws else decoding.num_hypotheses
        if self.n_best > most:
            raise UserError(f"--n-best={self.n_best}: must be at most {most} with decoding.name={name}")
        if self.alignment and not config.attention.has_weights:
            raise UserError(f"--alignment: attention.name={config.attention.name} has no weights that could be drawn")
        return decoding


def _check_figure(path: Path) -> None:
    """See now, not when all is computed, that a figure can be written."""
    if path.suffix.lower() not in IMAGES:
        raise UserError(f"--alignment={path}: must end in one of {', '.join(IMAGES)}")
    if not path.parent.is_dir():
        raise UserError(f"--alignment={path}: the folder {path.parent} does not exist")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise UserError(f"--alignment={path}: cannot be written")
