"""Options of targets that are sequences of tokens: what the decoder is fed in training, and how it writes its own."""

from dataclasses import dataclass
from typing import Literal

from research.config.checks import LARGE, require, require_default

ForcingPolicy = Literal["always", "never", "constant", "linear", "exponential", "inverse_sigmoid"]
DECAYS = ("linear", "exponential", "inverse_sigmoid")
METHOD_OPTIONS = {
    "beam": ("beam_size", "length_penalty", "coverage_penalty"),
    "sample": ("temperature", "top_k"),
}
"""What only one method of decoding reads."""


@dataclass(frozen=True)
class ForcingConfig:
    """Teacher forcing: whether the decoder is fed the true previous token in training, or its own prediction."""

    policy: ForcingPolicy = "always"
    """The course of the probability of the true token: 1, 0, constant, or falling with the updates (Bengio et al.
    2015)."""
    ratio: float = 1.0
    """constant: the probability."""
    half_life: float = 1000.0
    """linear, exponential, inverse_sigmoid: updates after which the probability is one half."""
    floor: float = 0.0
    """linear, exponential, inverse_sigmoid: the probability falls no further than this."""
    unit: Literal["token", "sequence"] = "token"
    """What one draw is for: each token, or all tokens of a target."""
    feed: Literal["argmax", "sample"] = "argmax"
    """Which of its predictions the decoder is fed: the likeliest token, or one drawn from its distribution."""

    def __post_init__(self) -> None:
        for name in ("ratio", "floor"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"forcing.{name}", value, "between 0 and 1")
        require(1 <= self.half_life <= LARGE, "forcing.half_life", self.half_life, f"between 1 and {LARGE:g}")
        read = {"ratio": ("constant",), "half_life": DECAYS, "floor": DECAYS}
        for name, policies in read.items():
            require_default(self, "forcing", name, self.policy in policies, f"forcing.policy={self.policy}")
        for name, policies in {"unit": ("always", "never"), "feed": ("always",)}.items():
            require_default(self, "forcing", name, self.policy not in policies, f"forcing.policy={self.policy}")


@dataclass(frozen=True)
class DecodingConfig:
    """How the model writes an output of its own, in evaluation."""

    method: Literal["greedy", "sample", "beam"] = "greedy"
    """The likeliest token at each step, a token drawn from the distribution, or beam search."""
    beam_size: int = 4
    """beam: hypotheses that are kept at each step."""
    length_penalty: float = 0.0
    """beam: alpha of ((5 + length) / 6)^alpha, which divides the log-probability (Wu et al. 2016); the end mark
    counts."""
    coverage_penalty: float = 0.0
    """beam: beta of beta * sum_s log(min(attention that s got, 1)), which is added (Wu et al. 2016)."""
    temperature: float = 1.0
    """sample: divides the logits."""
    top_k: int = 0
    """sample: draw from the k likeliest tokens; 0: from all."""
    min_length: int = 0
    """Least tokens of an output, the end mark not counted."""
    max_length: int = 0
    """Most tokens of an output, the end mark counted; 0: as many as the longest target has. What has not ended by then
    stands as it is."""

    def __post_init__(self) -> None:
        for name, least in (("beam_size", 1), ("top_k", 0), ("min_length", 0), ("max_length", 0)):
            value = getattr(self, name)
            require(least <= value <= 2**20, f"decoding.{name}", value, f"between {least} and 2**20")
        for name, most in (("length_penalty", 10.0), ("coverage_penalty", LARGE)):
            value = getattr(self, name)
            require(0 <= value <= most, f"decoding.{name}", value, f"between 0 and {most:g}")
        hot = self.temperature
        require(1 / LARGE <= hot <= LARGE, "decoding.temperature", hot, f"between {1 / LARGE:g} and {LARGE:g}")
        ordered = self.max_length == 0 or self.min_length < self.max_length
        allowed = f"less than decoding.max_length={self.max_length}, in which the end mark counts"
        require(ordered, "decoding.min_length", self.min_length, allowed)
        for method, names in METHOD_OPTIONS.items():
            for name in names:
                require_default(self, "decoding", name, self.method == method, f"decoding.method={self.method}")
