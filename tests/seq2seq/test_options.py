"""Options that contradict each other or are unused are refused in one line that names the key."""

from typing import Any

import pytest

from research.cells import CELLS
from research.cells.lstm import LSTM
from research.config.config import Config
from research.errors import UserError
from research.options import flatten, static_key
from research.recurrence.dropout import DropoutOptions, ZoneoutOptions
from research.seq2seq.attention import ATTENTIONS
from research.seq2seq.attention.location import LocationAttention
from research.seq2seq.attention.multi_head import MultiHeadAttention
from research.seq2seq.decoding import DECODINGS, Beam
from research.seq2seq.options import ModelOptions, Seq2seqOptions
from research.seq2seq.teacher_forcing import TeacherForcingOptions


def refused(kind: Any, options: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError) as raised:
        kind(**options)
    assert str(raised.value).startswith(line) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"subsampling": "pyramid"}, "model.subsampling=pyramid: must be none or convolution with model.num_layers=1"),
        ({"subsampling_factor": 3}, "model.subsampling_factor=3: must be 2, as model.subsampling=none does not use it"),
        (
            {"subsampling": "convolution", "subsampling_factor": 1},
            "model.subsampling_factor=1: must be between 2 and 1024",
        ),
        (
            {"subsampling": "pyramid", "num_layers": 2, "residual": True},
            "model.residual=True: must be False with model.subsampling=pyramid",
        ),
        (
            {"subsampling": "max", "num_layers": 2, "skip_connections": True},
            "model.skip_connections=True: must be False with model.subsampling=max",
        ),
        (
            {"reverse_source": True, "bidirectional": True},
            "model.reverse_source=True: must be False with model.bidirectional=True",
        ),
        ({"readout_size": 5, "tie_embeddings": True}, "model.readout_size=5: must be 0 with model.tie_embeddings=True"),
        ({"readout_size": -1}, "model.readout_size=-1: must be between 0 and"),
        ({"parameter_budget": -1}, "model.parameter_budget=-1: must be between 0 and"),
        (
            {"hidden_size": 32, "parameter_budget": 1000},
            "model.hidden_size=32: must be 64, as model.parameter_budget=1000 does not use it",
        ),
    ],
)
def test_a_model_that_cannot_be_is_refused(options, line):
    refused(ModelOptions, options, line)


@pytest.mark.parametrize(
    ("kind", "options", "line"),
    [
        *((ATTENTIONS["dot"], {"temperature": hot}, "attention.temperature=") for hot in (0.0, float("nan"))),
        (ATTENTIONS["local_p"], {"window": 0}, "attention.window=0: must be between 1 and"),
        (LocationAttention, {"kernel_size": 4}, "attention.kernel_size=4: must be an odd number"),
        (LocationAttention, {"temperature": 1e9}, "attention.temperature="),
        (LocationAttention, {"num_filters": 0}, "attention.num_filters=0: must be between 1"),
        (MultiHeadAttention, {"num_heads": 0}, "attention.num_heads=0: must be between 1"),
        (DECODINGS["sample"], {"temperature": 1e-7}, "decoding.temperature=1e-07: must be between 1e-06 and"),
        (DECODINGS["sample"], {"top_k": -1}, "decoding.top_k=-1: must be between 0"),
        (Beam, {"beam_size": 0}, "decoding.beam_size=0: must be between 1"),
        (Beam, {"length_penalty": 10.5}, "decoding.length_penalty=10.5: must be between 0 and 10"),
        (Beam, {"coverage_penalty": float("nan")}, "decoding.coverage_penalty=nan: must be between 0"),
        *((kind, {"max_length": 2**21}, "decoding.max_length=2097152: must be between") for kind in DECODINGS.values()),
        *(
            (kind, {"min_length": 3, "max_length": 3}, "decoding.min_length=3: must be less than decoding.max_length=3")
            for kind in DECODINGS.values()
        ),
        (TeacherForcingOptions, {"ratio": 0.5}, "teacher_forcing.ratio=0.5: must be 1.0, as teacher_forcing.schedule="),
        (TeacherForcingOptions, {"schedule": "constant", "ratio": 1.01}, "teacher_forcing.ratio=1.01: must be between"),
        (
            TeacherForcingOptions,
            {"schedule": "linear", "half_life": float("nan")},
            "teacher_forcing.half_life=nan: must be between 1 and",
        ),
        (TeacherForcingOptions, {"schedule": "constant", "min_ratio": 0.5}, "teacher_forcing.min_ratio=0.5: must be 0"),
        *(
            (
                TeacherForcingOptions,
                {"schedule": schedule, "granularity": "sequence"},
                f"teacher_forcing.granularity=sequence: must be token, as teacher_forcing.schedule={schedule} does not",
            )
            for schedule in ("always", "never")
        ),
        (TeacherForcingOptions, {"feedback": "sample"}, "teacher_forcing.feedback=sample: must be argmax, as"),
    ],
)
def test_a_choice_refuses_what_is_out_of_range_or_unused(kind, options, line):
    refused(kind, options, line)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"attention": MultiHeadAttention(num_heads=5)},
            "attention.num_heads=5: must be a divisor of the decoder's 64 features",
        ),
        (
            {
                "attention": MultiHeadAttention(num_heads=4),
                "cell": LSTM(projection_size=6),
                "model": ModelOptions(parameter_budget=1000),
            },
            "attention.num_heads=4: must be a divisor of the decoder's 6 features",
        ),
        (
            {"decoding": Beam(coverage_penalty=0.4)},
            "decoding.coverage_penalty=0.4: must be 0.0, as attention.name=none",
        ),
        ({"dropout": DropoutOptions(attention=0.1)}, "dropout.attention=0.1: must be 0, as attention.name=none has no"),
        ({"cell": CELLS["mingru"](), "dropout": DropoutOptions(recurrent=0.1)}, "dropout.recurrent=0.1: must be 0, as"),
        ({"cell": CELLS["gru"](), "zoneout": ZoneoutOptions(cell=0.1)}, "zoneout.cell=0.1: must be 0, as the state of"),
    ],
)
def test_sections_that_do_not_go_together_are_refused(options, line):
    refused(Seq2seqOptions, options, line)


