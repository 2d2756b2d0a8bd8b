"""The experiments on full-size corpora, at full size but on small archives: their updates are built, not computed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import catalogue
from research.sweeping import spec
from research.tasks.streamed import Window
from research.training import hparams
from research.training.step import Program, data_keys
from tests.tasks.corpora import archives

EXPERIMENTS = {
    "stock_speech --setting=librispeech_100 --arm=location": ("librispeech", 11_000_000),
    "stock_speech --setting=speech_commands --arm=additive": ("speech_commands", 3_000_000),
    "stock_translation --setting=ted_pt --arm=additive": ("ted_hrlr_translate", 11_000_000),
    "stock_translation --setting=wmt14_de --arm=dot": ("wmt14_translate", 40_000_000),
    "stock_captions --arm=additive": ("coco_captions", 11_000_000),
}
FEW_PIECES = {"source_pieces": 40, "target_pieces": 40, "pieces": 30}
"""Of the vocabularies: the texts of the archives have no more."""


@pytest.mark.parametrize("command", EXPERIMENTS)
def test_an_update_is_built_of_a_batch_as_it_is_read(command, tmp_path, monkeypatch):
    corpus, least = EXPERIMENTS[command]
    getattr(archives, corpus)(archives.manual_folder(tmp_path, monkeypatch))
    experiment, *flags = command.split()
    config = spec.trial(experiment, flags).config
    few = [f"--task.{name}={count}" for name, count in FEW_PIECES.items() if hasattr(config.task, name)]
    config = spec.trial(experiment, [*flags, *few]).config
    task = catalogue.load("tasks", corpus)(config.task)
    program, own = Program(config, task), hparams.of(config, task.interface)
    state = jax.eval_shape(program.init, own)
    assert sum(leaf.size for leaf in jax.tree.leaves(state.params)) > least

    batch = task.stream.batches(data_keys(np.int32(0))[0], 2, config.training.batch_size)[1]
    window = Window(jnp.int32(0), jax.tree.map(lambda x: np.stack([x, x]), batch))
    after, record = jax.eval_shape(program.run, own, state, window, jnp.int32(2))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(lambda x: (x.shape, x.dtype), state)
    assert record.loss.shape == ()
