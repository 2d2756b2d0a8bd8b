"""What attention is worth on large corpora of translation, through TFDS, for an accelerator and a network.

TFDS downloads and prepares a corpus when it is first asked for: 125 MB of TED talks, 1.7 GB of WMT 2014. Its sentences
are read while the model trains. Tested on small archives of the same formats; no figure has been made yet.

    python -m research train stock_translation --setting=ted_pt
    python -m research sweep sweeps/stock_translation.yaml
    python -m research report runs/stock_translation
"""

from research.config import Config, DecodingConfig, InitConfig, ModelConfig, TedHrlrTranslateConfig, TrainingConfig
from research.experiment import Column, Experiment

EXPERIMENT = Experiment(
    claim="With attention (dot: Luong, Pham, Manning 2015; additive: Bahdanau, Cho, Bengio 2015) long sentences are "
    "translated as well as short ones; without it (none: Sutskever, Vinyals, Le 2014) they are not, however much text "
    "there is to learn from.",
    base=Config(
        experiment="stock_translation",
        task=TedHrlrTranslateConfig(),
        model=ModelConfig(cell="lstm", features=512, layers=2, bidirectional=True, attention="additive"),
        init=InitConfig(forget_bias=1.0),
        decoding=DecodingConfig(method="beam", length_penalty=1.0),
        training=TrainingConfig(
            steps=20_000,
            batch_size=128,
            learning_rate=1e-3,
            warmup_steps=1000,
            decay="cosine",
            label_smoothing=0.1,
            output_dropout=0.3,
            log_every=200,
            eval_every=5000,
            eval_examples=3000,
        ),
    ),
    settings={
        **{f"ted_{target}": {"task.target": target} for target in ("pt", "ru", "tr", "az", "be", "gl")},
        "wmt14_de": {
            "task.name": "wmt14_translate",
            "model.features": 1024,
            "training.steps": 300_000,
            "training.output_dropout": 0.2,
        },
    },
    arms={name: {"model.attention": name} for name in ("none", "dot", "additive")},
    rows="model.attention",
    columns=(
        Column("BLEU", "eval/free_running/bleu"),
        Column("chrF", "eval/free_running/chrf"),
        Column("token error", "eval/free_running/error_rate", unit="%"),
        Column("teacher-forced loss", "eval/teacher_forced/loss"),
        Column("BLEU of the most frequent translation", "eval/baseline/bleu"),
        Column("BLEU of the source as it is", "eval/copy/bleu"),
        Column("parameters", "model/parameters"),
    ),
    figures=("bleu_by_length", "error_by_length"),
)
