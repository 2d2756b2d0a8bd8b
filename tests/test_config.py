"""Every option of a trial is checked, and its flat form names it in full."""

import dataclasses

import pytest

from research import config as module
from research.config import AddingConfig, Config, DecodingConfig, ForcingConfig, InitConfig, ModelConfig
from research.dotted import flatten, override, suggestion, unflatten
from research.errors import UserError

BETWEEN_LAYERS = ("residual", "skip", "layer_norm")


@pytest.mark.parametrize("task", module.task_types().values())
def test_a_config_and_its_flat_form_are_inverse(task):
    config = Config(seed=3, task=task(), init=InitConfig(gain=0.5, bias="chrono"))
    assert unflatten(flatten(config)) == config


def test_the_flat_form_holds_plain_values_under_the_flags_names():
    flat = flatten(Config(task=AddingConfig(length=9)))
    assert flat["task.name"] == "adding"
    assert flat["task.length"] == 9
    assert all(isinstance(value, bool | int | float | str) for value in flat.values())


def test_an_absent_key_takes_its_default():
    assert unflatten({}) == Config()
    assert unflatten({"task.name": "adding"}).task == AddingConfig()


def test_whole_numbers_and_the_names_of_strict_json_are_read_as_floats():
    config = unflatten({"training.clip_norm": "inf", "init.gain": 2})
    assert config.training.clip_norm == float("inf")
    assert isinstance(config.init.gain, float)


def test_a_change_of_task_drops_the_options_of_the_former_task():
    pixels = override(Config(), {"task.pixels_per_step": 4})
    assert override(pixels, {"task.name": "adding"}).task == AddingConfig()
    assert override(pixels, {"task.name": "pixels"}).task == pixels.task


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("seed", 2**31),
        ("seed", True),
        ("seed", 1.0),
        ("task.name", "chess"),
        ("task.pixels_per_step", 5),
        ("task.pixels_per_step", 0),
        ("task.permuted", 1),
        ("model.cell", "elman"),
        ("model.features", 0),
        ("model.layers", 0),
        ("model.attention", "some"),
        ("init.gain", float("nan")),
        ("init.gain", -0.1),
        ("init.recurrent", "ones"),
        ("init.input", "sparse"),
        ("init.input_gain", float("inf")),
        ("init.connections", 0),
        ("init.forget_bias", float("inf")),
        ("init.chrono_length", 2),
        ("init.chrono_length", 100),  # with a constant bias
        ("init.chrono_length", 2**31),
        ("init.gain", 1e15),
        ("init.forget_bias", -1e15),
        ("model.features", 2**40),
        ("model.layers", 2**40),
        ("model.truncate_every", 2**31),
        ("model.checkpoint_every", 2**31),
        ("cell.projection", 2**40),
        ("training.steps", 0),
        ("training.batch_shards", -1),
        ("training.batch_shards", 5),
        ("training.learning_rate", float("inf")),
        ("training.clip_norm", 0.0),
        ("forcing.ratio", 1.01),
        ("decoding.method", "guess"),
        ("decoding.beam_size", 0),
        ("decoding.length_penalty", 10.5),
        ("decoding.coverage_penalty", -0.1),
        ("decoding.temperature", 1e-7),
        ("decoding.temperature", float("nan")),
        ("decoding.top_k", -1),
        ("decoding.max_length", 2**21),
        ("training.warmup_steps", -1),
        ("training.eval_every", -1),
        ("probes.gradient_flow_every", -1),
        ("tracking.wandb", "maybe"),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_what_is_allowed(key, value):
    with pytest.raises(UserError, match=rf"^{key}='?{value}'?: must be "):
        override(Config(), {key: value})


@pytest.mark.parametrize("key", ["sed", "model", "model.name", "models.cell", "task.length", "", ".", "model.cell.x"])
def test_an_unknown_key_is_named(key):
    with pytest.raises(UserError, match="no such option"):
        unflatten({key: 1})


@pytest.mark.parametrize(
    ("key", "meant"), [("sed", "seed"), ("gain", "init.gain"), ("traning.steps", "training.steps")]
)
def test_the_nearest_key_is_suggested(key, meant):
    assert suggestion(key, Config()) == f"; did you mean {meant}?"


