"""Samples of predictions, checkpoints and tables in W&B: offline runs read back, and a server on loopback."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drills.wandb_server import Server
from research.tracking import media
from research.tracking.media import Alignment, Samples
from research.tracking.uploads import is_unsent, wait_for_uploads
from research.tracking.wandb import WandbOptions, WandbRun
from tests.tracking.written import Written, inspect

pytestmark = pytest.mark.usefixtures("home", "teardown")
OFFLINE = WandbOptions(mode="offline")
LINES = [
    {"example": "pairs.tsv:3", "input": "ab", "reference": "A B", "prediction": "A", "edits": 1, "loss": 0.5},
    {"example": "pairs.tsv:9", "input": "c", "reference": "C", "prediction": "C", "edits": 0, "loss": float("nan")},
]
WEIGHTS = [np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0]])]
RECORDINGS = [(np.zeros(800, np.float32), 8000), (np.zeros(400, np.int16), 16000)]
SAMPLES = Samples(LINES, [Alignment(*pair) for pair in zip(WEIGHTS, LINES, strict=True)], lambda: RECORDINGS)


def run_of(folder: Path, options: WandbOptions = OFFLINE, **more: Any) -> WandbRun:
    return WandbRun(folder, "trial", options, {"seed": 0}, "sweep", **more)


def evaluate(run: WandbRun, *steps: int) -> None:
    for step in steps:
        run.log(step, {"train/loss": 1.0})
        run.log(step, {"validation/loss": 2.0}, samples=SAMPLES)


def summary_of(written: Written) -> dict[str, Any]:
    return functools.reduce(lambda all, entry: all | entry.get("update", {}), written.of("summary"), {})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("run")
    run = run_of(folder)
    evaluate(run, 10, 20)
    run.finish("finished", {"test/loss": 3.0})
    return inspect(folder)


def test_each_evaluation_has_a_table_of_predictions_and_images_of_alignments_in_its_row(written: Written) -> None:
    assert [(row["_step"], row["train/loss"], row["validation/loss"]) for row in written.history] == [
        (10, 1.0, 2.0),
        (20, 1.0, 2.0),
    ]
    for row in written.history:
        table = json.loads((written.folder / "files" / row["validation/samples.path"]).read_text())
        assert table["columns"] == [*LINES[0]]
        assert table["data"][0] == [*LINES[0].values()] and table["data"][1][:5] == [*LINES[1].values()][:5]
        first, second = row["validation/alignments.captions"]
        assert first.startswith("pairs.tsv:3: ab → A; ") and second.startswith("pairs.tsv:9: c → C; ")
        images = [
            np.asarray(Image.open(written.folder / "files" / name)) for name in row["validation/alignments.filenames"]
        ]
        light, dark, white = (253, 231, 37), (68, 1, 84), (255, 255, 255)
        corners = [[tuple(image[y, x].tolist()) for y in (0, -1) for x in (0, -1)] for image in images]
        assert corners == [[light, dark, dark, light], [light, white, white, white]]


def test_the_audio_is_there_once_with_its_transcript(written: Written) -> None:
    first, second = written.history
    assert first["validation/audio.captions"] == ["pairs.tsv:3: A B", "pairs.tsv:9: C"]
    assert (first["validation/audio.count"], first["validation/audio.sampleRates"]) == (2, [8000, 16000])
    assert not [key for key in second if key.startswith("validation/audio")]


def test_samples_that_fail_cost_nothing_else_and_are_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(media, "table", lambda *_: calls.append(1) or 1 / 0)
    run = run_of(tmp_path)
    evaluate(run, 10, 20)
    run.finish("finished", {"test/loss": 3.0})
    written = inspect(tmp_path)
    assert [(row["_step"], row["validation/loss"]) for row in written.history] == [(10, 2.0), (20, 2.0)]
    assert {"status": "finished", "test/loss": 3.0}.items() <= summary_of(written).items()
    assert capfd.readouterr().err == "warning: W&B: no samples: division by zero\n" and len(calls) == 1


def test_online_a_resumed_run_sends_each_sample_and_the_audio_once(tmp_path: Path, server: Server) -> None:
    first = run_of(tmp_path, WandbOptions())
    evaluate(first, 10, 20)
    first.stop()
    wait_for_uploads()
    again = run_of(tmp_path, WandbOptions(), records=[{"step": 10, "train/loss": 1.0}])
    evaluate(again, 10, 20, 30)
    again.finish("finished", {})
    wait_for_uploads()
    (served,) = server.runs.values()
    assert [row["_step"] for row in served.rows] == [10, 20, 30]
    assert [("validation/samples" in row, "validation/audio" in row) for row in served.rows] == [
        (True, True),
        (True, False),
        (True, False),
    ]
    assert not is_unsent(tmp_path, WandbOptions())


@pytest.mark.parametrize("asked", [True, False])
def test_the_checkpoint_that_is_kept_is_an_artifact_where_it_is_asked_for(asked: bool, tmp_path: Path) -> None:
    for name in ("config.json", "processor.json", "checkpoint/10/manifest.json", "checkpoint/20/manifest.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    run = run_of(tmp_path, WandbOptions(mode="offline", log_checkpoint=asked))
    run.finish("finished", {"weights": "best"}, checkpoint=10)
    written = inspect(tmp_path)
    artifacts = [artifact for artifact in written.of("artifact") if artifact["type"] == "model"]
    assert len(artifacts) == asked
    for artifact in artifacts:
        assert artifact["name"] == f"model-{artifact['run_id']}" and {*artifact["aliases"]} == {"best", "latest"}
        paths = [entry["path"] for entry in artifact["manifest"]["contents"]]
        assert paths == ["checkpoint/10/manifest.json", "config.json", "processor.json"]


def test_online_the_checkpoint_is_at_the_server_when_the_run_is_complete(tmp_path: Path, server: Server) -> None:
    (tmp_path / "checkpoint" / "10").mkdir(parents=True)
    (tmp_path / "checkpoint" / "10" / "manifest.json").write_text("{}")
    run = run_of(tmp_path, WandbOptions(log_checkpoint=True), records=[{"step": 10, "train/loss": 1.0}])
    run.finish("finished", {"weights": "last"}, checkpoint=10)
    wait_for_uploads()
    (name,) = server.runs
    assert server.artifacts == [f"model-{name}"]
    assert not run.failure and not is_unsent(tmp_path, WandbOptions())


def test_a_checkpoint_that_cannot_be_sent_costs_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "checkpoint", lambda *_: 1 / 0)
    run = run_of(tmp_path, WandbOptions(mode="offline", log_checkpoint=True))
    run.finish("finished", {"weights": "last"}, checkpoint=10)
    assert summary_of(inspect(tmp_path))["status"] == "finished"
    assert capfd.readouterr().err == "warning: W&B: no checkpoint: division by zero\n"
