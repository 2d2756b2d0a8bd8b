"""Tiny trials of the adding problem and of random words, and what tests look at in them."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from research.batch import EOS, Batch, TaskSpec
from research.config.config import Config
from research.config.flat import override
from research.tasks.task import Task
from research.tracking.run_directory import RunDirectory
from research.training import checkpoint
from research.training.hparams import Hparams
from research.training.step import Program
from research.training.trial import Trial, TrialResult

STEPS = 8
TINY = override(
    Config(),
    {
        "task.name": "adding",
        "task.length": 8,
        "cell.name": "gru",
        "model.hidden_size": 4,
        "training.steps": STEPS,
        "training.batch_size": 4,
        "training.batch_shards": 1,
        "optimizer.learning_rate": 0.01,
        "training.log_every": 2,
        "training.eval_examples": 20,
        "training.checkpoint_seconds": 0.0,
        "probes.gradient_flow.every": 4,
        "wandb.mode": "disabled",
    },
)


@dataclass(frozen=True)
class Words(Task):
    """Random symbols of random lengths, to be repeated: a task with a decoder and two buckets, without a corpus."""

    name: str = "words"
    same_length: ClassVar[Any] = False
    spec: ClassVar[Any] = TaskSpec("tokens", 9, 4, "tokens", 9, 5)
    buckets: ClassVar[Any] = 2
    widths: ClassVar[Any] = (2, 4)

    def bucket(self, step, batch_size):
        return step % self.buckets

    def batch(self, data, key, step, batch_size, bucket):
        symbol_key, length_key = jax.random.split(jax.random.fold_in(key, step))
        longest = self.widths[bucket]
        symbols = jax.random.randint(symbol_key, (batch_size, longest), 3, 9)
        lengths = jax.random.randint(length_key, (batch_size,), 0, longest + 1)
        targets = jnp.pad(symbols, ((0, 0), (0, 1))).at[jnp.arange(batch_size), lengths].set(EOS)
        return Batch(symbols, lengths, targets, lengths + 1)


def of(config: Config = TINY, /, **changes: Any) -> Config:
    """Return the config with changed keys; `section__name` stands for the key `section.name`."""
    return override(config, {key.replace("__", "."): value for key, value in changes.items()})


WORDS = replace(of(cell__name="rnn", probes__gradient_flow__every=0), task=Words())


def trial_of(config: Config = TINY, directory: Path = Path("trial")) -> Trial:
    """Return the resolved trial; the directory is not touched."""
    return Trial.resolve(directory.name, config, RunDirectory(directory))


def program(config: Config = TINY, batch_shards: int = 1) -> Program:
    """Return the program of a config, with its sizes resolved."""
    trial = trial_of(config)
    return Program(trial.options, trial.task, batch_shards)


def hparams_of(config: Config = TINY) -> Hparams:
    """Return the numbers of a config."""
    return Hparams.of(config)


def assert_equal(one: Any, other: Any) -> None:
    """Compare two trees bit for bit."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=jax.tree_util.keystr(path))


def final_state(directory: Path, config: Config = TINY) -> Any:
    """Return what the newest checkpoint of a run directory holds."""
    template = jax.eval_shape(program(config).init, hparams_of(config))
    restored = checkpoint.restore(directory / "checkpoint", template)
    assert restored is not None
    return restored[1]


def record_of(directory: Path) -> dict[str, Any]:
    """Return all that a run directory records, without what a clock decides."""
    result = json.loads((directory / "result.json").read_text())
    for name in ("seconds", "digests", "sha256"):
        del result[name]
    for name in ("source", "git_commit"):  # somebody may be editing the sources
        del result["environment"][name]
    for name in ("train/steps_per_second", "train/seconds"):
        result["summary"].pop(name, None)
    return {
        "result": result,
        "metrics": metrics_of(directory),
        "gradient_flow": (directory / "gradient_flow.jsonl").read_text(),
    }


def metrics_of(directory: Path) -> str:
    """Return the lines of `metrics.jsonl`, without what a clock decides."""
    records = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    assert all(record.pop("train/seconds") >= 0 for record in records)
    return "\n".join(json.dumps(record) for record in records)


def assert_same_run(one: Path, other: Path, config: Config = TINY) -> None:
    """Compare the records and final states of two runs bit for bit."""
    assert record_of(one) == record_of(other)
    assert_equal(final_state(one, config), final_state(other, config))


@contextlib.contextmanager
def counting_compilations() -> Iterator[list[float]]:
    """Yield the seconds of each compilation of a program by XLA."""
    seconds: list[float] = []
    counting = True

    def listen(event: str, duration_secs: float, **_: Any) -> None:
        if counting and event == "/jax/core/compile/backend_compile_duration":
            seconds.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seconds
    finally:
        counting = False  # jax has no public way to take a listener off


TRIALS = {
    "gru0": of(seed=0),
    "gru1": of(seed=1),
    "rnn0": of(cell__name="rnn"),
    "rnn1": of(cell__name="rnn", seed=1),
    "rnn2": of(cell__name="rnn", seed=2, init__gain=1.2),
    "huge": of(cell__name="rnn", optimizer__learning_rate=1e38, training__divergence_loss=3e38),
    "ceiling": of(optimizer__learning_rate=100.0, training__divergence_loss=10.0),
}


def finished(trials: list[Trial]) -> list[TrialResult]:
    return [TrialResult(trial.name, trial.run.path, "finished", {}) for trial in trials]


def record_lines(directory: Path, stem: str) -> list[int]:
    return [json.loads(line)["step"] for line in (directory / f"{stem}.jsonl").read_text().splitlines()]
