"""Training on what is read meanwhile: the numbers of data on the device, resumed anywhere, in any pack."""

import contextlib
import json
import multiprocessing
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from research.config.config import Config
from research.config.flat import override
from research.data.tables import encoded
from research.errors import UserError
from research.tasks.task import Task
from research.training import checkpoint, loader
from research.training.pack import Pack
from research.training.trainer import train_trials
from tests.data.corpora import archives
from tests.tasks.streams import OnDevice, OnDisk
from tests.training.trials import WORDS, assert_equal, hparams_of, metrics_of, program

pytestmark = pytest.mark.usefixtures("shared_programs")
STEPS, SPAN = 24, 5
CONFIG = override(WORDS, {"training.steps": STEPS, "training.log_every": 4})


def of(task: Task, config: Config = CONFIG, **changes) -> Config:
    return replace(override(config, {key.replace("__", "."): value for key, value in changes.items()}), task=task)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch) -> None:
    """A batch holds 4 x (12 + 1 + 4 + 1) numbers of 4 bytes: so many make a window of 5."""
    monkeypatch.setattr(loader, "WINDOW_BYTES", 5 * 288 + 100)


def run(directory: Path, task: Task, names: tuple[str, ...] = ("0", "1"), config: Config = CONFIG) -> None:
    """Train one trial of each seed."""
    train_trials([(name, of(task, config, seed=int(name))) for name in names], directory)


def final(directory: Path, name: str):
    config = of(OnDevice())
    restored = checkpoint.restore(
        directory / name / "checkpoint", jax.eval_shape(program(config).init, hparams_of(config))
    )
    assert restored is not None and restored[0] == STEPS
    return restored[1]


def result(directory: Path, name: str = "0"):
    return json.loads((directory / name / "result.json").read_text())


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("straight")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "WINDOW_BYTES", 5 * 288 + 100)
        run(directory, OnDisk())
    return directory


def test_the_weights_are_those_of_the_same_examples_on_the_device(straight, tmp_path):
    run(tmp_path, OnDevice())
    for name in ("0", "1"):
        assert_equal(final(straight, name), final(tmp_path, name))
    assert np.any(jax.tree.leaves(final(straight, "0").params)[0] != jax.tree.leaves(final(straight, "1").params)[0])


def test_a_run_that_dies_amid_a_window_goes_on_to_the_last_bit(straight, tmp_path, monkeypatch):
    real = checkpoint.save

    def save(folder, step, state, details) -> None:
        real(folder, step, state, details)
        if step == 12 and folder.parent.name == "0":  # the other trial is left at step 8: they go on apart
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", save)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, OnDisk())
    run(tmp_path, OnDisk())
    for name in ("0", "1"):
        assert_equal(final(tmp_path, name), final(straight, name))
        assert metrics_of(tmp_path / name) == metrics_of(straight / name)


def test_a_trial_alone_is_that_of_the_pack(straight, tmp_path):
    run(tmp_path, OnDisk(), ("1",))
    assert_equal(final(tmp_path, "1"), final(straight, "1"))
    assert metrics_of(tmp_path / "1") == metrics_of(straight / "1")


def test_worker_processes_read_the_same(straight, tmp_path):
    run(tmp_path, OnDisk(), ("1",), of(OnDisk(), loader__num_workers=2, loader__num_threads=1))
    assert_equal(final(tmp_path, "1"), final(straight, "1"))


def test_the_result_tells_the_padding_and_how_long_the_device_waited(straight, tmp_path):
    padding = OnDisk().padding
    assert result(straight)["padding"] == padding and 0 <= result(straight)["input_wait"] < 0.5
    run(tmp_path / "held", OnDevice(), ("0",))
    assert result(tmp_path / "held")["padding"] == padding
    assert "input_wait" not in result(tmp_path / "held")
    slow = of(OnDisk(), loader__num_threads=1)
    run(tmp_path / "slow", OnDisk(seconds=0.05), ("0",), slow)  # a batch in 0.2 s
    found = result(tmp_path / "slow")
    assert found["input_wait"] * found["seconds"] > 1  # of 5 windows of a second, two are read while it compiles


@pytest.fixture(scope="module")
def hopeless() -> Pack:
    """Two trials that diverge with their first update."""
    config = of(OnDisk(), optimizer__learning_rate=1e38, training__steps=100 * SPAN)
    return Pack(program(config), [hparams_of(replace(config, seed=k)) for k in range(2)])


