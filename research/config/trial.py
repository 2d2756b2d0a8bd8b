"""One trial: all sections, and the checks that concern more than one of them."""

from dataclasses import dataclass, field, fields

from research import catalogue
from research.config.checks import require
from research.config.model import AttentionConfig, CellConfig, InitConfig, ModelConfig
from research.config.task import PixelsConfig, TaskConfig
from research.config.training import NOISE, InputConfig, ProbesConfig, TrackingConfig, TrainingConfig
from research.config.words import DecodingConfig, ForcingConfig


@dataclass(frozen=True)
class Config:
    """One trial."""

    experiment: str = ""
    """Experiment that the trial belongs to: a file of `experiments/`."""
    setting: str = ""
    """Named options of the experiment that fix the task and the budget; flags override them."""
    arm: str = ""
    """Named options of the experiment that are compared; flags override them."""
    seed: int = 0
    """Decides the initial weights and every random draw of the training."""
    task: TaskConfig = field(default_factory=PixelsConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    cell: CellConfig = field(default_factory=CellConfig)
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    forcing: ForcingConfig = field(default_factory=ForcingConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    init: InitConfig = field(default_factory=InitConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    input: InputConfig = field(default_factory=InputConfig)
    probes: ProbesConfig = field(default_factory=ProbesConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**31, "seed", self.seed, "between 0 and 2**31 - 1")
        self.cell.check(self.model.cell)
        self.attention.check(self.model.attention)
        if self.model.attention == "multi_head":
            heads, width = self.attention.heads, self.cell.projection or self.model.features
            width *= self.model.layers if self.model.skip else 1
            settled = self.cell.projection or not self.model.parameter_budget  # else widths are tried out
            fits = width % heads == 0 or not settled
            require(fits, "attention.heads", heads, f"a divisor of the decoder's {width} features")
        beta, reason = self.decoding.coverage_penalty, f"as model.attention={self.model.attention} has no weights"
        weighs = catalogue.entries("attentions")[self.model.attention].weighs
        require(weighs or beta == 0, "decoding.coverage_penalty", beta, f"0.0, {reason}")
        dropped = self.training.attention_dropout
        require(weighs or dropped == 0, "training.attention_dropout", dropped, f"0, {reason}")
        if not self.task.decodes:  # no decoder would read these
            reason = f"as the task {self.task.name} has no decoder"
            dropped, features = self.training.input_dropout, f"0, {reason} and its input is no tokens"
            require(self.task.embedded or dropped == 0, "training.input_dropout", dropped, features)
            require(self.model.attention == "none", "model.attention", self.model.attention, f"none, {reason}")
            policy = self.forcing.policy
            require(policy == "always", "forcing.policy", policy, f"always, {reason}")
            for item in fields(self.decoding):
                value = getattr(self.decoding, item.name)
                require(value == item.default, f"decoding.{item.name}", value, f"{item.default}, {reason}")
            require(not self.model.readout, "model.readout", self.model.readout, f"0, {reason}")
            require(not self.model.tied, "model.tied", self.model.tied, f"False, {reason}")
        if self.task.lengths_differ:
            every, reason = self.probes.gradient_flow_every, f"as inputs of {self.task.name} differ in length"
            require(every == 0, "probes.gradient_flow_every", every, f"0, {reason}")
        kind, every = self.model.subsampling, self.probes.gradient_flow_every
        reason = f"0 with model.subsampling={kind}, which leaves fewer steps than the profile has"
        require(every == 0 or kind == "none", "probes.gradient_flow_every", every, reason)
        reason = f"none, as the targets of {self.task.name} stand at its input's steps"
        require(kind == "none" or not self.task.labelled, "model.subsampling", kind, reason)
        smoothing, reason = self.training.label_smoothing, f"0, as the targets of {self.task.name} are values"
        require(smoothing == 0 or not self.task.valued, "training.label_smoothing", smoothing, reason)
        self._check_zoneout()
        if self.model.backend == "cudnn":
            self._check_cudnn()

    def _check_zoneout(self) -> None:
        training, every = self.training, self.probes.gradient_flow_every
        held = training.zoneout_h > 0 or training.zoneout_c > 0
        reason = "0 with zoneout, as the profile reads what a step computes, and not what is held"
        require(every == 0 or not held, "probes.gradient_flow_every", every, reason)
        more = catalogue.entries("cells")[self.model.cell].carries_more
        reason = f"0, as the state of {self.model.cell} is h alone, or its parts have a scale of their own at each step"
        require(more or training.zoneout_c == 0, "training.zoneout_c", training.zoneout_c, reason)

    def _check_cudnn(self) -> None:
        """Reject what only the scan can do."""
        asked = {f"cell.{item.name}": (getattr(self.cell, item.name), item.default) for item in fields(self.cell)}
        asked["probes.gradient_flow_every"] = (self.probes.gradient_flow_every, 0)
        for name, default in (("checkpoint_every", 0), ("truncate_every", 0), ("precision", "float32")):
            asked[f"model.{name}"] = (getattr(self.model, name), default)
        within = [name for name in NOISE if name.startswith(("recurrent", "zoneout"))]
        within.append("gradient_regulariser")
        asked |= {f"training.{name}": (getattr(self.training, name), 0.0) for name in within}
        for key, (value, default) in asked.items():
            require(value == default, key, value, f"{default} with model.backend=cudnn, or the backend auto or scan")
