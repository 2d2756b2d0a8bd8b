"""What teacher forcing costs when the decoder has to live on its own predictions: letters to phonemes.

Trains with five shares of forced tokens, then makes the table and the figure of the gap:

    python -m research sweep sweeps/teacher_forcing.yaml
    python -m research report runs/teacher_forcing
"""

from research.config import Config, InitConfig, ModelConfig, PronunciationConfig, TrainingConfig
from research.experiment import Column, Experiment

EXPERIMENT = Experiment(
    claim="A decoder trained on true previous tokens alone errs more when it runs free than when it is forced "
    "(exposure bias; Bengio, Vinyals, Jaitly, Shazeer 2015). Feeding it its own predictions in training narrows the "
    "gap; whether the free-running error falls as well is what the table shows.",
    base=Config(
        experiment="teacher_forcing",
        task=PronunciationConfig(),
        model=ModelConfig(cell="lstm", features=128, bidirectional=True, attention="additive"),
        init=InitConfig(forget_bias=1.0),
        training=TrainingConfig(
            steps=3000, batch_size=64, learning_rate=2e-3, decay="cosine", log_every=100, eval_examples=6000
        ),
    ),
    rows="forcing.ratio",
    columns=(
        Column("free-running error", "eval/free_running/error_rate", unit="%"),
        Column("teacher-forced error", "eval/teacher_forced/error_rate", unit="%"),
        Column("forcing gap", "eval/forcing_gap", unit="%"),
        Column("words with an error", "eval/free_running/sequence_error_rate", unit="%"),
    ),
    figures=("forcing_gap",),
)
