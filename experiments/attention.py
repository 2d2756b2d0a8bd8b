"""How much attention helps, and on which words: letters to phonemes.

Trains five decoders, three without attention and two with it, then makes the table and the figures of the error by word
length and by position:

    research sweep attention
    research report runs/attention
"""

from research.config import Column, Experiment, unflatten

EXPERIMENT = Experiment(
    claim="Without attention the decoder has one fixed-size state to read the word from, so its error grows with the "
    "length of the word (Bahdanau, Cho, Bengio 2015), however it gets that state: as its own first state (none: "
    "Sutskever, Vinyals, Le 2014), at every step as well (context: Cho et al. 2014), or at every step only "
    "(input: Britz et al. 2017). Attention takes most of that growth away: dot (Luong, Pham, Manning 2015), "
    "additive (Bahdanau et al. 2015). Encoder, decoder cell, width, data and training are the same.",
    base=unflatten(
        {
            "task.name": "dataset",
            "task.source": "cmudict",
            "task.input.column": "word",
            "task.input.lowercase": True,
            "task.input.token_name": "letter",
            "task.target.column": "pronunciations",
            "task.target.tokenizer": "symbols",
            "task.target.token_name": "phoneme",
            "task.metrics": "exact_match",
            "task.max_input_length": 16,
            "task.max_target_length": 16,
            "task.long_input": 12,
            "model.hidden_size": 128,
            "model.bidirectional": True,
            "cell.name": "lstm",
            "attention.name": "additive",
            "init.forget_bias": 1.0,
            "optimizer.learning_rate": 2e-3,
            "schedule.name": "cosine",
            "training.steps": 3000,
            "training.batch_size": 64,
            "training.log_every": 100,
            "training.eval_examples": 3000,
        }
    ),
    variants={name: {"attention.name": name} for name in ("none", "context", "input", "dot", "additive")},
    columns=(
        Column("phoneme error", "test/free_running/edit_error_rate", unit="%"),
        Column("on words of 12 letters and more", "test/free_running/edit_error_rate_long_inputs", unit="%"),
        Column("words with an error", "test/free_running/sequence_error_rate", unit="%"),
        Column("teacher-forced error", "test/teacher_forced/edit_error_rate", unit="%"),
        Column("exposure bias gap", "test/exposure_bias_gap", unit="%"),
        Column("teacher-forced loss", "test/teacher_forced/loss"),
        Column("parameters", "model/parameters"),
    ),
    figures=("error_by_length", "error_by_position"),
)
