"""How much attention helps on large corpora of speech, through TFDS, for an accelerator and a network.

TFDS downloads and prepares a corpus at its first use: 60 GB for LibriSpeech, 2.5 GB for Speech Commands. Its
recordings are streamed while the model trains. Tested on small archives of the same formats; no figure has been made
yet.

    research train stock_speech --setting=librispeech_100 --loader.num_workers=8
    research sweep stock_speech
    research report runs/stock_speech
"""

from research.config import Column, Experiment, unflatten

EXPERIMENT = Experiment(
    claim="With many hours to learn from, attention by content alone (additive: Chan et al. 2016) finds its way along "
    "speech about as well as attention that sees where it looked last (location: Chorowski et al. 2015). The "
    "voices of validation and test are not in training.",
    base=unflatten(
        {
            "task.name": "dataset",
            "task.source": "librispeech",
            "task.train": "train_clean100",
            "task.validation": "dev_clean",
            "task.test": "test_clean",
            "task.target.lowercase": True,
            "task.input.name": "audio",
            "task.input.sample_rate": 16000,
            "task.input.num_mels": 80,
            "task.input.stack": 2,
            "task.input.time_masks": 2,
            "task.input.time_mask_frames": 50,
            "task.input.frequency_masks": 2,
            "task.input.frequency_mask_mels": 20,
            "model.hidden_size": 512,
            "model.num_layers": 3,
            "model.bidirectional": True,
            "model.subsampling": "pyramid",
            "cell.name": "lstm",
            "attention.name": "location",
            "init.forget_bias": 1.0,
            "dropout.output": 0.2,
            "optimizer.learning_rate": 1e-3,
            "schedule.name": "cosine",
            "schedule.warmup_steps": 2000,
            "training.steps": 100_000,
            "training.batch_size": 64,
            "training.label_smoothing": 0.1,
            "training.log_every": 200,
            "training.eval_every": 10_000,
            "training.eval_examples": 500,
        }
    ),
    settings={
        "librispeech_100": {},
        "librispeech_960": {
            "task.train": "train_clean100+train_clean360+train_other500",
            "training.steps": 300_000,
        },
        "speech_commands": {
            "task.source": "speech_commands",
            **dict.fromkeys(("task.train", "task.validation", "task.test"), ""),
            "task.input.num_mels": 40,
            "task.input.stack": 1,
            "task.target.column": "label",
            "task.target.tokenizer": "words",
            "task.target.lowercase": False,
            "model.hidden_size": 256,
            "training.steps": 20_000,
            "training.batch_size": 128,
            "training.eval_examples": 5000,
        },
    },
    variants={name: {"attention.name": name} for name in ("additive", "location")},
    columns=(
        Column("character error", "test/free_running/character_error_rate", unit="%"),
        Column("word error", "test/free_running/word_error_rate", unit="%"),
        Column("teacher-forced error", "test/teacher_forced/edit_error_rate", unit="%"),
        Column("parameters", "model/parameters"),
    ),
    figures=("error_by_length",),
)
