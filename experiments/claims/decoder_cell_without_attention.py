"""The cell of the decoder, without attention.

research verdicts decoder_cell_without_attention --run
"""

from dataclasses import replace

from research.config import load, override

ORIGINAL = load("claims/decoder_cell")
EXPERIMENT = replace(
    ORIGINAL,
    claim="The same without attention, as the simple RNN may lean on it to remember a word.",
    base=override(ORIGINAL.base, {"attention.name": "none"}),
    follows="decoder_cell",
)
