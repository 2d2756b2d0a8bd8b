"""How much attention helps for captions of photographs: COCO 2014 through TFDS, for an accelerator and a network.

TFDS downloads and prepares 40 GB at the first use, the test pictures of the challenge among them. The splits are those
of Karpathy and Li (2015). The photographs are streamed while the model trains, each with each of its captions. Tested
on small archives of the same formats; no figure has been made yet.

    research train stock_captions --variant=additive --loader.num_workers=8
    research sweep stock_captions
    research report runs/stock_captions
"""

from research.config import Column, Experiment, unflatten

EXPERIMENT = Experiment(
    claim="A decoder that attends to parts of a photograph (additive: Xu et al. 2015) says more of what is in it than "
    "one that has a single state of the whole (none: Vinyals et al. 2015).",
    base=unflatten(
        {
            "task.name": "dataset",
            "task.source": "coco_captions/2014",
            "task.metrics": "bleu,chrf,exact_match",
            "task.input.name": "image",
            "task.input.size": 96,
            "task.input.mirror": True,
            "task.target.column": "captions/text",
            "task.target.tokenizer": "subwords",
            "task.target.vocab_size": 8000,
            "task.target.train_on": "all",
            "model.hidden_size": 512,
            "model.num_layers": 2,
            "model.bidirectional": True,
            "attention.name": "additive",
            "decoding.name": "beam",
            "decoding.length_penalty": 1.0,
            "init.forget_bias": 1.0,
            "dropout.output": 0.3,
            "optimizer.learning_rate": 1e-3,
            "schedule.name": "cosine",
            "schedule.warmup_steps": 1000,
            "training.steps": 100_000,
            "training.batch_size": 128,
            "training.label_smoothing": 0.1,
            "training.log_every": 200,
            "training.eval_every": 10_000,
            "training.eval_examples": 5000,
        }
    ),
    variants={name: {"attention.name": name} for name in ("none", "additive")},
    columns=(
        Column("BLEU", "test/free_running/bleu"),
        Column("chrF", "test/free_running/chrf"),
        Column("teacher-forced error", "test/teacher_forced/edit_error_rate", unit="%"),
        Column("parameters", "model/parameters"),
    ),
    figures=("error_by_position",),
)