def test_heads_need_not_divide_a_size_that_a_budget_decides():
    Seq2seqOptions(ModelOptions(parameter_budget=1000), attention=MultiHeadAttention(num_heads=5))
    layers = ModelOptions(num_layers=5, skip_connections=True)
    Seq2seqOptions(layers, attention=MultiHeadAttention(num_heads=5))


@pytest.mark.parametrize(
    "options",
    [
        {"cell": CELLS["gru"]()},
        {"cell": LSTM(peephole=True)},
        {"model": {"remat_every": -1}},
        {"model": {"tbptt_steps": 9}},
        {"model": {"compute_dtype": "bfloat16"}},
        {"dropout": DropoutOptions(recurrent=0.1)},
        {"zoneout": ZoneoutOptions(cell=0.1)},
    ],
)
def test_cudnn_is_refused_with_what_only_the_scan_can_do(options):
    model, sections = options.get("model", {}), {name: value for name, value in options.items() if name != "model"}
    with pytest.raises(UserError, match=r"^(cell|model|dropout|zoneout)\.\w+=.* or the backend auto or scan$"):
        Seq2seqOptions(ModelOptions(backend="cudnn", **model), **sections)
    Seq2seqOptions(ModelOptions(**model), **sections)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"attention": ATTENTIONS["dot"]()}, "attention.name=dot: must be none, as the task has no decoder"),
        ({"decoding": Beam()}, "decoding.name=beam: must be greedy, as"),
        ({"decoding": DECODINGS["greedy"](max_length=3)}, "decoding.max_length=3: must be 0, as"),
        ({"teacher_forcing": TeacherForcingOptions("never")}, "teacher_forcing.schedule=never: must be always, as"),
        ({"model": ModelOptions(readout_size=3)}, "model.readout_size=3: must be 0, as the task has no decoder"),
        ({"model": ModelOptions(tie_embeddings=True)}, "model.tie_embeddings=True: must be False, as the task has no"),
        (
            {"dropout": DropoutOptions(input=0.1)},
            "dropout.input=0.1: must be 0, as the task has no decoder and its inp",
        ),
    ],
)
def test_options_of_a_decoder_are_refused_for_a_task_without_one(options, line):
    trial = Seq2seqOptions(**options)
    for target in ("class", "labels", "value"):
        refused(trial.check_task, {"inputs": "features", "target": target}, line)
    trial.check_task("tokens", "tokens")


def test_dropout_of_inputs_is_for_tokens_and_labels_are_for_sources_that_are_not_shortened():
    Seq2seqOptions(dropout=DropoutOptions(input=0.1)).check_task("tokens", "labels")
    shortened = Seq2seqOptions(ModelOptions(subsampling="convolution"))
    shortened.check_task("features", "class")
    with pytest.raises(UserError, match=r"^model\.subsampling=convolution: must be none, as the task has a label"):
        shortened.check_task("features", "labels")


def test_names_of_choices_are_those_of_their_registries_and_every_class_says_what_it_is():
    for registry in (ATTENTIONS, DECODINGS):
        for name, kind in registry.items():
            assert kind().name == name and kind.__doc__ is not None
            assert kind.__doc__.splitlines()[0].endswith(".")


def test_trials_share_a_program_unless_what_is_compiled_differs():
    def key(**options: Any) -> Any:
        return static_key(Seq2seqOptions(**options))

    falling = TeacherForcingOptions("linear", min_ratio=0.2)
    assert key(teacher_forcing=falling) == key(teacher_forcing=TeacherForcingOptions("never")) != key()
    assert key(dropout=DropoutOptions(0.1)) == key(dropout=DropoutOptions(0.2)) != key()
    assert key(decoding=Beam()) != key()
    assert "decoding.beam_size" in flatten(Seq2seqOptions(decoding=Beam()))


def test_a_profile_is_named_after_its_layer_its_direction_and_its_part():
    plain = Seq2seqOptions(ModelOptions(num_layers=2, bidirectional=True))
    assert plain.profile_names == ("encoder/layer_2/forward/h", "encoder/layer_2/forward/c")
    assert plain.state_profile == "encoder/layer_2/forward/h"
    linear = Seq2seqOptions(ModelOptions(reverse_source=True), cell=CELLS["sru"]())
    assert linear.profile_names == ("encoder/layer_1/reverse/h", "encoder/layer_1/reverse/c")
    assert linear.state_profile == "encoder/layer_1/reverse/c"


def test_the_carry_of_the_encoder_has_all_parts_of_all_layers_and_directions():
    deep = ModelOptions(hidden_size=8, num_layers=3, bidirectional=True)
    assert Seq2seqOptions(deep, cell=CELLS["lstm"]()).carry_size == 3 * 2 * 2 * 8
    assert Seq2seqOptions(ModelOptions(hidden_size=8), cell=CELLS["gru"]()).carry_size == 8


def test_a_variant_that_sets_an_attention_without_a_decoder_is_named():
    with pytest.raises(UserError, match="as the task has no decoder; --variant=attention may have set it"):
        Config(variant="attention", attention=ATTENTIONS["dot"]())
