"""Options of the model: the cell, the layers, the initial weights."""

from dataclasses import dataclass, fields
from typing import Literal

from research import catalogue
from research.config.checks import LARGE, require, require_default, require_positive

RecurrentInit = Literal["orthogonal", "glorot", "normal", "sparse", "identity"]
InputInit = Literal["glorot", "normal", "orthogonal"]
Backend = Literal["auto", "scan", "cudnn"]


def check_readers(config: object, section: str, name: str) -> None:
    """Reject an option that the cell or attention of this name does not read."""
    known = catalogue.entries(f"{section}s")
    for item in fields(config):  # pyright: ignore[reportArgumentType]
        value = getattr(config, item.name)
        readers = [other for other, entry in known.items() if item.name in entry.options]
        allowed = f"{item.default}, as only {', '.join(readers)} reads it, not {name}"
        require(item.name in known[name].options or value == item.default, f"{section}.{item.name}", value, allowed)


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
        check_readers(self, "cell", cell)


@dataclass(frozen=True)
class AttentionConfig:
    """Variants of the attention; each option is for the kinds that read it (`python -m research list`)."""

    placement: Literal["after", "before"] = "after"
    """Where the context enters: after the recurrence (Luong et al. 2015) or before it (Bahdanau et al. 2015)."""
    input_feeding: bool = False
    """Feed what the last token was read from to the next step (Luong et al. 2015)."""
    temperature: float = 1.0
    """Divides the scores: below 1, weights are sharper (Chorowski et al. 2015)."""
    smoothing: bool = False
    """A sigmoid in the place of the exponential function of the softmax (Chorowski et al. 2015)."""
    coverage: bool = False
    """The keys see how much weight a state has had so far (Tu et al. 2016; See et al. 2017)."""
    heads: int = 4
    """multi_head: heads, which share the features."""
    filters: int = 10
    """location: features of the last step's weights, from a convolution over the source."""
    filter_width: int = 15
    """location: states that the convolution sees; an odd number."""
    window: int = 10
    """local_p: the states within so many steps of the place that is looked at."""

    def __post_init__(self) -> None:
        hot = self.temperature
        require(1 / LARGE <= hot <= LARGE, "attention.temperature", hot, f"between {1 / LARGE:g} and {LARGE:g}")
        for name in ("heads", "filters", "filter_width", "window"):
            value = getattr(self, name)
            require(1 <= value <= 2**20, f"attention.{name}", value, "between 1 and 2**20")
        require(self.filter_width % 2 == 1, "attention.filter_width", self.filter_width, "an odd number")

    def check(self, kind: str) -> None:
        """Reject an option that this kind does not read."""
        check_readers(self, "attention", kind)


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
    attention: str = "none"
    """How the decoder looks at the encoder's states; `python -m research list` names the kinds, and what there is
    without attention. Options: `attention.*`."""
    subsampling: Literal["none", "pyramid", "mean", "max", "convolution"] = "none"
    """What shortens the source in the encoder: between layers, neighbouring states side by side (Chan et al. 2016),
    their mean or their maximum; or a convolution in front of the first layer."""
    subsampling_factor: int = 2
    """How many steps become one: before each layer from the second on, or through the convolution."""
    reverse_source: bool = False
    """Read the source from its end (Sutskever et al. 2014)."""
    tied: bool = False
    """The map to the target vocabulary is the embedding of the target (Press & Wolf 2017)."""
    readout: int = 0
    """Features that the map to the target vocabulary reads; 0: as many as `features`."""
    parameter_budget: int = 0
    """Take the `features` with which the model has this many weights, within 1%, and the `readout` where a step of them
    is too coarse; 0: as `features` says."""
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
    """bfloat16 rounds the factors of the layers' products; sums, states and weights stay. States err by 0.2 to 0.4%,
    gradients by 0.2 to 0.5%, with relu by 1 to 9%."""

    def __post_init__(self) -> None:
        cells = catalogue.names("cells")
        require(self.cell in cells, "model.cell", self.cell, f"one of {', '.join(cells)}")
        runs = self.backend != "cudnn" or self.cell == "lstm"
        require(runs, "model.backend", self.backend, f"auto or scan, as cuDNN runs lstm only, not {self.cell}")
        attentions = catalogue.names("attentions")
        require(self.attention in attentions, "model.attention", self.attention, f"one of {', '.join(attentions)}")
        require_positive(self, "model", "features", "layers")
        between = self.subsampling in ("pyramid", "mean", "max")
        require(not between or self.layers > 1, "model.subsampling", self.subsampling,
                "none or convolution, as there is one layer only")  # fmt: skip
        factor, read = self.subsampling_factor, self.subsampling != "none"
        require(2 <= factor <= 2**10, "model.subsampling_factor", factor, "between 2 and 1024")
        require_default(self, "model", "subsampling_factor", read, f"model.subsampling={self.subsampling}")
        for name in ("residual", "skip"):
            fits = self.subsampling != "pyramid" if name == "residual" else not between
            value = getattr(self, name)
            require(fits or not value, f"model.{name}", value, f"False with model.subsampling={self.subsampling}")
        forward = not (self.reverse_source and self.bidirectional)
        require(forward, "model.reverse_source", self.reverse_source, "False, as model.bidirectional reads both ways")
        readout = self.readout
        require(0 <= readout <= 2**20, "model.readout", readout, "between 0 and 2**20")
        require(not readout or not self.tied, "model.readout", readout, "0 with model.tied, which makes it `features`")
        budget = self.parameter_budget
        require(0 <= budget < 2**40, "model.parameter_budget", budget, "at least 0, less than 2**40")
        require_default(self, "model", "features", budget == 0, f"model.parameter_budget={budget}")
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
        require_default(self, "init", "chrono_length", self.bias == "chrono", f"init.bias={self.bias}")
