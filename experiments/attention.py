"""What attention is worth, and on which words: letters to phonemes.

Trains five decoders, three without attention and two with it, then makes the table and the figures of the error by word
length and by position:

    python -m research sweep sweeps/attention.yaml
    python -m research report runs/attention
"""

from research.config import Config, InitConfig, ModelConfig, PronunciationConfig, TrainingConfig
from research.experiment import Column, Experiment

EXPERIMENT = Experiment(
    claim="Without attention the decoder has one fixed-size state to read the word from, so its error grows with the "
    "length of the word (Bahdanau, Cho, Bengio 2015), however it gets that state: as its own first state (none: "
    "Sutskever, Vinyals, Le 2014), at every step as well (context: Cho et al. 2014), or at every step only (input: "
    "Britz et al. 2017). Attention takes most of that growth away: dot (Luong, Pham, Manning 2015), additive (Bahdanau "
    "et al. 2015). Encoder, decoder cell, width, data and training are the same.",
    base=Config(
        experiment="attention",
        task=PronunciationConfig(),
        model=ModelConfig(cell="lstm", features=128, bidirectional=True, attention="additive"),
        init=InitConfig(forget_bias=1.0),
        training=TrainingConfig(
            steps=3000, batch_size=64, learning_rate=2e-3, decay="cosine", log_every=100, eval_examples=3000
        ),
    ),
    arms={name: {"model.attention": name} for name in ("none", "context", "input", "dot", "additive")},
    rows="model.attention",
    columns=(
        Column("phoneme error", "eval/free_running/error_rate", unit="%"),
        Column("on words of 12 letters and more", "eval/free_running/error_rate_long_words", unit="%"),
        Column("words with an error", "eval/free_running/sequence_error_rate", unit="%"),
        Column("teacher-forced error", "eval/teacher_forced/error_rate", unit="%"),
        Column("forcing gap", "eval/forcing_gap", unit="%"),
        Column("teacher-forced loss", "eval/teacher_forced/loss"),
        Column("parameters", "model/parameters"),
    ),
    figures=("error_by_length", "error_by_position"),
)