def test_every_option_has_a_description():
    def check(kind: type) -> None:
        lines = [line.strip() for line in _source(kind)]
        for item in dataclasses.fields(kind):
            if item.name == "name" or (isinstance(item.type, type) and dataclasses.is_dataclass(item.type)):
                continue
            if item.name == "task" and kind is Config:
                continue
            said = [lines[at + 1] for at, line in enumerate(lines) if line.startswith(f"{item.name}: ")]
            assert any(line.startswith('"""') for line in said), f"{kind.__name__}.{item.name}"  # or a base says it

    sections = [type(getattr(Config(), item.name)) for item in dataclasses.fields(Config) if item.name != "task"]
    for kind in [Config, *module.task_types().values(), *(kind for kind in sections if dataclasses.is_dataclass(kind))]:
        check(kind)


def _source(kind: type) -> list[str]:
    import inspect

    own = [base for base in kind.__mro__ if dataclasses.is_dataclass(base)]
    return [line for base in own for line in inspect.getsource(base).splitlines()]


@pytest.mark.parametrize("method", ["greedy", "sample", "beam"])
def test_options_of_another_way_to_decode_are_refused(method):
    read = {"beam": {"beam_size": 5, "length_penalty": 0.5}, "sample": {"temperature": 0.5, "top_k": 3}}
    for reader, options in read.items():
        for name, value in options.items():
            if reader == method:
                assert getattr(DecodingConfig(method, **{name: value}), name) == value
            else:
                with pytest.raises(UserError, match=f"decoding.{name}={value}.* as decoding.method={method} does not"):
                    DecodingConfig(method, **{name: value})
    with pytest.raises(UserError, match=r"decoding.min_length=3: must be less than decoding.max_length=3"):
        DecodingConfig(method, min_length=3, max_length=3)


@pytest.mark.parametrize("policy", ["always", "never"])
def test_a_unit_of_draws_is_refused_where_nothing_is_drawn(policy):
    with pytest.raises(UserError, match=f"forcing.unit=sequence: must be token, as forcing.policy={policy} does not"):
        ForcingConfig(policy, unit="sequence")


def test_input_dropout_is_refused_where_there_is_nothing_that_it_drops():
    with pytest.raises(UserError, match=r"input_dropout=0.1: must be 0, as the task adding has no decoder and its inp"):
        override(Config(), {"task.name": "adding", "training.input_dropout": 0.1})
    for task in ("dyck", "copy", "pronunciation"):
        override(Config(), {"task.name": task, "training.input_dropout": 0.1})


@pytest.mark.parametrize("change", [{"model.attention": "dot"}, {"forcing.policy": "constant", "forcing.ratio": 0.5}])
def test_options_of_the_decoder_are_refused_for_a_task_without_one(change):
    with pytest.raises(UserError, match=f"{next(iter(change))}=.*: must be .* as the task pixels has no decoder"):
        override(Config(), change)
    override(Config(), {"task.name": "pronunciation", **change})


def test_a_rate_that_falls_to_the_last_step_is_refused_where_time_decides_which_that_is():
    with pytest.raises(
        UserError, match=r"training\.decay=cosine: must be none, .* with training\.seconds=60: the last"
    ):
        override(Config(), {"training.decay": "cosine", "training.seconds": 60})
    for change in ({"training.decay": "cosine"}, {"training.seconds": 60}):
        override(Config(), change)
    for seconds in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UserError, match=r"training\.seconds=.*: must be between 0 and"):
            override(Config(), {"training.seconds": seconds})


def test_width_and_budget_of_weights_replace_each_other():
    wide = override(Config(), {"model.features": 128})
    budgeted = override(wide, {"model.parameter_budget": 1000})
    assert (budgeted.model.features, budgeted.model.parameter_budget) == (Config().model.features, 1000)
    assert override(budgeted, {"model.features": 32}) == override(Config(), {"model.features": 32})
    assert override(wide, {"model.parameter_budget": 0}) == override(wide, {"seed": 0}) == wide
    for features in (32, 64):
        with pytest.raises(
            UserError, match=rf"model\.features={features}: must be absent, as model\.parameter_budget=1000"
        ):
            override(wide, {"model.features": features, "model.parameter_budget": 1000})
    with pytest.raises(UserError, match=r"model\.features=32: must be 64, as model\.parameter_budget=1000 does not"):
        ModelConfig(features=32, parameter_budget=1000)


