"""What attention is worth in translation: LibreOffice's help, English to German, French and Japanese.

One trial takes 4 to 8 minutes of 2 cores. In German three seeds reached a BLEU of 18.2, 16.5 and 26.9, without
attention 10.0 to 11.1; the source as it is has 5.7, the most frequent translation 0.03. In French one seed reached
19.2, in Japanese 45.3 (by characters). All trials, and the table and the figure of BLEU by the length of the sentence:

    python -m research train translation --setting=de --arm=additive
    python -m research sweep sweeps/translation.yaml
    python -m research report runs/translation
"""

from research.config import Config, DecodingConfig, InitConfig, ModelConfig, TrainingConfig, TranslationConfig
from research.experiment import Column, Experiment

EXPERIMENT = Experiment(
    claim="Without attention (none: Sutskever, Vinyals, Le 2014) one state of fixed size holds the whole sentence. "
    "With it (dot: Luong, Pham, Manning 2015; additive: Bahdanau, Cho, Bengio 2015) the decoder looks at all "
    "states of the source, and translates better whatever the length. Encoder, decoder cell, width and "
    "training are the same.",
    base=Config(
        experiment="translation",
        task=TranslationConfig(),
        model=ModelConfig(cell="lstm", features=256, bidirectional=True, attention="additive"),
        init=InitConfig(forget_bias=1.0),
        decoding=DecodingConfig(method="beam", length_penalty=1.0),
        training=TrainingConfig(
            steps=4000,
            batch_size=64,
            learning_rate=2e-3,
            warmup_steps=200,
            decay="cosine",
            label_smoothing=0.1,
            input_dropout=0.1,
            output_dropout=0.3,
            log_every=100,
            eval_every=800,
            eval_examples=1000,
        ),
    ),
    settings={target: {"task.target": target} for target in ("de", "fr", "ja")},
    arms={name: {"model.attention": name} for name in ("none", "dot", "additive")},
    rows="model.attention",
    columns=(
        Column("BLEU", "eval/free_running/bleu"),
        Column("chrF", "eval/free_running/chrf"),
        Column("exact match", "eval/free_running/exact_match", unit="%"),
        Column("token error", "eval/free_running/error_rate", unit="%"),
        Column("teacher-forced loss", "eval/teacher_forced/loss"),
        Column("BLEU of the most frequent translation", "eval/baseline/bleu"),
        Column("BLEU of the source as it is", "eval/copy/bleu"),
        Column("parameters", "model/parameters"),
    ),
    figures=("metric_by_time", "bleu_by_length", "error_by_length"),
)
