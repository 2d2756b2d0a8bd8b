"""A pack as one batched program, which is what GPUs and TPUs run, against the same pack one trial after the other."""

from typing import Any

import jax
import numpy as np
import pytest

from research.config.config import Config
from research.config.flat import override
from research.tasks import task as tasks
from research.training import hparams
from research.training.pack import Pack
from research.training.step import Program
from tests.training.test_pack_shards import Words

SMALL = {"model.hidden_size": 8, "training.batch_size": 8}
ADDING = {"task.name": "adding", "task.length": 12, "probes.gradient_flow.every": 4}
WORDS = {"task.name": "pronunciation", "attention.name": "additive"}


@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize("options", [ADDING, WORDS], ids=["adding", "words"])
def test_a_batched_pack_trains_as_one_trial_after_the_other_does(options):
    config = override(Config(), {**SMALL, **options})
    task = Words() if config.task.decodes else tasks.create(config.task)
    program = Program(config, task)
    changes: list[dict[str, Any]] = [
        {"seed": seed, "optimizer.learning_rate": rate} for seed, rate in enumerate((1e-3, 1e6, 2e-3))
    ]
    for change, ratio in zip(changes, (1.0, 0.5, 0.0), strict=True):
        change |= {"teacher_forcing.schedule": "constant", "teacher_forcing.ratio": ratio} if config.task.decodes else {}
    trials = [hparams.of(override(config, change), task.interface) for change in changes]
    found = []
    for batched in (False, True):
        pack = Pack(program, trials, batched)
        state, record = pack.run(pack.init(), 9)
        found.append((pack.fetch(state), jax.device_get(record).profile[: len(trials)]))
    (in_turn, profiles), (batched, batched_profiles) = found
    assert [bool(state.ok) for state in in_turn] == [True, False, True]
    for one, other in zip(in_turn, batched, strict=True):
        assert (one.ok, one.step) == (other.ok, other.step)
        for a, b in zip(jax.tree.leaves(one.params), jax.tree.leaves(other.params), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.max(np.abs(a)))
    np.testing.assert_allclose(profiles, batched_profiles, rtol=1e-3)
