"""How much attention helps on large corpora of translation, through TFDS, for an accelerator and a network.

TFDS downloads and prepares a corpus at its first use: 125 MB of TED talks, 1.7 GB of WMT 2014. Its sentences
are streamed while the model trains. Tested on small archives of the same formats; no figure has been made yet.

    research train stock_translation --setting=ted_pt
    research sweep stock_translation
    research report runs/stock_translation
"""

from typing import Any

from research.config import Column, Experiment, unflatten


def ted(language: str) -> dict[str, Any]:
    """Return the options of TED talks in English and another language."""
    return {
        "task.source": f"ted_hrlr_translate/{language}_to_en",
        "task.target.column": language,
        "task.language": language,
    }


EXPERIMENT = Experiment(
    claim="With attention (dot: Luong, Pham, Manning 2015; additive: Bahdanau, Cho, Bengio 2015) long sentences are "
    "translated as well as short ones; without it (none: Sutskever, Vinyals, Le 2014) they are not, however much "
    "text there is to learn from.",
    base=unflatten(
        {
            "task.name": "dataset",
            "task.input.column": "en",
            "task.input.tokenizer": "subwords",
            "task.input.vocab_size": 8000,
            "task.input.max_words": 50,
            "task.target.tokenizer": "subwords",
            "task.target.vocab_size": 8000,
            "task.metrics": "bleu,chrf,exact_match",
            "model.hidden_size": 512,
            "model.num_layers": 2,
            "model.bidirectional": True,
            "cell.name": "lstm",
            "attention.name": "additive",
            "decoding.name": "beam",
            "decoding.length_penalty": 1.0,
            "init.forget_bias": 1.0,
            "dropout.output": 0.3,
            "optimizer.learning_rate": 1e-3,
            "schedule.name": "cosine",
            "schedule.warmup_steps": 1000,
            "training.steps": 20_000,
            "training.batch_size": 128,
            "training.label_smoothing": 0.1,
            "training.log_every": 200,
            "training.eval_every": 5000,
            "training.eval_examples": 3000,
        }
    ),
    settings={
        **{f"ted_{target}": ted(target) for target in ("pt", "ru", "tr", "az", "be", "gl")},
        "wmt14_de": {
            "task.source": "wmt14_translate/de-en",
            "task.target.column": "de",
            "task.language": "de",
            "task.input.vocab_size": 32_000,
            "task.target.vocab_size": 32_000,
            "model.hidden_size": 1024,
            "training.steps": 300_000,
            "dropout.output": 0.2,
        },
    },
    variants={name: {"attention.name": name} for name in ("none", "dot", "additive")},
    columns=(
        Column("BLEU", "test/free_running/bleu"),
        Column("chrF", "test/free_running/chrf"),
        Column("token error", "test/free_running/edit_error_rate", unit="%"),
        Column("teacher-forced loss", "test/teacher_forced/loss"),
        Column("parameters", "model/parameters"),
    ),
    figures=("bleu_by_length", "error_by_length"),
)
