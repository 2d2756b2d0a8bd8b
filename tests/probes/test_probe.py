"""A registered probe: its options, its measurements of an update, and its records."""

import copy
import pickle
from dataclasses import dataclass, replace
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import pytest

from research.config.flat import override
from research.errors import UserError
from research.options import flatten
from research.probes import PROBES, Probe, default_probes
from research.training.optimizers.optimizer import global_norm
from tests import quick
from tests.training.trials import TINY, WORDS, hparams_of, of, program


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
    state = quick.jit(trained.init)(numbers)
    after, record = quick.jit(trained.run)(numbers, state, None, 2)
    measured = record.probes["norms"]
    assert measured["norms"][0] == pytest.approx(float(global_norm(state.params)), rel=1e-6)
    grad_norm = float(measured["norms"][1])
    clipped = min(grad_norm, config.optimizer.clip_norm)
    assert float(measured["norms"][2]) == pytest.approx(config.optimizer.learning_rate * clipped, rel=1e-5)
    _, again = quick.jit(trained.run)(numbers, after, None, 0)
    assert not np.any(again.probes["norms"]["norms"])


def test_probes_are_off_by_default_and_their_options_can_be_copied_and_sent():
    assert not default_probes().enabled()
    assert flatten(default_probes()) == {"gradient_flow.every": 0}
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
