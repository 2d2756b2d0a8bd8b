"""Local attention, versus none.

research verdicts local_attention --run
"""

from dataclasses import replace

from research.config import Condition, load

ERROR = "test/free_running/edit_error_rate"

EXPERIMENT = replace(
    load("claims/attention"),
    claim="Local attention with predicted positions gains much over a decoder without attention.",
    paper="Luong, Pham, Manning 2015",
    place="abstract",
    published="5.0 BLEU more than without attention (WMT14 English to German).",
    sure="paper",
    scaled="Letters to phonemes (CMUdict) in place of translation. The phoneme error must be at least a quarter less.",
    conditions=(Condition(ERROR, {"local_p": 1, "none": -0.75}, below=0),),
    runs_of="attention",
)
