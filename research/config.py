"""Every option of a trial, as frozen dataclasses.

The dotted name of a field is its command-line flag, its key in a sweep file, in `config.json` and in W&B. A trial is
named in full by its flat form (see `dotted`).
"""

import math
from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal, get_args

from research import catalogue
from research.errors import UserError

PIXELS = 784  # of one MNIST digit
LARGE = 1e6  # beyond all use, and far from where float32 ends
RecurrentInit = Literal["orthogonal", "glorot", "normal", "sparse", "identity"]
InputInit = Literal["glorot", "normal", "orthogonal"]
Backend = Literal["auto", "scan", "cudnn"]


def require(condition: bool, key: str, value: object, allowed: str) -> None:
    """Reject a value that no type can rule out."""
    if not condition:
        raise UserError(f"{key}={value}: must be {allowed}")


def require_positive(config: object, prefix: str, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        require(not value <= 0, f"{prefix}.{name}", value, "greater than 0")
        require(math.isfinite(value), f"{prefix}.{name}", value, "a finite number")


class TaskOptions:
    """What the checks below need to know of a task."""

    decodes: ClassVar[bool] = False
    """Whether the target is a sequence, so that there is a decoder, with attention and teacher forcing."""
    lengths_differ: ClassVar[bool] = False
    """Whether inputs differ in length, so that a time step is not equally far from the loss in all of them."""


@dataclass(frozen=True)
class PixelsConfig(TaskOptions):
    """MNIST digits read as a sequence of pixels; the target is the digit (Le, Jaitly, Hinton 2015)."""

    name: Literal["pixels"] = "pixels"
    pixels_per_step: int = 1
    """How many neighbouring pixels make one time step: 1 gives 784 steps, 4 gives 196, 28 one row a step."""
    permuted: bool = False
    """Read the pixels in one fixed random order, the same for all digits."""

    def __post_init__(self) -> None:
        divides = self.pixels_per_step > 0 and PIXELS % self.pixels_per_step == 0
        require(divides, "task.pixels_per_step", self.pixels_per_step, f"a divisor of {PIXELS}")


@dataclass(frozen=True)
class AddingConfig(TaskOptions):
    """The sum of the two marked numbers of a sequence of random numbers (Le, Jaitly, Hinton 2015: chance MSE 1/6)."""

    name: Literal["adding"] = "adding"
    length: int = 100
    """Time steps of a sequence."""

    def __post_init__(self) -> None:
        require(self.length >= 2, "task.length", self.length, "at least 2")


@dataclass(frozen=True)
class PronunciationConfig(TaskOptions):
    """Letters of an English word to its phonemes (CMUdict)."""

    decodes: ClassVar[bool] = True
    lengths_differ: ClassVar[bool] = True
    name: Literal["pronunciation"] = "pronunciation"
    stress: bool = False
    """Keep the stress digit of vowels: 69 phoneme symbols instead of 39."""


TaskConfig = PixelsConfig | AddingConfig | PronunciationConfig


@dataclass(frozen=True)
class CellConfig:
    """Variants of the recurrent cell; each option is for the cells that read it (`python -m research list`)."""

    activation: Literal["tanh", "relu"] = "tanh"
    """rnn: what the state passes through; relu with init.recurrent=identity is the IRNN (Le, Jaitly, Hinton 2015)."""
    reset: Literal["after", "before"] = "after"
    """gru: whether the reset gate acts on the recurrent product (cuDNN) or on the state before it (Cho et al. 2014)."""
    recurrent_bias: bool = False
    """gru: a bias of the recurrent product that the reset gate acts on, as cuDNN and torch have."""
    input_gate: bool = True
    """lstm: without it, i = 1 (this and the next five: Greff et al. 2017)."""
    forget_gate: bool = True
    """lstm: without it, f = 1."""
    output_gate: bool = True
    """lstm: without it, o = 1."""
    output_activation: bool = True
    """lstm: without it, h = o * c."""
    coupled: bool = False
    """lstm: coupled input and forget gate, i = 1 - f."""
    peephole: bool = False
    """lstm: the gates see the cell state, through one weight for each feature (Gers, Schraudolph, Schmidhuber 2002)."""
    projection: int = 0
    """lstm: features of h, a linear map of what the cell puts out (Sak, Senior, Beaufays 2014); 0: none. The map
    is drawn as the recurrent matrix is, gain included."""
    layer_norm: bool = False
    """lstm: layer normalisation of both products and of the cell state (Ba, Kiros, Hinton 2016)."""

    def __post_init__(self) -> None:
        require(0 <= self.projection <= 2**20, "cell.projection", self.projection, "between 0 and 2**20")
        inside = self.reset == "after" or not self.recurrent_bias
        require(inside, "cell.recurrent_bias", self.recurrent_bias, "False with cell.reset=before")
        for name in ("input_gate", "forget_gate"):
            both = getattr(self, name) or not self.coupled
            require(both, "cell.coupled", self.coupled, f"False with cell.{name}=False, as it makes one of both gates")
        seeing = self.input_gate or self.forget_gate or self.output_gate or not self.peephole
        require(seeing, "cell.peephole", self.peephole, "False without input, forget and output gate")

    def check(self, cell: str) -> None:
        """Reject an option that this cell does not read."""
        read = catalogue.entries("cells")[cell].options
        for item in fields(self):
            value = getattr(self, item.name)
            readers = [name for name, entry in catalogue.entries("cells").items() if item.name in entry.options]
            allowed = f"{item.default}, as only {', '.join(readers)} reads it, not {cell}"
            require(item.name in read or value == item.default, f"cell.{item.name}", value, allowed)


@dataclass(frozen=True)
class ModelConfig:
    """The sequence-to-sequence model; what decides shapes and is compiled in."""

    cell: str = "lstm"
    """Recurrent cell of encoder and decoder; `python -m research list` names them."""
    features: int = 64
    """Hidden features of each layer and direction."""
    layers: int = 1
    """Stacked layers, in the encoder and in the decoder."""
    bidirectional: bool = False
    """Encode in both directions."""
    attention: Literal["none", "dot", "additive"] = "none"
    """How the decoder looks at the encoder's states; none: it starts from the last state and sees nothing else."""
    backend: Backend = "auto"
    """What runs an lstm: a scan, as for all cells, or cuDNN; auto: cuDNN on an NVIDIA GPU, where it can and pays."""
    residual: bool = False
    """Every layer from the second on adds to what it reads (He et al. 2016; Wu et al. 2016)."""
    skip: bool = False
    """Connections from the inputs to all layers, and from all layers to the output (Graves 2013)."""
    layer_norm: bool = False
    """Normalise what a layer reads of the layer below (Ba, Kiros, Hinton 2016); within the cell: cell.layer_norm."""
    initial_state: Literal["zeros", "learned"] = "zeros"
    """The encoder's state before the first step; learned: a weight, which starts at zero. A decoder starts from it."""
    checkpoint_every: int = 0
    """Keep the state of one in so many steps for the backward pass, which computes the rest again; -1: √T; 0: all."""
    truncate_every: int = 0
    """Truncated backpropagation: the gradient stays within so many steps, the state is carried on; 0: it does not."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 rounds the factors of the layers' products, which errs by 0.3 to 0.5%; sums, states and weights stay."""

    def __post_init__(self) -> None:
        cells = catalogue.names("cells")
        require(self.cell in cells, "model.cell", self.cell, f"one of {', '.join(cells)}")
        runs = self.backend != "cudnn" or self.cell == "lstm"
        require(runs, "model.backend", self.backend, f"auto or scan, as cuDNN runs lstm only, not {self.cell}")
        require_positive(self, "model", "features", "layers")
        for name in ("residual", "skip", "layer_norm"):
            value = getattr(self, name)
            require(self.layers > 1 or not value, f"model.{name}", value, "False, as there is one layer only")
        for name, most in (("features", 2**20), ("layers", 2**10)):
            require(getattr(self, name) <= most, f"model.{name}", getattr(self, name), f"at most {most}")
        for name, least in (("checkpoint_every", -1), ("truncate_every", 0)):
            value = getattr(self, name)
            require(least <= value < 2**31, f"model.{name}", value, f"at least {least}, less than 2**31")


@dataclass(frozen=True)
class InitConfig:
    """Initial weights, one policy for all cells; each gate's matrices are drawn by themselves.

    What a cell has nothing for is passed over (a forget bias by the RNN, recurrent matrices by minGRU), so that one
    sweep can span several cells.
    """

    recurrent: RecurrentInit = "orthogonal"
    """Recurrent matrices: uniform orthogonal, Glorot uniform, N(0, 1/rows), sparse with spectral radius 1, identity."""
    gain: float = 1.0
    """Factor on the recurrent weights: their standard deviation (normal), their spectral radius (sparse)."""
    connections: int = 15
    """Nonzero weights into each unit where the recurrent weights are sparse."""
    input: InputInit = "glorot"
    """Input matrices: Glorot uniform, N(0, 1/inputs), or with orthonormal rows or columns."""
    input_gain: float = 1.0
    """Factor on the input matrices."""
    bias: Literal["constant", "chrono"] = "constant"
    """Bias of the gate that keeps the state (LSTM f, GRU z): a constant, or chrono (Tallec & Ollivier 2018)."""
    forget_bias: float = 0.0
    """The constant; not read when the bias is chrono."""
    chrono_length: int = 0
    """Longest dependency that chrono provides for, in steps; 0: the length of the task's input."""

    def __post_init__(self) -> None:
        for name in ("gain", "input_gain"):
            value = getattr(self, name)
            require(0 <= value <= LARGE, f"init.{name}", value, f"between 0 and {LARGE:g}")
        require(0 < self.connections < 2**31, "init.connections", self.connections, "at least 1, less than 2**31")
        read = self.recurrent == "sparse" or self.connections == InitConfig.connections
        reason = f"as only init.recurrent=sparse reads it, not {self.recurrent}"
        require(read, "init.connections", self.connections, f"{InitConfig.connections}, {reason}")
        bias, length = self.forget_bias, self.chrono_length
        require(-LARGE <= bias <= LARGE, "init.forget_bias", bias, f"between -{LARGE:g} and {LARGE:g}")
        require(length == 0 or 3 <= length < 2**31, "init.chrono_length", length, "0 or at least 3, less than 2**31")


NOISE = ("dropout", "recurrent_dropout", "zoneout_h", "zoneout_c")
"""Rates of a training; whether one is 0 decides the program."""


@dataclass(frozen=True)
class TrainingConfig:
    """How long and how the model is trained."""

    steps: int = 1000
    """Updates of the weights."""
    batch_size: int = 32
    """Sequences in a batch."""
    batch_shards: int = 0
    """Parts of a batch, each computed by a device of its own; 0: as many as other trials leave devices idle."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """Update rule (optax)."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    warmup_steps: int = 0
    """Steps in which the learning rate rises from 0 to its peak."""
    decay: Literal["none", "cosine"] = "none"
    """Course of the learning rate after the warm-up; cosine reaches 0 at the last step."""
    clip_norm: float = 1.0
    """Global gradient norm above which the gradient is scaled down; inf: never."""
    loss_ceiling: float = 1e6
    """A trial whose loss exceeds this has diverged, as has one with a loss, gradient or weight that is not finite."""
    teacher_forcing: float = 1.0
    """Probability, for each token, that the decoder is fed the true previous token and not its own prediction."""
    dropout: float = 0.0
    """Share of an embedding's and of a layer's outputs to drop, the same at all steps (Gal & Ghahramani 2016)."""
    recurrent_dropout: float = 0.0
    """Share of the state to drop where it enters a recurrent product, the same at all steps."""
    zoneout_h: float = 0.0
    """Share of h to hold, drawn at every step (Krueger et al. 2017)."""
    zoneout_c: float = 0.0
    """Share of the rest of the state to hold, such as the cell state c of the lstm."""
    log_every: int = 50
    """Steps between two records of the training metrics."""
    eval_every: int = 0
    """Steps between two evaluations; 0: only after the last step."""
    eval_examples: int = 1000
    """Held-out examples of an evaluation, at most."""
    checkpoint_seconds: float = 60.0
    """Least time between two checkpoints, in seconds; one more is always written at the end."""

    def __post_init__(self) -> None:
        counts = ("steps", "batch_size", "learning_rate", "loss_ceiling", "log_every", "eval_examples")
        require_positive(self, "training", *counts)
        for name in ("steps", "batch_size", "log_every", "eval_every", "eval_examples"):
            require(getattr(self, name) < 2**31, f"training.{name}", getattr(self, name), "less than 2**31")
        require(self.clip_norm > 0, "training.clip_norm", self.clip_norm, "greater than 0 (inf: never clip)")
        shards = self.batch_shards
        divides = shards == 0 or (shards > 0 and self.batch_size % shards == 0)
        require(divides, "training.batch_shards", shards, f"0 or a divisor of training.batch_size={self.batch_size}")
        forcing = self.teacher_forcing
        require(0 <= forcing <= 1, "training.teacher_forcing", forcing, "between 0 and 1")
        for name in NOISE:
            require(0 <= getattr(self, name) < 1, f"training.{name}", getattr(self, name), "at least 0 and less than 1")
        for name in ("warmup_steps", "eval_every", "checkpoint_seconds"):
            require(getattr(self, name) >= 0, f"training.{name}", getattr(self, name), "at least 0")


@dataclass(frozen=True)
class ProbesConfig:
    """What is read from the training step beside the loss."""

    gradient_flow_every: int = 0
    """Steps between two records of the norm of dL/dh_t for every t, the first at initialisation; 0: none."""

    def __post_init__(self) -> None:
        every = self.gradient_flow_every
        require(every >= 0, "probes.gradient_flow_every", every, "at least 0")


@dataclass(frozen=True)
class TrackingConfig:
    """Where metrics go beside the run directory."""

    wandb: Literal["auto", "online", "offline", "disabled"] = "auto"
    """W&B mode; auto: online when the user is logged in, offline otherwise."""
    project: str = "recurrent-research"
    """W&B project."""


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
    init: InitConfig = field(default_factory=InitConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    probes: ProbesConfig = field(default_factory=ProbesConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**31, "seed", self.seed, "between 0 and 2**31 - 1")
        self.cell.check(self.model.cell)
        if not self.task.decodes:  # no decoder would read these
            reason = f"as the task {self.task.name} has no decoder"
            require(self.model.attention == "none", "model.attention", self.model.attention, f"none, {reason}")
            forcing = self.training.teacher_forcing
            require(forcing == 1, "training.teacher_forcing", forcing, f"1, {reason}")
        if self.task.lengths_differ:
            every, reason = self.probes.gradient_flow_every, f"as inputs of {self.task.name} differ in length"
            require(every == 0, "probes.gradient_flow_every", every, f"0, {reason}")
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
        asked |= {f"training.{name}": (getattr(self.training, name), 0.0) for name in NOISE if name != "dropout"}
        for key, (value, default) in asked.items():
            require(value == default, key, value, f"{default} with model.backend=cudnn, or the backend auto or scan")


def task_types() -> dict[str, type]:
    """The options of each task, by the task's name."""
    return {options().name: options for options in get_args(TaskConfig)}
