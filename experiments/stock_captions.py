"""What attention is worth for captions of photographs: COCO 2014 through TFDS, for an accelerator and a network.

TFDS downloads and prepares 40 GB when they are first asked for, the test pictures of the challenge among them. The
photographs are read while the model trains. Tested on small archives of the same formats; no figure has been made yet.

    python -m research train stock_captions --arm=additive --input.workers=8
    python -m research sweep sweeps/stock_captions.yaml
    python -m research report runs/stock_captions
"""

from research.config import CocoCaptionsConfig, Config, DecodingConfig, InitConfig, ModelConfig, TrainingConfig
from research.experiment import Column, Experiment

EXPERIMENT = Experiment(
    claim="A decoder that looks at parts of a photograph (additive: Xu et al. 2015) says more of what is in it than "
    "one that has a single state of all of it (none: Vinyals et al. 2015).",
    base=Config(
        experiment="stock_captions",
        task=CocoCaptionsConfig(mirror=True),
        model=ModelConfig(cell="lstm", features=512, layers=2, bidirectional=True, attention="additive"),
        init=InitConfig(forget_bias=1.0),
        decoding=DecodingConfig(method="beam", length_penalty=1.0),
        training=TrainingConfig(
            steps=100_000,
            batch_size=128,
            learning_rate=1e-3,
            warmup_steps=1000,
            decay="cosine",
            label_smoothing=0.1,
            output_dropout=0.3,
            log_every=200,
            eval_every=10_000,
            eval_examples=5000,
        ),
    ),
    arms={name: {"model.attention": name} for name in ("none", "additive")},
    rows="model.attention",
    columns=(
        Column("BLEU", "eval/free_running/bleu"),
        Column("chrF", "eval/free_running/chrf"),
        Column("teacher-forced error", "eval/teacher_forced/error_rate", unit="%"),
        Column("BLEU of the most frequent caption", "eval/baseline/bleu"),
        Column("parameters", "model/parameters"),
    ),
    figures=("error_by_position",),
)
