"""Recorded prompts of a telephone exchange to characters: real sentences of one voice, 24 minutes in English.

Hard at this size: 2,500 updates, about six minutes of 2 cores, reached a character error of 65% in English (seed 0),
where the most frequent output has 91%.

    python -m research train speech_prompts --setting=en
    python -m research sweep sweeps/speech_prompts.yaml
    python -m research report runs/speech_prompts
"""

from research.config import Config, InitConfig, ModelConfig, SpeechPromptsConfig, TrainingConfig
from research.experiment import Column, Experiment

EXPERIMENT = Experiment(
    claim="Attention that sees where it looked last (location: Chorowski et al. 2015) finds its way along speech "
    "better than attention by content alone (additive); without attention no sentence is recognised. Texts "
    "are held out.",
    base=Config(
        experiment="speech_prompts",
        task=SpeechPromptsConfig(),
        model=ModelConfig(
            cell="lstm",
            features=128,
            bidirectional=True,
            attention="location",
            subsampling="convolution",
            subsampling_factor=4,
        ),
        init=InitConfig(forget_bias=1.0),
        training=TrainingConfig(
            steps=2500, batch_size=16, learning_rate=2e-3, decay="cosine", log_every=100, eval_examples=3000
        ),
    ),
    settings={language: {"task.language": language} for language in ("en", "fr", "es", "it", "ru")},
    arms={name: {"model.attention": name} for name in ("none", "additive", "location")},
    rows="model.attention",
    columns=(
        Column("character error", "eval/character_error_rate", unit="%"),
        Column("word error", "eval/word_error_rate", unit="%"),
        Column("character error of the most frequent output", "eval/baseline/character_error_rate", unit="%"),
        Column("teacher-forced error", "eval/teacher_forced/error_rate", unit="%"),
        Column("parameters", "model/parameters"),
    ),
    figures=("error_by_position",),
)
