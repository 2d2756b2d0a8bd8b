"""Kinds of attention by name."""

from research.seq2seq.attention.additive import AdditiveAttention
from research.seq2seq.attention.attention import Attention, AttentionModule, WeightedAttention
from research.seq2seq.attention.dot import DotAttention, GeneralAttention, ScaledDotAttention
from research.seq2seq.attention.local_p import LocalAttention
from research.seq2seq.attention.location import LocationAttention
from research.seq2seq.attention.multi_head import MultiHeadAttention
from research.seq2seq.attention.unweighted import ContextAttention, InputAttention, NoAttention

__all__ = ["ATTENTIONS", "Attention", "AttentionModule", "NoAttention", "WeightedAttention"]

ATTENTIONS: dict[str, type[Attention]] = {
    "none": NoAttention,
    "context": ContextAttention,
    "input": InputAttention,
    "dot": DotAttention,
    "scaled_dot": ScaledDotAttention,
    "general": GeneralAttention,
    "additive": AdditiveAttention,
    "location": LocationAttention,
    "multi_head": MultiHeadAttention,
    "local_p": LocalAttention,
}
