"""Training on what is read meanwhile: the numbers of data on the device, resumed anywhere, in any pack."""

import contextlib
import json
import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from research.config.config import Config
from research.config.flat import override
from research.errors import UserError
from research.tasks import task as tasks
from research.training import checkpoint, feed, hparams
from research.training.pack import Pack
from research.training.step import Program
from research.training.trainer import train_trials
from tests.tasks.corpora import archives
from tests.tasks.streams import OnDevice, OnDisk
from tests.training.trials import assert_equal, metrics_of

pytestmark = pytest.mark.usefixtures("quick_compilation")

STEPS, SPAN = 24, 5
CONFIG = override(
    Config(),
    {
        "task.name": "pronunciation",
        "cell.name": "rnn",
        "model.hidden_size": 4,
        "training.steps": STEPS,
        "training.batch_size": 4,
        "training.batch_shards": 1,
        "training.log_every": 4,
        "training.eval_examples": 20,
        "training.checkpoint_seconds": 0.0,
        "wandb.mode": "disabled",
    },
)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch) -> None:
    """A batch holds 4 x (12 + 1 + 4 + 1) numbers of 4 bytes: so many make a window of 5."""
    monkeypatch.setattr(feed, "WINDOW_BYTES", 5 * 288 + 100)


def run(directory: Path, task: tasks.Task, names: tuple[str, ...] = ("0", "1"), config: Config = CONFIG) -> None:
    """Train one trial of each seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "create", lambda _: task)
        train_trials([(name, override(config, {"seed": int(name)})) for name in names], directory)


def final(directory: Path, name: str):
    template = jax.eval_shape(Program(CONFIG, OnDevice()).init, hparams.of(CONFIG, OnDevice().interface))
    restored = checkpoint.restore(directory / name / "checkpoint", template)
    assert restored is not None and restored[0] == STEPS
    return restored[1]


def result(directory: Path, name: str = "0"):
    return json.loads((directory / name / "result.json").read_text())


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("straight")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "WINDOW_BYTES", 5 * 288 + 100)
        run(directory, OnDisk())
    return directory


def test_the_weights_are_those_of_the_same_examples_on_the_device(straight, tmp_path):
    run(tmp_path, OnDevice())
    for name in ("0", "1"):
        assert_equal(final(straight, name), final(tmp_path, name))
    assert np.any(jax.tree.leaves(final(straight, "0").params)[0] != jax.tree.leaves(final(straight, "1").params)[0])


def test_a_run_that_dies_amid_a_window_goes_on_to_the_last_bit(straight, tmp_path, monkeypatch):
    real = checkpoint.save

    def save(folder, step, state) -> None:
        real(folder, step, state)
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
    run(tmp_path, OnDisk(), ("1",), override(CONFIG, {"loader.num_workers": 2, "loader.num_threads": 1}))
    assert_equal(final(tmp_path, "1"), final(straight, "1"))


def test_the_result_tells_the_padding_and_how_long_the_device_waited(straight, tmp_path):
    padding = OnDisk().padding
    assert result(straight)["padding"] == padding and 0 <= result(straight)["input_wait"] < 0.5
    run(tmp_path / "held", OnDevice(), ("0",))
    assert result(tmp_path / "held")["padding"] == padding
    assert "input_wait" not in result(tmp_path / "held")
    slow = override(CONFIG, {"loader.num_threads": 1})
    run(tmp_path / "slow", OnDisk(seconds=0.05), ("0",), slow)  # a batch in 0.2 s
    found = result(tmp_path / "slow")
    assert found["input_wait"] * found["seconds"] > 1  # of 5 windows of a second, two are read while it compiles


@pytest.fixture(scope="module")
def hopeless() -> Pack:
    """Two trials that diverge with their first update."""
    config = override(CONFIG, {"optimizer.learning_rate": 1e38, "training.steps": 100 * SPAN})
    task = OnDisk()
    return Pack(Program(config, task), [hparams.of(override(config, {"seed": k}), task.interface) for k in range(2)])


def test_the_wait_for_the_first_window_counts(hopeless, monkeypatch):
    monkeypatch.setattr(hopeless.program.task.stream.records, "seconds", 0.05)
    config = override(CONFIG, {"training.steps": SPAN, "loader.num_threads": 1})
    state = hopeless.init()
    with contextlib.closing(feed.of(hopeless, config, 0)) as fed:
        fed.run(state, 0, SPAN)
        assert fed.waited is not None and fed.waited > 1  # for 5 batches of 4 examples for each of two trials


def test_nothing_is_read_for_trials_that_have_all_diverged(hopeless, monkeypatch):
    records, config, state = hopeless.program.task.stream.records, hopeless.program.config, hopeless.init()
    monkeypatch.setattr(records, "reads", 0)
    with contextlib.closing(feed.of(hopeless, config, 0)) as fed:
        for start in range(0, config.training.steps, SPAN):
            state, record = fed.run(state, start, start + SPAN)
            assert not np.any(jax.device_get(record.ok))
        fed.run(state, config.training.steps, config.training.steps)
    assert 0 < records.reads <= 4 * 2 * SPAN * 4  # windows, one in use, three ahead; trials, batches, examples


WORKERS = """
import multiprocessing, time
from concurrent.futures import ThreadPoolExecutor
import jax
from research.config import InputConfig
from research.training import feed
from tests.tasks.streams import OnDisk

source = feed._InTurn([OnDisk().stream.batches(jax.random.key(0), 1000, 4)], 5, 200)
batches = feed._read_ahead(source, 0, InputConfig(workers=2))
reader = ThreadPoolExecutor(1, initializer=feed._without_interrupts)
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
    monkeypatch.setattr(feed.StreamedFeed, "_in_vain", lambda self: False)
    config, state = override(hopeless.program.config, {"loader.num_workers": 1}), hopeless.init()
    with contextlib.closing(feed.of(hopeless, config, 0)) as fed, pytest.raises(UserError, match="was killed; fewer"):
        for start in range(0, config.training.steps, SPAN):
            state, _ = fed.run(state, start, start + SPAN)
            for worker in multiprocessing.active_children():
                worker.kill()


def test_a_finished_training_is_fed_to_tell_its_time(tmp_path):
    task = OnDisk()
    pack = Pack(Program(CONFIG, task), [hparams.of(CONFIG, task.interface)])
    fed = feed.of(pack, override(CONFIG, {"training.steps": 2 * SPAN}), 2 * SPAN)
    assert fed.span == SPAN
    _, record = fed.run(pack.init(), 2 * SPAN, 2 * SPAN)
    assert not np.any(jax.device_get(record.steps))
    fed.close()


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"corpus\.array_record: Input/output error"):
        run(tmp_path, OnDisk(damaged=True))


def test_a_corpus_of_tfds_is_trained_on(tmp_path, monkeypatch):
    archives.librispeech(archives.manual_folder(tmp_path / "data", monkeypatch))
    options = {
        "task.name": "librispeech", "task.train": "100", "task.num_mels": 12, "task.speed": 0.1, "task.time_masks": 1,
        "model.hidden_size": 4, "attention.name": "location", "training.steps": 6, "training.batch_size": 2,
        "training.log_every": 3, "training.eval_examples": 3, "wandb.mode": "disabled",
    }  # fmt: skip
    train_trials([("trial", override(Config(), options))], tmp_path)
    found = result(tmp_path, "trial")
    assert found["status"] == "finished" and 0 <= found["input_wait"] <= 1 and 0 < found["padding"] < 0.5
    assert np.isfinite(found["summary"]["train/loss"]) and found["summary"]["eval/free_running/word_error_rate"] > 0
