"""The experiments on full-size corpora, at full size but on small archives: their updates are built, not computed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.config import experiment
from research.config.flat import flatten, override
from research.data.streaming import Window
from research.data.tables import encoded
from research.training.step import data_keys
from tests.data.corpora import archives
from tests.training.trials import hparams_of, program

EXPERIMENTS = [
    ("stock_speech", "librispeech_100", "location", "librispeech", 11_000_000),
    ("stock_speech", "speech_commands", "additive", "speech_commands", 3_000_000),
    ("stock_translation", "ted_pt", "additive", "ted_hrlr_translate", 11_000_000),
    ("stock_translation", "wmt14_de", "dot", "wmt14_translate", 40_000_000),
    ("stock_captions", "", "additive", "coco_captions", 11_000_000),
]
VOCAB_SIZE = 30
"""The texts of the archives have no more subwords."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "setting", "variant", "corpus", "least"), EXPERIMENTS)
def test_an_update_is_built_of_a_batch_as_it_is_read(name, setting, variant, corpus, least, tmp_path, monkeypatch):
    getattr(archives, corpus)(archives.manual_folder(tmp_path, monkeypatch))
    monkeypatch.setattr(encoded, "MEMORY", 1)
    config = experiment.load(name).config(setting, variant)
    sizes = [key for key, name in flatten(config).items() if key.endswith(".tokenizer") and name == "subwords"]
    config = override(config, {key.replace("tokenizer", "vocab_size"): VOCAB_SIZE for key in sizes})
    trained, numbers = program(config), hparams_of(config)
    state = jax.eval_shape(trained.init, numbers)
    assert sum(leaf.size for leaf in jax.tree.leaves(state.params)) > least

    batch = trained.task.stream.batches(data_keys(np.int32(0))[0], 2, config.training.batch_size)[1]
    window = Window(jnp.int32(0), jax.tree.map(lambda x: np.stack([x, x]), batch))
    after, record = jax.eval_shape(trained.run, numbers, state, window, jnp.int32(2), jnp.int32(0))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(lambda x: (x.shape, x.dtype), state)
    assert record.sums.loss.shape == ()
