"""A registered probe: its options, its measurements of an update, and its records."""

import copy
import pickle
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from research.config.flat import override
from research.errors import UserError
from research.options import flatten
from research.probes import PROBES, Probe, default_probes
from research.seq2seq.attention.dot import DotAttention
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint
from research.training.optimizers.adam import Adam
from research.training.optimizers.optimizer import global_norm
from research.training.schedules.constant import Constant
from research.training.step import Program
from research.training.trainer import train_trials
from tests.training.trials import TINY, WORDS, hparams_of, of, program, record_lines


@dataclass(frozen=True)
class Norms(Probe):
    """Norms of weights, gradient and update."""

    name: ClassVar[str] = "norms"
    section: ClassVar[str] = "weights"

    def measure(self, observed):
        trees = (observed.params, observed.grads, observed.updates)
        return {"norms": jnp.stack([global_norm(tree) for tree in trees]), "loss": observed.loss[None]}

    def summarize(self, record, state_profile):
        return {"norm": record["norms"][0]}


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(PROBES, "norms", Norms)


@pytest.mark.usefixtures("registered")
def test_a_registered_probe_has_options_and_measures_the_first_update_of_a_call():
    config = override(replace(WORDS, probes=default_probes()), {"probes.norms.every": 2, "optimizer.name": "sgd"})
    assert config.probes.enabled() == {"norms": Norms(every=2)}
    trained, numbers = program(config), hparams_of(config)
    assert not trained.profile_names
    state = jax.jit(trained.init)(numbers)
    after, record = jax.jit(trained.run)(numbers, state, None, 2, 0)
    measured = record.probes["norms"]
    assert measured["norms"][0] == pytest.approx(float(global_norm(state.params)), rel=1e-6)
    grad_norm = float(measured["norms"][1])
    clipped = min(grad_norm, config.optimizer.clip_norm)
    assert float(measured["norms"][2]) == pytest.approx(config.optimizer.learning_rate * clipped, rel=1e-5)
    _, again = jax.jit(trained.run)(numbers, after, None, 0, 2)
    assert not np.any(again.probes["norms"]["norms"])


@pytest.mark.usefixtures("registered")
def test_what_a_class_of_the_users_own_returns_of_another_kind_is_one_line(monkeypatch):
    config = override(replace(WORDS, probes=default_probes()), {"probes.norms.every": 2})
    trained, numbers = program(config), hparams_of(config)
    state = jax.eval_shape(trained.init, numbers)
    monkeypatch.setattr(Norms, "measure", lambda self, observed: observed.loss)
    with pytest.raises(UserError, match=r"^probe norms: measure returns an array \[\] of .*; must be a dict of arrays"):
        jax.eval_shape(trained.run, numbers, state, None, 2, 0)
    monkeypatch.setattr(Norms, "summarize", lambda self, record, profile: [1.0])
    with pytest.raises(UserError, match=r"^probe norms: summarize returns list \(float\); must be a dict of numbers$"):
        Norms().summary_of({}, "")
    monkeypatch.setattr(Adam, "transform", lambda self, rate: rate)
    with pytest.raises(UserError, match="^optimizer adam: transform returns float; must be an optax.GradientTransf"):
        jax.eval_shape(trained.init, numbers)
    monkeypatch.setattr(Constant, "multiplier", lambda *_: np.ones(2))
    with pytest.raises(
        UserError, match=r"^schedule constant: multiplier returns an array \[2\] of float64; must be a n"
    ):
        Constant("constant").rate(1.0, jnp.int32(0), 8)
    monkeypatch.setattr(DotAttention, "create", lambda *_: None)
    with pytest.raises(UserError, match="^attention dot: create returns NoneType; must be an AttentionModule"):
        program(override(config, {"attention.name": "dot"}))


@dataclass(frozen=True)
class Norm(Probe):
    """Norm of the weights before an update, and loss of the update."""

    name: ClassVar[str] = "norm"
    section: ClassVar[str] = "weights"
    inspects: ClassVar[bool] = True

    def inspect(self, snapshot):
        loss = snapshot.on_batch(lambda batch, loss: loss(snapshot.params))
        return {"norm": global_norm(snapshot.params), "loss": loss}

    def summarize(self, record, state_profile):
        return {"norm": float(record["norm"])}


@pytest.fixture
def inspecting(monkeypatch):
    monkeypatch.setitem(PROBES, "norm", Norm)


