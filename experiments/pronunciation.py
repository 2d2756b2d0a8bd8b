"""How few phonemes of a word one small model gets wrong, with attention and without it: letters to phonemes.

The learning rate was chosen on the validation words, for additive attention: 2e-3, 4e-3, 8e-3, 1.4e-2. To choose more,
--task.held_out=validation.

    python -m research sweep sweeps/pronunciation.yaml
    python -m research report runs/pronunciation
"""

from research.config import Config, InitConfig, ModelConfig, PronunciationConfig, TrainingConfig
from research.experiment import Column, Experiment

EXPERIMENT = Experiment(
    claim="Trained to the end, one layer that looks at the letters (additive: Bahdanau, Cho, Bengio 2015) pronounces "
    "long words as well as short ones; one that has a single state of them (none: Sutskever, Vinyals, Le 2014) errs "
    "the more often the longer the word is. Dropout is worth its noise, though there are 107,000 words.",
    base=Config(
        experiment="pronunciation",
        task=PronunciationConfig(),
        model=ModelConfig(cell="lstm", features=128, bidirectional=True, attention="additive"),
        init=InitConfig(forget_bias=1.0),
        training=TrainingConfig(
            steps=10_000,
            batch_size=64,
            learning_rate=8e-3,
            warmup_steps=200,
            decay="cosine",
            output_dropout=0.1,
            log_every=100,
            eval_examples=6000,
        ),
    ),
    arms={
        "none": {"model.attention": "none"},
        "additive": {"model.attention": "additive"},
        "additive undropped": {"model.attention": "additive", "training.output_dropout": 0.0},
    },
    columns=(
        Column("phoneme error", "eval/free_running/error_rate", unit="%"),
        Column("on words of 12 letters and more", "eval/free_running/error_rate_long_words", unit="%"),
        Column("words with an error", "eval/free_running/sequence_error_rate", unit="%"),
        Column("phoneme error of the most frequent output", "eval/baseline/error_rate", unit="%"),
        Column("teacher-forced error", "eval/teacher_forced/error_rate", unit="%"),
        Column("teacher-forced loss", "eval/teacher_forced/loss"),
        Column("training loss", "train/loss"),
        Column("parameters", "model/parameters"),
    ),
    figures=("error_by_length", "error_by_position"),
)
