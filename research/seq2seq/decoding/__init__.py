"""Kinds of decoding by name."""

from research.seq2seq.decoding.beam import Beam
from research.seq2seq.decoding.decoding import Decoding, Hypotheses
from research.seq2seq.decoding.single import Greedy, Sample

__all__ = ["DECODINGS", "Beam", "Decoding", "Greedy", "Hypotheses", "Sample"]

DECODINGS: dict[str, type[Decoding]] = {"greedy": Greedy, "sample": Sample, "beam": Beam}
