"""Truth or prediction drawn once for a whole target, versus for each token.

research verdicts sampling_by_sequence --run
"""

from dataclasses import replace

from research.config import Condition, load

EXPERIMENT = replace(
    load("claims/scheduled_sampling"),
    claim="To choose between truth and prediction once for a sequence is worse than to choose for each token.",
    place="section on scheduled sampling",
    published="In words: much worse.",
    scaled="Letters to phonemes (CMUdict) in place of captions; a constant probability of one half.",
    conditions=(
        Condition("test/free_running/edit_error_rate", {"ratio 0.5 by sequence": 1, "ratio 0.5": -1}, above=0),
    ),
    runs_of="scheduled_sampling",
)