@pytest.mark.usefixtures("inspecting")
def test_a_probe_that_runs_the_model_does_so_before_the_updates_where_a_record_is_due(monkeypatch):
    monkeypatch.setattr(Program, "_examples", None)
    config = override(replace(WORDS, probes=default_probes()), {"probes.norm.every": 3, "training.steps": 8})
    trained, numbers = program(config), hparams_of(config)
    start = jax.jit(trained.init)(numbers)
    run = jax.jit(trained.run)
    found = []
    for step, count in ((0, 1), (3, 1), (4, 1), (7, 1), (0, 0)):
        state = replace(start, step=jnp.int32(step))
        _, record = run(numbers, state, None, count, step)
        found.append({name: float(x) for name, x in record.probes["norm"].items()})
        if found[-1]["norm"]:
            assert found[-1]["loss"] == pytest.approx(float(record.sums.objective), rel=1e-6)
    norm = pytest.approx(float(global_norm(start.params)), rel=1e-6)
    assert [values["norm"] for values in found] == [norm, norm, 0, norm, 0]
    _, record = run(numbers, replace(start, ok=jnp.bool_(False)), None, 1, 0)
    assert not float(record.probes["norm"]["norm"])


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_probes_see_the_weights_that_are_evaluated(decay, monkeypatch):
    monkeypatch.setattr(Program, "_examples", None)
    monkeypatch.setitem(PROBES, "norm", Norm)
    config = override(replace(WORDS, probes=default_probes()), {"probes.norm.every": 1, "training.ema_decay": decay})
    trained, numbers = program(config), hparams_of(config)
    state = jax.jit(trained.init)(numbers)
    average = None if state.average is None else jax.tree.map(lambda x: x + 1, state.average)
    snapshot = trained._snapshot(numbers, replace(state, average=average), None, jnp.int32(0))
    assert (average is not None) == bool(decay)
    seen = nnx.state(snapshot.model, nnx.Param)
    for name, expected in (("seen", state.params if average is None else average), ("params", state.params)):
        found = seen if name == "seen" else snapshot.params
        jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(found), jax.tree.leaves(expected))


def test_probes_that_run_the_model_give_the_same_bits_in_a_pack_and_when_resumed(tmp_path, monkeypatch):
    config = of(probes__gradient_flow__every=0, probes__gates__every=2, probes__jacobian__every=4, training__steps=6)
    trials = [("first", config), ("second", override(config, {"seed": 1}))]
    train_trials(trials, tmp_path / "pack")
    save, saves = checkpoint.save, []

    def stop(*args: Any) -> None:
        save(*args)
        saves.append(args)
        if len(saves) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        train_trials(trials[1:], tmp_path / "alone")
    monkeypatch.setattr(checkpoint, "save", save)
    train_trials(trials[1:], tmp_path / "alone")
    for probe, steps in (("gates", [0, 2, 4, 5]), ("jacobian", [0, 4, 5])):
        assert record_lines(tmp_path / "pack" / "second", probe) == steps
        lines = [(tmp_path / folder / "second" / f"{probe}.jsonl").read_text() for folder in ("pack", "alone")]
        assert lines[0] == lines[1]
    (metrics, *_) = RunDirectory(tmp_path / "pack" / "second").records("metrics")
    gate, state = "gates/encoder/layer_1/forward/z", "jacobian/encoder/layer_1/forward"
    assert {f"{gate}/mean", f"{gate}/horizon", f"{state}/lag_1/norm", f"{state}/lyapunov_exponent"} <= {*metrics}
    result = RunDirectory(tmp_path / "pack" / "second").result()
    assert result and {f"gates/{when}{gate.removeprefix('gates')}/mean" for when in ("initial", "final")} <= {
        *result["summary"]
    }


def test_probes_are_off_by_default_and_their_options_can_be_copied_and_sent():
    assert not default_probes().enabled()
    assert {name for name, value in flatten(default_probes()).items() if name.endswith(".every") and value == 0} == {
        f"{name}.every" for name in PROBES
    }
    for same in (pickle.loads(pickle.dumps(TINY)), copy.deepcopy(TINY)):
        assert same == TINY


@pytest.mark.usefixtures("registered")
def test_a_probe_under_another_name_than_its_own_is_refused(monkeypatch):
    monkeypatch.setitem(PROBES, "other", Norms)
    with pytest.raises(UserError, match=r"^probes=other: must be 'norms', the `name` that its class Norms sets$"):
        default_probes()


def test_a_negative_period_is_one_line():
    with pytest.raises(UserError, match=r"^probes\.gradient_flow\.every=-1: must be between 0"):
        of(probes__gradient_flow__every=-1)


def test_a_record_holds_numbers_and_vectors_and_its_summary_numbers():
    probe = Norms()
    with pytest.raises(
        UserError, match=r"^probe norms: m of a record has the shape \(2, 3\); must be a number or a vec"
    ):
        probe.summary_of({"step": 0, "norms": np.ones(2), "m": np.ones((2, 3))}, "")

    class Vector(Norms):
        def summarize(self, record, state_profile):
            return {"x": record["norms"]}

    with pytest.raises(UserError, match=r"^probe norms: x of summarize has the shape \(2,\); must be a number$"):
        Vector().summary_of({"step": 0, "norms": np.ones(2)}, "")


@pytest.mark.usefixtures("inspecting")
def test_a_gate_that_the_cell_does_not_have_is_named_with_those_that_it_has(monkeypatch, tmp_path):
    def inspect(self, snapshot):
        return {"f": {"r": jnp.ones(1), "z": jnp.ones(1)}["f"]}  # as `gates()["f"]` of a GRU

    monkeypatch.setattr(Norm, "inspect", inspect)
    monkeypatch.setattr(Program, "_examples", None)
    config = override(replace(TINY, probes=default_probes()), {"probes.norm.every": 3, "cell.name": "gru"})
    trained, numbers = program(config), hparams_of(config)
    with pytest.raises(UserError, match=r"^probe norm: no 'f'; cell gru has the gates r, z"):
        jax.eval_shape(trained.run, numbers, jax.eval_shape(trained.init, numbers), None, 1, 0)
