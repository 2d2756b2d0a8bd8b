"""Additive attention, versus multiplicative, each with its own learning rate.

research verdicts additive_attention_tuned --run
"""

from dataclasses import replace

from research.config import load

ORIGINAL = load("claims/additive_attention")
EXPERIMENT = replace(
    ORIGINAL,
    claim="The same with a learning rate for each, as the shared one may suit only one of them.",
    variants={name: {"attention.name": name} for name in ("general", "additive")},
    tune={"optimizer.learning_rate": [1e-3, 3e-3, 1e-2]},
    tuned_by="validation/free_running/edit_error_rate",
    runs_of="",
    follows="additive_attention",
)
