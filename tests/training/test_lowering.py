"""The whole programs of an accelerator, lowered on a machine that has none: packs as one batch, training and decoding.

What is lowered here XLA has yet to compile there; but no operation is left that JAX has only for CPUs.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import numpy as np
import pytest
from jax import export

from research.batch import EOS, FIRST_SYMBOL, Batch, TaskSpec
from research.cells import CELLS
from research.config.config import Config
from research.config.flat import override
from research.training.pack import Pack
from tests.training import trials
from tests.training.trials import WORDS, hparams_of

PLATFORMS = ("cuda", "tpu")
LONGEST = WORDS.task.spec.input_length
TOKENS = trials.of(WORDS, model__backend="scan", attention__name="additive")


def pack_of(config: Config, batch_shards: int = 1) -> Pack:
    """Return three trials, batched as on an accelerator, on two devices."""
    return Pack(trials.program(config, batch_shards), [hparams_of(config)] * 3, batched=True)


def lowered(function: Any, *arguments: Any) -> export.Exported:
    """For all platforms. It refuses calls of the platform's own that are not stable: none is let through."""
    exported = export.export(function, platforms=PLATFORMS)(*arguments)
    assert exported.platforms == PLATFORMS and exported.nr_devices == 2
    return exported


def lower_training(pack: Pack) -> None:
    lowered(pack._run, pack.hparams, state_of(pack), pack.data, np.int32(3), np.int32(0))


def lower_decoding(pack: Pack) -> None:
    """What `Pack.predict` calls, with what it calls it with."""
    program, lengths = pack._predict, np.full(4, LONGEST, np.int32)
    examples = Batch(
        np.full((4, LONGEST), FIRST_SYMBOL, np.int32), lengths, np.full((4, LONGEST + 1), EOS, np.int32), lengths + 1
    )

    def lower(*arguments: Any) -> None:
        lowered(program, *arguments)
        raise StopIteration

    pack._predict = lower
    with pytest.raises(StopIteration):  # there is nothing to go on with
        pack.predict(state_of(pack), examples)


def state_of(pack: Pack) -> Any:
    return jax.eval_shape(pack._init, pack.hparams)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_each_cell_is_lowered_for_gpu_and_tpu(cell):
    pack = pack_of(trials.of(TOKENS, cell__name=cell))
    lower_training(pack)
    lower_decoding(pack)


MANY = {
    "a decoder that waits, a shorter source, samples, a beam": {
        "cell.name": "lstm",
        "attention.name": "location",
        "attention.placement": "before",
        "attention.input_feeding": True,
        "attention.coverage": True,
        "model.num_layers": 2,
        "model.subsampling": "pyramid",
        "teacher_forcing.schedule": "inverse_sigmoid",
        "teacher_forcing.feedback": "sample",
        "decoding.name": "beam",
        "decoding.coverage_penalty": 0.2,
    },
    "heads, a convolution, tied words, averaged weights, Omega, a plateau": {
        "cell.name": "slstm",
        "attention.name": "multi_head",
        "model.subsampling": "convolution",
        "model.tie_embeddings": True,
        "dropout.attention": 0.1,
        "training.label_smoothing": 0.1,
        "training.ema_decay": 0.9,
        "training.gradient_regularizer": 0.5,
        "optimizer.name": "adamw",
        "schedule.name": "plateau",
        "decoding.name": "sample",
        "decoding.top_k": 3,
    },
    "a window, pooled states, read from the end": {
        "cell.name": "minlstm",
        "attention.name": "local_p",
        "model.num_layers": 2,
        "model.subsampling": "max",
        "model.reverse_source": True,
        "optimizer.name": "rmsprop",
    },
}
"""What surrounds the recurrence, and cells that stand for the others: by steps, with a scale, associative."""


@pytest.mark.parametrize("options", MANY)
def test_what_surrounds_the_recurrence_is_lowered_for_gpu_and_tpu(options):
    pack = pack_of(override(TOKENS, MANY[options]))
    lower_training(pack)
    lower_decoding(pack)


def test_the_initializers_are_lowered_with_the_platforms_own_decomposition():
    """Orthogonal matrices come from a QR decomposition: cuSOLVER's on a GPU, XLA's own on a TPU."""
    pack = pack_of(TOKENS)
    text = lowered(pack._init, pack.hparams).mlir_module()
    assert "cusolver_geqrf" in text and "@Qr" in text


def test_the_gradients_profile_is_lowered():
    config = trials.of(cell__name="lstm", model__backend="scan")
    assert config.probes.enabled()
    lower_training(pack_of(config))


def test_a_batch_in_parts_on_several_devices_is_lowered():
    lower_training(pack_of(TOKENS, batch_shards=2))


@dataclass(frozen=True)
class FourBuckets(trials.Words):
    """Symbols to be repeated, up to 4, 8, 12 and 16 of them."""

    spec: ClassVar[Any] = TaskSpec("tokens", 9, 16, "tokens", 9, 17)
    buckets: ClassVar[Any] = 4
    widths: ClassVar[Any] = (4, 8, 12, 16)


class OnlyTheWidest(FourBuckets):
    buckets: ClassVar[Any] = 1
    widths: ClassVar[Any] = (16,)


def test_a_batched_pack_computes_one_bucket_of_four():
    def flops(task: FourBuckets) -> float:
        pack = pack_of(replace(WORDS, task=task))
        numbers = np.int32(3), np.int32(0)
        run: Any = pack._run
        traced = run.trace(pack.hparams, state_of(pack), pack.data, *numbers)
        return traced.lower(lowering_platforms=("cuda",)).cost_analysis()["flops"]

    assert flops(FourBuckets()) < 1.1 * flops(OnlyTheWidest())