def test_the_wait_for_the_first_window_counts(hopeless, monkeypatch):
    monkeypatch.setattr(hopeless.program.task.stream.records, "seconds", 0.05)
    options = hopeless.program.options
    monkeypatch.setattr(
        hopeless.program, "options", override(options, {"training.steps": SPAN, "loader.num_threads": 1})
    )
    state = hopeless.init()
    with contextlib.closing(loader.create(hopeless, 0)) as source:
        source.run(state, 0, SPAN)
        assert source.waited is not None and source.waited > 1  # for 5 batches of 4 examples for each of two trials


def test_nothing_is_read_for_trials_that_have_all_diverged(hopeless, monkeypatch):
    records, steps, state = hopeless.program.task.stream.records, 100 * SPAN, hopeless.init()
    monkeypatch.setattr(records, "reads", 0)
    with contextlib.closing(loader.create(hopeless, 0)) as source:
        for start in range(0, steps, SPAN):
            state, record = source.run(state, start, start + SPAN)
            assert not np.any(jax.device_get(record.ok))
        source.run(state, steps, steps)
    assert 0 < records.reads <= 4 * 2 * SPAN * 4  # windows, one in use, three ahead; trials, batches, examples


WORKERS = """
import multiprocessing, time
from concurrent.futures import ThreadPoolExecutor
import jax
from research.training import loader
from research.training.options import LoaderOptions
from tests.tasks.streams import OnDisk

source = loader._Interleaved([OnDisk().stream.batches(jax.random.key(0), 1000, 4)], 5, 200)
batches = loader._read_ahead(source, 0, LoaderOptions(num_workers=2))
reader = ThreadPoolExecutor(1, initializer=loader._without_interrupts)
for _ in range(3):
    reader.submit(next, batches).result()
print(*[process.pid for process in multiprocessing.active_children()], flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="what a process ignores is read from /proc")
def test_worker_processes_hear_no_interrupt_and_end_with_the_training_even_if_it_is_killed():
    with subprocess.Popen([sys.executable, "-c", WORKERS], stdout=subprocess.PIPE, text=True) as training:
        assert training.stdout is not None
        workers = [Path("/proc") / pid for pid in training.stdout.readline().split()]
        assert len(workers) == 2
        for worker in workers:
            (blocked,) = [line for line in (worker / "status").read_text().splitlines() if line.startswith("SigBlk")]
            assert int(blocked.split()[1], 16) >> (signal.SIGINT - 1) & 1
        training.kill()
    until = time.monotonic() + 20
    while any(map(Path.exists, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(Path.exists, workers))


def test_a_worker_process_that_is_killed_is_one_line(hopeless, monkeypatch):
    monkeypatch.setattr(loader.StreamingLoader, "_all_diverged", lambda self: False)
    options, state = override(hopeless.program.options, {"loader.num_workers": 1}), hopeless.init()
    monkeypatch.setattr(hopeless.program, "options", options)
    with contextlib.closing(loader.create(hopeless, 0)) as source, pytest.raises(UserError, match="was killed; fewer"):
        for start in range(0, options.training.steps, SPAN):
            state, _ = source.run(state, start, start + SPAN)
            for worker in multiprocessing.active_children():
                worker.kill()


def test_a_finished_training_reads_its_last_window():
    config = of(OnDisk(), training__steps=2 * SPAN)
    pack = Pack(program(config), [hparams_of(config)])
    with contextlib.closing(loader.create(pack, 2 * SPAN)) as source:
        assert source.span == SPAN
        _, record = source.run(pack.init(), 2 * SPAN, 2 * SPAN)
        assert not np.any(jax.device_get(record.sums.updates))


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"corpus\.array_record: Input/output error"):
        run(tmp_path, OnDisk(damaged=True))


@pytest.mark.slow
def test_a_corpus_of_tfds_is_trained_on(tmp_path, monkeypatch):
    archives.librispeech(archives.manual_folder(tmp_path / "data", monkeypatch))
    monkeypatch.setattr(encoded, "MEMORY", 0)
    options = {
        "task.name": "dataset", "task.source": "librispeech", "task.train": "train_clean100",
        "task.validation": "dev_clean", "task.test": "test_clean", "task.input.name": "audio",
        "task.input.num_mels": 12, "task.input.speed": 0.1, "task.input.time_masks": 1,
        "model.hidden_size": 4, "attention.name": "location", "training.steps": 6, "training.batch_size": 2,
        "training.log_every": 3, "training.eval_examples": 3, "wandb.mode": "disabled",
    }  # fmt: skip
    train_trials([("trial", override(Config(), options))], tmp_path)
    found = result(tmp_path, "trial")
    assert found["status"] == "finished" and 0 <= found["input_wait"] <= 1 and 0 < found["padding"] < 0.5
    assert np.isfinite(found["summary"]["train/loss"]) and found["summary"]["test/free_running/word_error_rate"] > 0
