"""Options of the sequence-to-sequence model, its noise and its decoding, and checks across them."""

import functools
from dataclasses import dataclass, field, fields
from typing import Literal

from research.cells.cell import Cell
from research.cells.initializers import InitOptions
from research.cells.lstm import LSTM
from research.options import require
from research.recurrence.dropout import DropoutOptions, ZoneoutOptions, check_cell
from research.seq2seq.attention import Attention, NoAttention
from research.seq2seq.decoding import Decoding, Greedy
from research.seq2seq.model_options import ModelOptions
from research.seq2seq.teacher_forcing import TeacherForcingOptions

__all__ = ["ModelOptions", "Seq2seqOptions"]


@dataclass(frozen=True)
class Seq2seqOptions:
    """Options of a model, its noise and its decoding."""

    model: ModelOptions = field(default_factory=ModelOptions)
    cell: Cell = field(default_factory=LSTM)
    attention: Attention = field(default_factory=NoAttention)
    teacher_forcing: TeacherForcingOptions = field(default_factory=TeacherForcingOptions)
    decoding: Decoding = field(default_factory=Greedy)
    init: InitOptions = field(default_factory=InitOptions)
    dropout: DropoutOptions = field(default_factory=DropoutOptions)
    zoneout: ZoneoutOptions = field(default_factory=ZoneoutOptions)

    def __post_init__(self) -> None:
        model, cell, attention = self.model, self.cell, self.attention
        # With a parameter budget the size is not known yet: `resolve_hidden_size` checks it.
        if not model.parameter_budget or cell.widths(1)[0] == cell.widths(2)[0]:
            layers = model.num_layers if model.skip_connections else 1
            attention.check_query_size(layers * cell.widths(model.hidden_size)[0])
        self.decoding.check_attention(attention)
        rate = self.dropout.attention
        weighted = attention.has_weights or rate == 0
        require(weighted, "dropout.attention", rate, f"0, as attention.name={attention.name} has no weights")
        check_cell(cell, self.dropout, self.zoneout)
        if model.backend == "cudnn":  # reject options that need the scan
            reason = " with model.backend=cudnn, or the backend auto or scan"
            _require_defaults(self, "cell", reason)
            _require_defaults(self, "zoneout", reason)
            _require_defaults(self, "dropout", reason, "recurrent")
            _require_defaults(self, "model", reason, "remat_every", "tbptt_steps", "compute_dtype")

    def check_task(
        self, inputs: Literal["features", "tokens"], target: Literal["tokens", "labels", "class", "value"]
    ) -> None:
        """Raise a UserError for options that a task of this kind does not use."""
        subsampling = self.model.subsampling
        reason = "none, as the task has a label for each step of its input"
        require(subsampling == "none" or target != "labels", "model.subsampling", subsampling, reason)
        if target == "tokens":
            return
        rate, reason = self.dropout.input, "as the task has no decoder"
        require(inputs == "tokens" or rate == 0, "dropout.input", rate, f"0, {reason} and its inputs are not tokens")
        if variant := getattr(self, "variant", ""):
            reason += f"; --variant={variant} may have set it"
        for section in ("attention", "teacher_forcing", "decoding"):
            _require_defaults(self, section, f", {reason}")
        _require_defaults(self, "model", f", {reason}", "readout_size", "tie_embeddings")

    @property
    def profile_names(self) -> tuple[str, ...]:
        """Names of the gradient profiles, one for each part of the carry of the encoder's top layer.

        For instance, `encoder/layer_2/forward/c` is the cell state of the top layer of two. The direction is `reverse`
        only with `model.reverse_source`.
        """
        direction = "reverse" if self.model.reverse_source else "forward"
        return tuple(f"encoder/layer_{self.model.num_layers}/{direction}/{part}" for part in self.cell.parts)

    @property
    def state_profile(self) -> str:
        """Name of the profile of the part that carries the gradient through time."""
        return self.profile_names[self.cell.parts.index(self.cell.state)]

    @property
    def carry_size(self) -> int:
        """Number of values that the encoder carries from step to step for one sequence, in all layers."""
        directions = 2 if self.model.bidirectional else 1
        return self.model.num_layers * directions * sum(self.cell.widths(self.model.hidden_size))


@functools.cache
def _defaults() -> Seq2seqOptions:
    return Seq2seqOptions()


def _require_defaults(options: Seq2seqOptions, section: str, reason: str, *names: str) -> None:
    """Reject options of a section, by default all of them, that differ from their defaults."""
    default, chosen = getattr(_defaults(), section), getattr(options, section)
    for name in () if chosen == default else names or [item.name for item in fields(default)]:
        value, allowed = getattr(chosen, name), getattr(default, name)
        require(value == allowed, f"{section}.{name}", value, f"{allowed}{reason}")
