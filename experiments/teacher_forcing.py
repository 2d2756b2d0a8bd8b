"""What teacher forcing costs when the decoder reads its own predictions: letters to phonemes.

Trains with constant fractions of true tokens, with three schedules, by sequence, and with sampled predictions, then
makes the table and the figures of the gap:

    research sweep teacher_forcing
    research report runs/teacher_forcing
"""

from typing import Any

from research.config import Column, Experiment, load, override

STEPS = 2000
HALF = {"teacher_forcing.schedule": "constant", "teacher_forcing.ratio": 0.5}


def falling(schedule: str) -> dict[str, Any]:
    """Return a schedule that is at one half after half of the training; the linear one is at 0 at its end."""
    return {"teacher_forcing.schedule": schedule, "teacher_forcing.half_life": STEPS / 2}


EXPERIMENT = Experiment(
    claim="A decoder trained on true previous tokens alone errs more when it runs free than when it is forced "
    "(exposure bias). Feeding it its own predictions in training, at a constant ratio or more and more of them "
    "(scheduled sampling; Bengio, Vinyals, Jaitly, Shazeer 2015), narrows the gap; whether the free-running "
    "error falls as well is what the table shows. A ratio is the fraction of true tokens, sampled for each "
    "token or for each sequence; the others are the likeliest tokens, or sampled.",
    base=override(
        load("attention").base,
        {
            "model.hidden_size": 64,
            "training.steps": STEPS,
        },
    ),
    variants={
        "always": {"teacher_forcing.schedule": "always"},
        "ratio 0.75": {"teacher_forcing.schedule": "constant", "teacher_forcing.ratio": 0.75},
        "ratio 0.5": HALF,
        "ratio 0.25": {"teacher_forcing.schedule": "constant", "teacher_forcing.ratio": 0.25},
        "never": {"teacher_forcing.schedule": "never"},
        "linear": falling("linear"),
        "exponential": falling("exponential"),
        "inverse sigmoid": falling("inverse_sigmoid"),
        "ratio 0.5 by sequence": HALF | {"teacher_forcing.granularity": "sequence"},
        "ratio 0.5 sampled": HALF | {"teacher_forcing.feedback": "sample"},
    },
    columns=(
        Column("free-running error", "test/free_running/edit_error_rate", unit="%"),
        Column("teacher-forced error", "test/teacher_forced/edit_error_rate", unit="%"),
        Column("exposure bias gap", "test/exposure_bias_gap", unit="%"),
        Column("teacher-forced loss", "test/teacher_forced/loss"),
        Column("words with an error", "test/free_running/sequence_error_rate", unit="%"),
    ),
    figures=("exposure_bias_gap", "forced_and_free", "error_by_position"),
)
