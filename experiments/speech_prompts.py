"""Recorded prompts of a telephone exchange to characters: real sentences of one voice, of which there are few.

411 recordings train in English, 13 minutes, and a model memorizes them before it has learned to align. What training
adds to them, the same recordings joined and synthesized sentences, decides how it transcribes other texts. `both`
reached a character error of 42.8, 42.1 and 44.0% on the English test split (three seeds), of which the most frequent
output has 96%. On the validation split, on which settings were chosen, it had 45.7% with 5,000 updates, `synthesized`
55.4%, the most frequent output 91%. A trial of `both` takes 6 to 7 minutes of 2 cores.

    research train speech_prompts --setting=en --variant=both
    research sweep speech_prompts
    research report runs/speech_prompts
"""

from typing import Any

from research.config import Column, Experiment, unflatten

LANGUAGES: dict[str, dict[str, Any]] = {
    language: {"task.source": f"asterisk_{language}", "task.extra_train": f"espeak_sentences_{language}:6000"}
    for language in ("en", "fr", "es", "it", "ru")
}
JOINED: dict[str, Any] = {"task.joined": 3000}
RECORDED: dict[str, Any] = {"task.extra_train": ""}
"""No synthesized sentences."""

EXPERIMENT = Experiment(
    claim="A recognizer of few recordings needs more to learn from than these: the same recordings joined, so that "
    "no text can be known by its beginning, and synthesized sentences of other words in other voices. Texts are held "
    "out.",
    base=unflatten(
        {
            "task.name": "dataset",
            **LANGUAGES["en"],
            "task.input.name": "audio",
            "task.input.speed": 0.1,
            "task.input.frequency_warp": 0.08,
            "task.input.channel_db": 3.0,
            "task.input.time_masks": 2,
            "task.input.time_mask_frames": 12,
            "task.input.frequency_masks": 2,
            "task.input.frequency_mask_mels": 8,
            "model.hidden_size": 128,
            "model.num_layers": 2,
            "model.bidirectional": True,
            "model.subsampling": "convolution",
            "model.subsampling_factor": 4,
            "cell.name": "lstm",
            "attention.name": "additive",
            "decoding.name": "beam",
            "decoding.beam_size": 5,
            "decoding.length_penalty": 0.7,
            "init.forget_bias": 1.0,
            "dropout.output": 0.1,
            "optimizer.learning_rate": 2e-3,
            "schedule.name": "cosine",
            "schedule.warmup_steps": 200,
            "training.steps": 8000,
            "training.batch_size": 16,
            "training.label_smoothing": 0.1,
            "training.log_every": 50,
            "training.eval_every": 500,
        }
    ),
    settings=LANGUAGES,
    variants={"recordings": RECORDED, "joined": RECORDED | JOINED, "synthesized": {}, "both": JOINED},
    columns=(
        Column("character error", "test/free_running/character_error_rate", unit="%"),
        Column("word error", "test/free_running/word_error_rate", unit="%"),
        Column("teacher-forced error", "test/teacher_forced/edit_error_rate", unit="%"),
        Column("parameters", "model/parameters"),
    ),
    figures=("metric_by_time", "error_by_position"),
)
