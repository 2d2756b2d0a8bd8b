"""What attention is worth on large corpora of speech, through TFDS, for an accelerator and a network.

TFDS downloads and prepares a corpus when it is first asked for: 60 GB for LibriSpeech, 2.5 GB for Speech Commands. Its
recordings are read while the model trains. Tested on small archives of the same formats; no figure has been made yet.

    python -m research train stock_speech --setting=librispeech_100 --input.workers=8
    python -m research sweep sweeps/stock_speech.yaml
    python -m research report runs/stock_speech
"""

from research.config import Config, InitConfig, LibrispeechConfig, ModelConfig, TrainingConfig
from research.experiment import Column, Experiment

EXPERIMENT = Experiment(
    claim="With many hours to learn from, attention by content alone (additive: Chan et al. 2016) finds its way along "
    "speech about as well as attention that sees where it looked last (location: Chorowski et al. 2015). Voices are "
    "held out.",
    base=Config(
        experiment="stock_speech",
        task=LibrispeechConfig(time_masks=2, time_mask_frames=50, frequency_masks=2, frequency_mask_mels=20),
        model=ModelConfig(
            cell="lstm",
            features=512,
            layers=3,
            bidirectional=True,
            attention="location",
            subsampling="pyramid",
        ),
        init=InitConfig(forget_bias=1.0),
        training=TrainingConfig(
            steps=100_000,
            batch_size=64,
            learning_rate=1e-3,
            warmup_steps=2000,
            decay="cosine",
            label_smoothing=0.1,
            output_dropout=0.2,
            log_every=200,
            eval_every=10_000,
            eval_examples=500,
        ),
    ),
    settings={
        "librispeech_100": {"task.train": "100"},
        "librispeech_960": {"task.train": "960", "training.steps": 300_000},
        "speech_commands": {
            "task.name": "speech_commands",
            "model.features": 256,
            "training.steps": 20_000,
            "training.batch_size": 128,
            "training.eval_examples": 5000,
        },
    },
    arms={name: {"model.attention": name} for name in ("additive", "location")},
    rows="model.attention",
    columns=(
        Column("character error", "eval/free_running/character_error_rate", unit="%"),
        Column("word error", "eval/free_running/word_error_rate", unit="%"),
        Column("word error of the most frequent output", "eval/baseline/word_error_rate", unit="%"),
        Column("teacher-forced error", "eval/teacher_forced/error_rate", unit="%"),
        Column("parameters", "model/parameters"),
    ),
    figures=("error_by_length",),
)