def test_heads_need_not_divide_a_width_that_a_budget_decides():
    change = {"task.name": "pronunciation", "model.attention": "multi_head", "attention.heads": 5}
    with pytest.raises(UserError, match=r"attention\.heads=5"):
        override(Config(), change)
    override(Config(), {**change, "model.parameter_budget": 1000})


def test_a_profile_over_time_is_refused_where_inputs_differ_in_length():
    with pytest.raises(UserError, match=r"gradient_flow_every=5: must be 0, as inputs of pronunciation differ"):
        override(Config(), {"task.name": "pronunciation", "probes.gradient_flow_every": 5})


CUDNN_LACKS = [
    {"model.cell": "gru"},
    {"cell.peephole": True},
    {"probes.gradient_flow_every": 4},
    {"model.checkpoint_every": -1},
    {"model.truncate_every": 9},
    {"model.precision": "bfloat16"},
    {"training.recurrent_dropout": 0.1},
    {"training.zoneout_c": 0.1},
]


@pytest.mark.parametrize("change", CUDNN_LACKS)
def test_cudnn_is_refused_with_what_only_the_scan_can_do(change):
    with pytest.raises(UserError, match="auto or scan"):
        override(Config(), {"model.backend": "cudnn", **change})
    assert override(Config(), change).model.backend == "auto"


@pytest.mark.parametrize(
    ("cell", "options", "line"),
    [
        ("lstm", {"coupled": True, "input_gate": False}, "cell.coupled=True: must be False with cell.input_gate=False"),
        ("lstm", {"coupled": True, "forget_gate": False}, "cell.coupled=True: must be False with cell.forget_gate="),
        (
            "lstm",
            {"peephole": True, "input_gate": False, "forget_gate": False, "output_gate": False},
            "cell.peephole=True: must be False without input, forget and output gate",
        ),
        ("lstm", {"projection": -1}, "cell.projection=-1: must be between 0 and 2"),
        ("lstm", {"reset": "before"}, "cell.reset=before: must be after, as only gru reads it, not lstm"),
        ("gru", {"reset": "before", "recurrent_bias": True}, "cell.recurrent_bias=True: must be False with cell.reset"),
        ("gru", {"peephole": True}, "cell.peephole=True: must be False, as only lstm reads it, not gru"),
        ("gru", {"activation": "relu"}, "cell.activation=relu: must be tanh, as only rnn reads it, not gru"),
    ],
)
def test_options_of_a_cell_that_contradict_each_other_or_are_not_read_are_refused(cell, options, line):
    with pytest.raises(UserError) as refused:
        override(Config(), {"model.cell": cell, **{f"cell.{name}": value for name, value in options.items()}})
    assert str(refused.value).startswith(line) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        *(({f"model.{name}": True}, f"model.{name}=True: must be False, as there is") for name in BETWEEN_LAYERS),
        ({"model.checkpoint_every": -2}, "model.checkpoint_every=-2: must be at least -1"),
        ({"model.truncate_every": -1}, "model.truncate_every=-1: must be at least 0"),
        *(
            ({f"training.{name}": 1.0}, f"training.{name}=1.0: must be at least 0 and less than 1")
            for name in module.NOISE
        ),
        ({"training.output_dropout": float("nan")}, "training.output_dropout=nan: must be at least 0"),
        (
            {"model.cell": "gru", "training.zoneout_c": 0.1},
            "training.zoneout_c=0.1: must be 0, as the state of gru is h",
        ),
        (
            {"training.zoneout_h": 0.1, "probes.gradient_flow_every": 5},
            "probes.gradient_flow_every=5: must be 0 with zoneout",
        ),
    ],
)
def test_structure_and_noise_that_have_nothing_to_act_on_are_refused(options, line):
    with pytest.raises(UserError) as refused:
        override(Config(), options)
    assert str(refused.value).startswith(line) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        *(
            (
                {"subsampling": kind},
                f"model.subsampling={kind}: must be none or convolution, as there is one layer only",
            )
            for kind in ("pyramid", "mean", "max")
        ),
        (
            {"subsampling_factor": 3},
            "model.subsampling_factor=3: must be 2, as model.subsampling=none does not read it",
        ),
        (
            {"subsampling": "convolution", "subsampling_factor": 1},
            "model.subsampling_factor=1: must be between 2 and 1024",
        ),
        (
            {"subsampling": "pyramid", "layers": 2, "residual": True},
            "model.residual=True: must be False with model.subsampling=pyramid",
        ),
        *(
            (
                {"subsampling": kind, "layers": 2, "skip": True},
                f"model.skip=True: must be False with model.subsampling={kind}",
            )
            for kind in ("pyramid", "mean", "max")
        ),
        (
            {"reverse_source": True, "bidirectional": True},
            "model.reverse_source=True: must be False, as model.bidirectional reads both ways",
        ),
    ],
)
def test_a_way_to_read_the_source_that_cannot_be_is_refused(options, line):
    with pytest.raises(UserError) as refused:
        override(Config(), {f"model.{name}": value for name, value in options.items()})
    assert str(refused.value) == line


