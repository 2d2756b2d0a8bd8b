"""Additive attention, versus multiplicative, trained for longer.

research verdicts additive_attention_longer --run
"""

from dataclasses import replace

from research.config import load, override

ORIGINAL = load("claims/additive_attention")
EXPERIMENT = replace(
    ORIGINAL,
    claim="The same after three times as many updates, as multiplicative attention may only learn sooner.",
    base=override(ORIGINAL.base, {"training.steps": 4500}),
    variants={name: {"attention.name": name} for name in ("general", "additive")},
    runs_of="",
    follows="additive_attention",
)
