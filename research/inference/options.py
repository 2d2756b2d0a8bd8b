"""Options of `predict`, and how they change the decoding of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from research.batch import TaskSpec
from research.config import Config
from research.config.flat import override
from research.errors import UserError
from research.options import require, require_image
from research.seq2seq.decoding import Decoding, Sample

MAX_DRAWS = 1000
DECODING = ("beam_size", "length_penalty", "coverage_penalty", "temperature", "top_k", "min_length", "max_length")
"""Options of `decoding` that a command may change."""


@dataclass(frozen=True)
class PredictOptions:
    """Print what a trained model predicts for each input: a text, a class, a label for each step, or a value.

    An input is what the run's task reads: a text, an audio or image file, or an array of features [T, D] or tokens [T]
    in a .npy, .npz or JSON file. A folder stands for all such files in it, at any depth, and - for the standard input:
    a text a line, or one file. Without options a model decodes as in its evaluation.
    """

    run: Path
    """Run directory, such as runs/attention/TRIAL."""
    inputs: tuple[str, ...]
    """Texts, files, folders, or -; none with --source."""
    source: str = ""
    """Instead of INPUTS, for a run of the task dataset: data as task.source takes; a line for each row."""
    decoding: Literal["greedy", "beam", "sample"] | None = None
    """How outputs are found; by default, as the options below, as in the run's evaluation."""
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
    """Sample: decides what is drawn; by default 0."""
    min_length: int | None = None
    """Least tokens of an output."""
    max_length: int | None = None
    """Most tokens of an output, with the end mark; 0: as the longest target in training."""
    n_best: int = 1
    """Outputs for an input, with their scores; classes, with their probabilities."""
    alignment: Path | None = None
    """Draw the attention to this file (.png, .svg, .pdf); of several inputs to FILE-1.png, FILE-2.png, ..."""
    format: Literal["text", "json"] = "text"
    """What is printed for each input; json: an object a line, with the scores or the probabilities of all classes."""

    def __post_init__(self) -> None:
        if bool(self.inputs) == bool(self.source):
            raise UserError("INPUT: must be at least one text, file or folder, or -; or else --source must be given")
        if self.inputs.count("-") > 1:
            raise UserError("-: must be given once, as there is one standard input")
        require(self.n_best >= 1, "--n-best", self.n_best, "at least 1")
        require(0 <= (self.seed or 0) < 2**31, "--seed", self.seed, "between 0 and 2**31 - 1")
        if self.alignment:  # now, not when all is computed
            require_image("--alignment", self.alignment)

    def decoding_of(self, config: Config) -> Decoding:
        """Return the run's decoding with the command's options; another name leaves the run's other options behind.

        Raises:
            UserError: for a value that is not allowed, or that the decoding or the model does not have.
        """
        name = self.decoding or config.decoding.name
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

    def check_without_decoder(self, task: str, spec: TaskSpec) -> None:
        """Reject what only a decoder has, and more outputs than there are classes.

        Raises:
            UserError: naming the option.
        """
        for key in ("decoding", *DECODING, "seed", "alignment"):
            value = getattr(self, key)
            allowed = f"absent, as a model for {task} has no decoder"
            require(value is None, f"--{key.replace('_', '-')}", value, allowed)
        most = spec.target_size if spec.target == "class" else 1
        require(
            self.n_best <= most, "--n-best", self.n_best, f"at most {most}, as the target of {task} is a {spec.target}"
        )
