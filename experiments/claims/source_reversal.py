"""The source read from its end.

research verdicts source_reversal --run
"""

from research.config import Claim, Condition, load, override

EXPERIMENT = Claim(
    claim="Without attention, a model that reads the source from its end learns better.",
    paper="Sutskever, Vinyals, Le 2014",
    place="section 3.3",
    published="Perplexity of 5.8 forward, 4.7 reversed (WMT14 English to French).",
    sure="paper",
    scaled="Letters to phonemes (CMUdict) in place of translation. The loss, the logarithm of the perplexity, must "
    "be at least a tenth less.",
    base=override(
        load("attention").base,
        {
            "model.hidden_size": 64,
            "model.bidirectional": False,
            "attention.name": "none",
            "training.steps": 1500,
        },
    ),
    variants={
        "forward": {"model.reverse_source": False},
        "reversed": {"model.reverse_source": True},
        "bidirectional": {"model.bidirectional": True},
    },
    conditions=(Condition("test/teacher_forced/loss", {"reversed": 1, "forward": -0.9}, below=0),),
)
