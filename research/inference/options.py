"""Options of `predict`, and how they change the decoding of a run."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from research.config import Config
from research.config.flat import override
from research.errors import UserError
from research.options import require
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
        if self.inputs.count("-") > 1:
            raise UserError("-: must be given once, as there is one standard input")
        require(self.n_best >= 1, "--n-best", self.n_best, "at least 1")
        require(0 <= (self.seed or 0) < 2**31, "--seed", self.seed, "between 0 and 2**31 - 1")
        if self.alignment:  # now, not when all is computed
            folder = self.alignment.parent
            valid = folder.is_dir() and os.access(folder, os.W_OK) and not self.alignment.is_dir()
            require(valid, "--alignment", self.alignment, "a file that can be written to")
            images = f"a file that ends in one of {', '.join(IMAGES)}"
            require(self.alignment.suffix.lower() in IMAGES, "--alignment", self.alignment, images)

    def decoding_of(self, config: Config) -> Decoding:
        """Return the run's decoding with the command's options; another method leaves the run's method's behind.

        Raises:
            UserError: for a value that is not allowed, or that the method or the model does not have.
        """
        name = self.method or config.decoding.name
        changes: dict[str, Any] = {"decoding.name": name}
        if name != config.decoding.name:
            changes |= {f"decoding.{key}": getattr(config.decoding, key) for key in ("min_length", "max_length")}
        changes |= {f"decoding.{key}": value for key in DECODING if (value := getattr(self, key)) is not None}
        decoding = override(config, changes).decoding
        draws = isinstance(decoding, Sample)
        if self.seed is not None and not draws:
            raise UserError(f"--seed={self.seed}: must be absent with decoding.name={name}, which draws nothing")
        most = MAX_DRAWS if draws else decoding.num_hypotheses
        require(self.n_best <= most, "--n-best", self.n_best, f"at most {most} with decoding.name={name}")
        if self.alignment and not config.attention.has_weights:
            raise UserError(f"--alignment: attention.name={config.attention.name} has no weights that could be drawn")
        return decoding
