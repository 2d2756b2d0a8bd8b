"""By default a command decodes as the run does; what would have no effect is refused, in one line."""

from pathlib import Path

import pytest

from research.config import Config
from research.config.flat import override
from research.errors import UserError
from research.inference.options import PredictOptions

BASE = override(Config(), {"task.name": "speech_digits", "attention.name": "dot"})
BEAM = override(BASE, {"decoding.name": "beam", "decoding.beam_size": 8, "decoding.max_length": 20})


def options(**values) -> PredictOptions:
    return PredictOptions(Path("RUN"), **{"inputs": ("x",), **values})


def refused(config: Config, **values) -> str:
    with pytest.raises(UserError) as raised:
        options(**values).decoding_of(config)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_without_options_a_run_decodes_as_in_its_evaluation():
    assert options().decoding_of(BEAM) == BEAM.decoding
    assert options().decoding_of(BASE) == BASE.decoding


def test_options_change_those_of_the_run():
    decoding = options(beam_size=3, length_penalty=0.6, min_length=2).decoding_of(BEAM)
    wanted = {"decoding.beam_size": 3, "decoding.length_penalty": 0.6, "decoding.min_length": 2}
    assert decoding == override(BEAM, wanted).decoding


def test_another_method_keeps_the_lengths_alone():
    decoding = options(decoding="greedy").decoding_of(BEAM)
    assert (decoding.name, decoding.max_length) == ("greedy", 20)
    assert options(decoding="sample", top_k=3).decoding_of(BEAM).max_length == 20
    assert options(decoding="beam").decoding_of(BASE).num_hypotheses == 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"beam_size": 3}, "decoding.beam_size: greedy has no such option"),
        ({"decoding": "beam", "top_k": 3}, "decoding.top_k: beam has no such option"),
        ({"decoding": "beam", "beam_size": 0}, "decoding.beam_size=0: must be between 1 and"),
        ({"decoding": "sample", "temperature": float("nan")}, "decoding.temperature=nan: must be between"),
        ({"seed": 1}, "--seed=1: must be absent with decoding.name=greedy, which draws nothing"),
        ({"decoding": "sample", "seed": -1}, "--seed=-1: must be between 0 and"),
        ({"n_best": 2}, "--n-best=2: must be at most 1 with decoding.name=greedy"),
        ({"decoding": "beam", "n_best": 5}, "--n-best=5: must be at most 4 with decoding.name=beam"),
        ({"decoding": "sample", "n_best": 9999}, "--n-best=9999: must be at most 1000"),
        ({"n_best": 0}, "--n-best=0: must be at least 1"),
        ({"min_length": 5, "max_length": 4}, "decoding.min_length=5: must be less than decoding.max_length=4"),
        ({"inputs": ()}, "INPUT: must be at least one"),
        ({"inputs": ("-", "-")}, "-: must be given once"),
        ({"alignment": Path("out.gif")}, "--alignment=out.gif: must be a file that ends in one of .png, .svg, .pdf"),
        ({"alignment": Path("/absent/out.png")}, "--alignment=/absent/out.png: must be a file that can be written to"),
    ],
)
def test_what_is_not_allowed_is_told(values, message):
    assert message in refused(BASE, **values)


@pytest.mark.parametrize("kind", ["none", "context"])
def test_without_weights_there_is_no_alignment(kind):
    config = override(BASE, {"attention.name": kind})
    assert f"attention.name={kind} has no weights" in refused(config, alignment=Path("out.png"))
    assert "coverage_penalty=1.0: must be 0.0, as" in refused(config, decoding="beam", coverage_penalty=1.0)
