"""An encoder that reads in both directions, versus one.

research verdicts bidirectional_encoder --run
"""

from dataclasses import replace

from research.config import Condition, load

EXPERIMENT = replace(
    load("claims/source_reversal"),
    claim="A bidirectional LSTM errs less on the pronunciation of words than one that reads from the start to the end.",
    paper="Yao, Zweig 2015",
    place="table of results",
    published="Phoneme error of 5.45% bidirectional, 7.63% for the LSTM encoder-decoder (CMUdict).",
    sure="memory",
    scaled="The same corpus with other splits, one layer, fewer updates. Both are encoder-decoders here.",
    conditions=(Condition("test/free_running/edit_error_rate", {"forward": 1, "bidirectional": -1}, above=0),),
    runs_of="source_reversal",
)
