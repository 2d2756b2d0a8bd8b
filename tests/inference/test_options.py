"""A command asks for what the run does by default; what nothing would read is refused, in one line."""

import argparse
from pathlib import Path

import pytest

from research.cli import Parser
from research.config import Config
from research.dotted import override
from research.errors import UserError
from research.predicting import options
from research.predicting.options import Options

BASE = override(Config(), {"task.name": "pronunciation", "model.attention": "dot"})
BEAM = override(BASE, {"decoding.method": "beam", "decoding.beam_size": 8, "decoding.max_length": 20})


def parsed(*args: str) -> Options:
    parser: argparse.ArgumentParser = Parser(prog="python -m research predict", allow_abbrev=False)
    options.add_to(parser)
    return options.of(parser.parse_intermixed_args(["RUN", *args]))


def refused(config: Config, *args: str) -> str:
    with pytest.raises(UserError) as raised:
        parsed("x", *args).decoding_of(config)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_without_options_a_run_decodes_as_in_its_evaluation():
    assert parsed("x").decoding_of(BEAM) == BEAM.decoding
    assert parsed("x").decoding_of(BASE) == BASE.decoding


def test_inputs_and_options_may_stand_in_any_order():
    found = parsed("a", "--n-best=2", "-", "--method", "beam", "b c", "--", "-d")
    assert (found.run, found.inputs) == (Path("RUN"), ("a", "-", "b c", "-d"))
    assert (found.n_best, found.decoding) == (2, {"method": "beam"})


def test_given_options_change_those_of_the_run():
    found = parsed("x", "--beam-size=3", "--length-penalty", "0.6", "--min-length=2").decoding_of(BEAM)
    assert (found.method, found.beam_size, found.length_penalty) == ("beam", 3, 0.6)
    assert (found.min_length, found.max_length) == (2, 20)


def test_another_method_leaves_the_options_of_the_runs_own_behind():
    found = parsed("x", "--method=greedy").decoding_of(BEAM)
    assert (found.method, found.beam_size, found.max_length) == ("greedy", 4, 20)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--beam-size=3"], "decoding.beam_size=3: must be 4, as decoding.method=greedy does not read it"),
        (["--method=beam", "--top-k=3"], "decoding.top_k=3: must be 0, as decoding.method=beam does not read it"),
        (["--method=beam", "--beam-size=0"], "decoding.beam_size=0: must be between 1 and"),
        (["--method=sample", "--temperature=nan"], "decoding.temperature=nan: must be between"),
        (["--seed=1"], "--seed=1: must not be given with decoding.method=greedy, which draws nothing"),
        (["--method=sample", "--seed=-1"], "--seed=-1: must be between 0 and"),
        (["--n-best=2"], "--n-best=2: must be at most 1, as decoding.method=greedy has one output"),
        (["--method=beam", "--n-best=5"], "--n-best=5: must be at most 4, which is decoding.beam_size"),
        (["--method=sample", "--n-best=9999"], "--n-best=9999: must be at most 1000"),
        (["--n-best=0"], "--n-best=0: must be at least 1"),
        (["--min-length=5", "--max-length=4"], "decoding.min_length=5: must be less than decoding.max_length=4"),
        (["--beam-size=two"], "--beam-size: two: must be a whole number"),
        (["--length-penalty=x"], "--length-penalty: x: must be a number"),
        (["--beam=2"], "unrecognized arguments: --beam=2"),
        (["--method=best"], "--method: invalid choice: 'best'"),
        (["-", "-"], "-: must be given once"),
        (["--alignment=out.gif"], "--alignment=out.gif: must end in one of .png, .svg, .pdf"),
        (["--alignment=/absent/out.png"], "--alignment=/absent/out.png: the folder /absent does not exist"),
    ],
)
def test_what_is_not_allowed_is_told(args, said):
    assert said in refused(BASE, *args)


@pytest.mark.parametrize("kind", ["none", "context", "input"])
def test_without_weights_there_is_no_alignment(kind):
    config = override(BASE, {"model.attention": kind})
    assert f"model.attention={kind} has no weights" in refused(config, "--alignment=out.png")
    assert "coverage_penalty=1.0: must be 0.0, as" in refused(config, "--method=beam", "--coverage-penalty=1")
