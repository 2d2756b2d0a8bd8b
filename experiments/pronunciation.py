"""How well letters are turned into phonemes with what is known of training, and what of it attention is worth.

python -m research sweep sweeps/pronunciation.yaml
python -m research report runs/pronunciation
"""

from research.config import Config, InitConfig, ModelConfig, PronunciationConfig, TrainingConfig
from research.experiment import Column, Experiment

EXPERIMENT = Experiment(
    claim="x",
    base=Config(
        experiment="pronunciation",
        task=PronunciationConfig(),
        model=ModelConfig(cell="lstm", features=128, bidirectional=True, attention="additive"),
        init=InitConfig(forget_bias=1.0),
        training=TrainingConfig(
            steps=3000, batch_size=64, learning_rate=2e-3, decay="cosine", log_every=100, eval_examples=6000
        ),
    ),
    arms={name: {"model.attention": name} for name in ("none", "additive")},
    rows="model.attention",
    columns=(
        Column("phoneme error", "eval/free_running/error_rate", unit="%"),
        Column("on words of 12 letters and more", "eval/free_running/error_rate_long_words", unit="%"),
        Column("words with an error", "eval/free_running/sequence_error_rate", unit="%"),
        Column("teacher-forced error", "eval/teacher_forced/error_rate", unit="%"),
        Column("phoneme error of the most frequent output", "eval/baseline/error_rate", unit="%"),
        Column("parameters", "model/parameters"),
    ),
    figures=("error_by_length", "error_by_position"),
)
