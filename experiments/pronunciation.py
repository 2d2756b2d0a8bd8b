"""How few phonemes of a word one small model gets wrong, with attention and without it: letters to phonemes.

    python -m research sweep sweeps/pronunciation.yaml
    python -m research report runs/pronunciation

Settings were chosen on the validation words (--task.held_out=validation), for additive attention: the learning rate of
2e-3, 4e-3, 8e-3 and 1.4e-2, in 3,000 updates; the dropout of 0.1 and 0.3; and that a beam is better than none.
"""

from research.config import Config, InitConfig, ModelConfig, PronunciationConfig, TrainingConfig
from research.experiment import Column, Experiment

EXPERIMENT = Experiment(
    claim="Trained longer, one layer that looks at the letters (additive: Bahdanau, Cho, Bengio 2015) pronounces "
    "long words as well as short ones; one that has a single state of them (none: Sutskever, Vinyals, Le 2014) errs "
    "the more often the longer the word is.",
    base=Config(
        experiment="pronunciation",
        task=PronunciationConfig(),
        model=ModelConfig(cell="lstm", features=128, bidirectional=True, attention="additive"),
        init=InitConfig(forget_bias=1.0),
        training=TrainingConfig(
            steps=8000,
            batch_size=64,
            learning_rate=8e-3,
            warmup_steps=200,
            decay="cosine",
            output_dropout=0.1,
            log_every=100,
            eval_every=1000,
            eval_examples=6000,
        ),
    ),
    arms={
        "none": {"model.attention": "none"},
        "additive": {"model.attention": "additive"},
        "additive beam": {"model.attention": "additive", "decoding.method": "beam"},
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
    figures=("metric_by_time", "error_by_length", "error_by_position"),
)
