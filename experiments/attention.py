"""What attention is worth, and on which words: letters to phonemes.

Trains the three decoders, then makes the table and the figure of the error by word length:

    python -m research sweep sweeps/attention.yaml
    python -m research report runs/attention
"""

from research.config import Config, InitConfig, ModelConfig, PronunciationConfig, TrainingConfig
from research.experiment import Column, Experiment

EXPERIMENT = Experiment(
    claim="Without attention the decoder has one fixed-size state to read the word from, so its error grows with the "
    "length of the word (Bahdanau, Cho, Bengio 2015); attention takes most of that growth away. The decoders are "
    "otherwise identical.",
    base=Config(
        experiment="attention",
        task=PronunciationConfig(),
        model=ModelConfig(cell="lstm", features=128, bidirectional=True, attention="additive"),
        init=InitConfig(forget_bias=1.0),
        training=TrainingConfig(
            steps=7000, batch_size=64, learning_rate=2e-3, decay="cosine", log_every=100, eval_examples=6000
        ),
    ),
    rows="model.attention",
    columns=(
        Column("phoneme error", "eval/free_running/error_rate", unit="%"),
        Column("on words of 12 letters and more", "eval/free_running/error_rate_long_words", unit="%"),
        Column("teacher-forced", "eval/teacher_forced/error_rate", unit="%"),
        Column("forcing gap", "eval/forcing_gap", unit="%"),
        Column("words with an error", "eval/free_running/sequence_error_rate", unit="%"),
    ),
    figures=("error_by_length",),
)
