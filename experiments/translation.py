"""How much attention helps in translation: LibreOffice's help, English to German, French and Japanese.

One trial takes 4 to 8 minutes of 2 cores. In German three seeds reached a BLEU of 18.2, 16.5 and 26.9, without
attention 10.0 to 11.1; the unchanged source has 5.7, the most frequent translation 0.03. In French one seed reached
19.2, in Japanese 45.3 (by characters). All trials, and the table and the figure of BLEU by the length of the sentence:

    research train translation --setting=de --variant=additive
    research sweep translation
    research report runs/translation
"""

from research.config import Column, Experiment, unflatten

EXPERIMENT = Experiment(
    claim="Without attention (none: Sutskever, Vinyals, Le 2014) one state of fixed size holds the whole sentence. "
    "With it (dot: Luong, Pham, Manning 2015; additive: Bahdanau, Cho, Bengio 2015) the decoder attends to all "
    "states of the source, and translates better whatever the length. Encoder, decoder cell, width and "
    "training are the same.",
    base=unflatten(
        {
            "task.name": "dataset",
            "task.input.column": "english",
            "task.input.tokenizer": "subwords",
            "task.input.max_words": 10,
            "task.target.column": "translation",
            "task.target.tokenizer": "subwords",
            "task.metrics": "bleu,chrf,exact_match",
            "task.max_input_length": 38,
            "task.max_target_length": 42,
            "model.hidden_size": 256,
            "model.bidirectional": True,
            "cell.name": "lstm",
            "attention.name": "additive",
            "decoding.name": "beam",
            "decoding.length_penalty": 1.0,
            "init.forget_bias": 1.0,
            "dropout.input": 0.1,
            "dropout.output": 0.3,
            "optimizer.learning_rate": 2e-3,
            "schedule.name": "cosine",
            "schedule.warmup_steps": 200,
            "training.steps": 4000,
            "training.batch_size": 64,
            "training.label_smoothing": 0.1,
            "training.log_every": 100,
            "training.eval_every": 800,
            "training.eval_examples": 1000,
        }
    ),
    settings={
        target: {"task.source": f"libreoffice_{target}", "task.language": target} for target in ("de", "fr", "ja")
    },
    variants={name: {"attention.name": name} for name in ("none", "dot", "additive")},
    columns=(
        Column("BLEU", "test/free_running/bleu"),
        Column("chrF", "test/free_running/chrf"),
        Column("exact match", "test/free_running/exact_match", unit="%"),
        Column("token error", "test/free_running/edit_error_rate", unit="%"),
        Column("teacher-forced loss", "test/teacher_forced/loss"),
        Column("parameters", "model/parameters"),
    ),
    figures=("metric_by_time", "bleu_by_length", "error_by_length"),
)