@pytest.mark.parametrize("task", ["copying_memory", "selective_copying", "dyck"])
def test_steps_that_have_labels_are_not_made_fewer(task):
    reason = f"must be none, as the targets of {task} stand at its input's steps"
    with pytest.raises(UserError, match=rf"^model\.subsampling=convolution: {reason}$"):
        override(Config(), {"task.name": task, "model.subsampling": "convolution"})


@pytest.mark.parametrize(
    ("task", "options", "line"),
    [
        ("copy", {"min_length": 9, "max_length": 8}, "task.max_length=8: must be between 9 and "),
        ("copy", {"bits": 17}, "task.bits=17: must be between 1 and 16"),
        ("repeat_copy", {"max_repeats": 1}, "task.max_repeats=1: must be between 2 and "),
        ("reverse", {"symbols": 1}, "task.symbols=1: must be between 2 and "),
        ("copying_memory", {"delay": 0}, "task.delay=0: must be between 1 and "),
        ("selective_copying", {"memorised": 0}, "task.memorised=0: must be between 1 and "),
        ("multiplication", {"length": 19}, "task.length=19: must be between 20 and "),
        ("temporal_order", {"symbols": 4}, "task.symbols=4: must be between 2 and 3"),
        (
            "temporal_order",
            {"symbols": 3, "definition": "pascanu_2013"},
            "task.definition=pascanu_2013: must be hochreiter_1997 or pascanu_2013_code with task.symbols=3",
        ),
        ("delayed_recall", {"classes": 1}, "task.classes=1: must be between 2 and "),
        ("dyck", {"depth": 65}, "task.depth=65: must be between 1 and 64"),
    ],
)
def test_what_cannot_be_drawn_is_refused(task, options, line):
    with pytest.raises(UserError) as refused:
        override(Config(), {"task.name": task, **{f"task.{name}": value for name, value in options.items()}})
    assert str(refused.value).startswith(line) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "differ"),
    [
        ({"task.name": "adding"}, False),
        ({"task.name": "adding", "task.definition": "hochreiter_1997"}, True),
        ({"task.name": "temporal_order"}, True),
        ({"task.name": "temporal_order", "task.definition": "pascanu_2013"}, False),
    ],
)
def test_whether_lengths_differ_is_a_matter_of_the_definition(options, differ):
    config = override(Config(), options)
    assert config.task.lengths_differ == differ
    if differ:
        with pytest.raises(UserError, match=r"gradient_flow_every=5: must be 0, as inputs of .* differ in length"):
            override(config, {"probes.gradient_flow_every": 5})


@pytest.mark.parametrize("kind", ["pyramid", "mean", "max", "convolution"])
def test_a_profile_over_time_is_refused_where_layers_take_fewer_steps(kind):
    changes = {"model.subsampling": kind, "model.layers": 2, "probes.gradient_flow_every": 5}
    with pytest.raises(UserError, match=f"gradient_flow_every=5: must be 0 with model.subsampling={kind}, which"):
        override(Config(), changes)
    assert override(Config(), {**changes, "probes.gradient_flow_every": 0}).model.subsampling == kind


def test_connections_are_refused_where_the_weights_are_not_sparse():
    with pytest.raises(
        UserError, match=r"init.connections=7: must be 15, as only init.recurrent=sparse reads it, not normal"
    ):
        InitConfig(recurrent="normal", connections=7)
    assert InitConfig(recurrent="sparse", connections=7).connections == 7
