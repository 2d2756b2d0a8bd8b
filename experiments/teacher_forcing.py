"""What teacher forcing costs when the decoder has to live on its own predictions: letters to phonemes.

Trains with constant shares of forced tokens, with three schedules and with two other ways to draw and to feed, then
makes the table and the figures of the gap:

    python -m research sweep sweeps/teacher_forcing.yaml
    python -m research report runs/teacher_forcing
"""

from typing import Any

from research.config import Config, InitConfig, ModelConfig, PronunciationConfig, TrainingConfig
from research.experiment import Column, Experiment

STEPS = 2000
HALF = {"forcing.policy": "constant", "forcing.ratio": 0.5}


def falling(policy: str) -> dict[str, Any]:
    """A schedule that is at one half after half of the training, where the linear one has come to 0 at its end."""
    return {"forcing.policy": policy, "forcing.half_life": STEPS / 2}


EXPERIMENT = Experiment(
    claim="A decoder trained on true previous tokens alone errs more when it runs free than when it is forced "
    "(exposure bias). Feeding it its own predictions in training, at a constant ratio or more and more of them "
    "(scheduled sampling; Bengio, Vinyals, Jaitly, Shazeer 2015), narrows the gap; whether the free-running error "
    "falls as well is what the table shows. A ratio is the share of true tokens; it is drawn for each token, or by "
    "sequence; the rest is the likeliest token, or sampled.",
    base=Config(
        experiment="teacher_forcing",
        task=PronunciationConfig(),
        model=ModelConfig(cell="lstm", features=64, bidirectional=True, attention="additive"),
        init=InitConfig(forget_bias=1.0),
        training=TrainingConfig(
            steps=STEPS, batch_size=64, learning_rate=2e-3, decay="cosine", log_every=100, eval_examples=3000
        ),
    ),
    arms={
        "always": {"forcing.policy": "always"},
        "ratio 0.75": {"forcing.policy": "constant", "forcing.ratio": 0.75},
        "ratio 0.5": HALF,
        "ratio 0.25": {"forcing.policy": "constant", "forcing.ratio": 0.25},
        "never": {"forcing.policy": "never"},
        "linear": falling("linear"),
        "exponential": falling("exponential"),
        "inverse sigmoid": falling("inverse_sigmoid"),
        "ratio 0.5 by sequence": HALF | {"forcing.unit": "sequence"},
        "ratio 0.5 sampled": HALF | {"forcing.feed": "sample"},
    },
    rows="arm",
    columns=(
        Column("free-running error", "eval/free_running/error_rate", unit="%"),
        Column("teacher-forced error", "eval/teacher_forced/error_rate", unit="%"),
        Column("forcing gap", "eval/forcing_gap", unit="%"),
        Column("teacher-forced loss", "eval/teacher_forced/loss"),
        Column("words with an error", "eval/free_running/sequence_error_rate", unit="%"),
    ),
    figures=("forcing_gap", "forced_and_free", "error_by_position"),
)
