"""Selection by content: gates that read the input, versus a recurrence that does not.

research verdicts selective_copying --run
"""

from dataclasses import replace

from research.config import Condition, load

EXPERIMENT = replace(
    load("claims/mingru_depth"),
    claim="Three layers of minGRU solve selective copying, and a linear recurrence that does not depend on the input "
    "cannot.",
    place="table of selective copying",
    published="Accuracy of 99.5% for minGRU, 18% for S4 (4,096 steps, 16 symbols).",
    sure="cited",
    scaled="64 steps of noise, 4 symbols; the LRU takes the place of S4. Solved: at least 95%; cannot: at most 40%.",
    conditions=(
        Condition("test/accuracy", {"mingru 3 layers": 1}, above=0.95),
        Condition("test/accuracy", {"lru 3 layers": 1}, below=0.4),
    ),
    runs_of="mingru_depth",
)
