"""Recorded prompts of a telephone exchange to characters: real sentences of one voice, of which few are to be had.

411 recordings train in English, 13 minutes, and a model learns them by heart before it has learnt to listen. What it
hears beside them, the same recordings joined and synthesised sentences, decides what it makes of other texts. `both`
reached a character error of 42.8, 42.1 and 44.0% on the English test split (three seeds), of which the most frequent
output has 96%. On the validation split, on which settings were chosen, it had 45.7% with 5,000 updates, `synthesised`
55.4%, the most frequent output 91%. A trial of `both` takes 6 to 7 minutes of 2 cores.

    python -m research train speech_prompts --setting=en --arm=both
    python -m research sweep sweeps/speech_prompts.yaml
    python -m research report runs/speech_prompts
"""

from typing import Any

from research.config import (
    Config,
    DecodingConfig,
    InitConfig,
    ModelConfig,
    SpeechPromptsConfig,
    TrainingConfig,
)
from research.experiment import Column, Experiment

JOINED: dict[str, Any] = {"task.joined": 3000}
SYNTHESISED: dict[str, Any] = {"task.synthesised": 6000}

EXPERIMENT = Experiment(
    claim="A recogniser of few recordings needs more to learn from than these: the same recordings joined, so that "
    "no text can be known by its beginning, and synthesised sentences of other words in other voices. Texts are held "
    "out.",
    base=Config(
        experiment="speech_prompts",
        task=SpeechPromptsConfig(
            speed=0.1,
            frequency_warp=0.08,
            channel_db=3.0,
            time_masks=2,
            time_mask_frames=12,
            frequency_masks=2,
            frequency_mask_mels=8,
        ),
        model=ModelConfig(
            cell="lstm",
            features=128,
            layers=2,
            bidirectional=True,
            attention="additive",
            subsampling="convolution",
            subsampling_factor=4,
        ),
        decoding=DecodingConfig(method="beam", beam_size=5, length_penalty=0.7),
        init=InitConfig(forget_bias=1.0),
        training=TrainingConfig(
            steps=8000,
            batch_size=16,
            learning_rate=2e-3,
            warmup_steps=200,
            decay="cosine",
            label_smoothing=0.1,
            output_dropout=0.1,
            log_every=50,
            eval_every=500,
        ),
    ),
    settings={language: {"task.language": language} for language in ("en", "fr", "es", "it", "ru")},
    arms={"recordings": {}, "joined": JOINED, "synthesised": SYNTHESISED, "both": JOINED | SYNTHESISED},
    rows="arm",
    columns=(
        Column("character error", "eval/free_running/character_error_rate", unit="%"),
        Column("word error", "eval/free_running/word_error_rate", unit="%"),
        Column("character error of the most frequent output", "eval/baseline/character_error_rate", unit="%"),
        Column("teacher-forced error", "eval/teacher_forced/error_rate", unit="%"),
        Column("parameters", "model/parameters"),
    ),
    figures=("metric_by_time", "error_by_position"),
)
