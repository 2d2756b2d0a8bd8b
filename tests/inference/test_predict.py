"""From the command line to the text: every input is answered or reported, in its place; the exit code says which."""

import io
import json
import re
import socket
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rapidfuzz.distance import Levenshtein

from research.cli import main as cli
from research.config import Config
from research.config.flat import override
from research.data.corpora.cmudict import Cmudict
from research.inference import predict as command
from research.inference.answers import Texts
from research.inference.predictor import Output
from research.tasks import task as tasks
from research.tasks.pixels import Pixels
from research.training.trainer import train_trials
from tests.inference import runs
from tests.words import WORDS, lexicon, replace_cmudict

CONFIG = override(
    Config(),
    {
        **WORDS,
        "task.input.lowercase": True,
        "cell.name": "gru",
        "model.hidden_size": 24,
        "model.bidirectional": True,
        "attention.name": "dot",
        "init.recurrent": "normal",
        "optimizer.learning_rate": 0.02,
        "training.steps": 60,
        "training.batch_size": 16,
        "training.ema_decay": 0.9,
        "training.eval_examples": 40,
        "training.log_every": 40,
        "wandb.mode": "disabled",
    },
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Train a run of words and phonemes, and take the corpus away."""
    tasks.load.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        replace_cmudict(patch, tmp_path_factory.mktemp("data"))
        (result,) = train_trials([("trial", CONFIG)], tmp_path_factory.mktemp("runs"))
    tasks.load.cache_clear()
    return result.path


@pytest.fixture(autouse=True)
def without_data(monkeypatch, tmp_path):
    """No corpus, no network."""

    def absent(*args: object) -> None:
        raise AssertionError("predict needs neither corpus nor network")

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "absent"))
    monkeypatch.setattr(Cmudict, "tables", absent)
    monkeypatch.setattr(socket.socket, "connect", absent)  # event loops have sockets of their own


@pytest.fixture
def files(tmp_path) -> Path:
    """Write a folder of recordings or images, as the processors of `runs` take them."""
    folder = tmp_path / "files"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("b.wav", "a.wav", "more/c.wav", "strip.png"):
        np.savetxt(folder / name, rng.normal(size=(7, 2)))
    return folder


def predict(*args: object) -> int:
    return cli.main(["predict", *map(str, args)])


def columns(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_the_test_words_give_the_error_of_the_runs_evaluation(trained, stdin, capsys):
    """The average of the weights is restored; padding and neighbors are of another kind."""
    test = lexicon()["test"]
    stdin("\n".join(test["word"]).encode())
    assert predict(trained, "-") == 0
    lines = columns(capsys.readouterr().out)
    assert [word for word, _ in lines] == test["word"]
    pairs = [(text.split(), ways[0].split()) for (_, text), ways in zip(lines, test["pronunciations"], strict=True)]
    errors = sum(Levenshtein.distance(output, reference) for output, reference in pairs)
    wanted = json.loads((trained / "result.json").read_text())["summary"]["test/free_running/edit_error_rate"]
    assert wanted < 0.9
    assert errors / sum(len(reference) for _, reference in pairs) == pytest.approx(wanted)


def test_one_text_is_answered_plainly_and_several_by_name(trained, capsys):
    assert predict(trained, "Abba") == 0
    alone = capsys.readouterr().out
    assert alone.count("\n") == 1 and "\t" not in alone
    assert predict(trained, "dcb", "Abba") == 0
    assert capsys.readouterr().out.splitlines()[1] == f"Abba\t{alone.strip()}"


def test_what_cannot_be_read_is_a_line_each_and_the_rest_is_answered(trained, stdin, capsys):
    stdin(b"\t\n\nab\n\xff\ndd\n")
    assert predict(trained, "ab", "\u2029", "-", "") == 2
    out, err = capsys.readouterr()
    assert [name for name, _ in columns(out)] == ["ab", "ab", "dd"]
    assert len({text for name, text in columns(out) if name == "ab"}) == 1
    assert [line for line in err.splitlines() if line.startswith("error")] == [
        "error: an empty line: must be text",
        "error: line 1: an empty line: must be text",
        "error: line 2: an empty line: must be text",
        "error: line 4: \\xff: is not UTF-8 text",
        "error: an empty line: must be text",
    ]


def test_the_n_best_come_with_scores_the_best_first_and_no_worse_than_greedy(trained, capsys):
    beam = ("--decoding=beam", "--beam-size=5")
    assert predict(trained, "abcd", *beam, "--n-best=4") == 0
    lines = columns(capsys.readouterr().out)
    scores = [float(number) for number, _ in lines]
    assert len(lines) == len({text for _, text in lines}) == 4
    assert scores == sorted(scores, reverse=True)
    assert predict(trained, "abcd", *beam) == 0
    assert capsys.readouterr().out == f"{lines[0][1]}\n"
    assert predict(trained, "abcd", "--format=json") == 0
    (greedy,) = json.loads(capsys.readouterr().out)["outputs"]
    assert scores[0] >= greedy["score"] - 1e-3
    assert predict(trained, "abcd", "dd", *beam, "--n-best=4") == 0
    named = columns(capsys.readouterr().out)
    assert [line[0] for line in named] == ["abcd"] * 4 + ["dd"] * 4
    assert [line[2] for line in named[:4]] == [text for _, text in lines]


def test_symbols_that_training_does_not_have_are_told(trained, capsys):
    assert predict(trained, "abé", "ab") == 0
    assert "note: symbols that training does not have are read as <unk>, in 1 input\n" in capsys.readouterr().err


def test_json_has_an_object_a_line_for_each_input(trained, capsys):
    assert predict(trained, "abc", " ", "dd", "--format=json", "--decoding=beam", "--n-best=2") == 2
    out, err = capsys.readouterr()
    first, second, third = map(json.loads, out.splitlines())
    assert (first["input"], third["input"]) == ("abc", "dd")
    assert second == {"input": " ", "error": "an empty line: must be text"}
    assert err.count("\n") == 1
    best, next_best = first["outputs"]
    assert best["score"] == best["log_probability"] > next_best["score"]
    assert best["finished"] and best["tokens"] == len(best["text"].split()) + 1


def test_longer_words_than_any_of_the_training_are_answered(trained, capsys):
    assert predict(trained, "abcd" * 35, "--max-length=3") == 0
    out, err = capsys.readouterr()
    assert len(out.split()) == 3
    assert err == "note: 1 of the outputs had not ended after 3 tokens; --max-length=N allows more\n"
    assert predict(trained, "abcd" * 35, "--max-length=90") == 0
    assert len(capsys.readouterr().out.split()) > 3


def test_inputs_are_answered_a_chunk_at_a_time(trained, monkeypatch, stdin, capsys):
    stdin(b"ab\nab\n\ndd\nab\n")
    monkeypatch.setattr(command, "CHUNK", 2)
    assert predict(trained, "-") == 2
    assert [name for name, _ in columns(capsys.readouterr().out)] == ["ab", "ab", "dd", "ab"]


def test_a_folder_and_files_are_answered_by_path(files, tmp_path, capsys):
    run = runs.write(tmp_path / "run", runs.FILES, runs.RECORDINGS).path
    assert predict(run, files) == 0
    lines = columns(capsys.readouterr().out)
    assert [Path(name).relative_to(files).as_posix() for name, _ in lines] == ["a.wav", "b.wav", "more/c.wav"]
    assert predict(run, files / "b.wav") == 0
    assert capsys.readouterr().out == lines[1][1] + "\n"


def test_a_file_on_the_standard_input_is_answered(files, stdin, tmp_path, capsys):
    run = runs.write(tmp_path / "run", runs.FILES, runs.IMAGES).path
    assert predict(run, files / "strip.png") == 0
    named = capsys.readouterr().out
    stdin((files / "strip.png").read_bytes())
    assert predict(run, "-") == 0
    assert capsys.readouterr().out == named
    stdin(b"word")
    assert predict(run, "-") == 2
    assert capsys.readouterr() == ("", "error: -: holds no numbers but something else\n")


def test_files_that_cannot_be_read_are_told_and_the_others_answered(files, tmp_path, capsys):
    run = runs.write(tmp_path / "run", runs.FILES, runs.RECORDINGS).path
    (files / "empty.wav").write_text("")
    (files / "text.wav").write_text("spoken words")
    assert predict(run, files, "absent.wav", files / "more" / "c.wav") == 2
    out, err = capsys.readouterr()
    assert [Path(name).name for name, _ in columns(out)] == ["a.wav", "b.wav", "c.wav", "c.wav"]
    assert [line for line in err.splitlines() if not line.startswith("note: ")] == [
        f"error: {files}/empty.wav: has 0 steps; must have 1 to 60, 10 times the longest in training",
        f"error: {files}/text.wav: holds no numbers but something else",
        "error: absent.wav: cannot be read: No such file or directory",
    ]


def test_an_unfinished_run_is_used_and_that_is_said(tmp_path, capsys):
    run = runs.write(tmp_path / "run", finished=False).path
    assert predict(run, "ab", "--max-length=1") == 0
    assert f"note: {run}: unfinished; uses its checkpoint of step 5 of 5" in capsys.readouterr().err


def test_a_run_that_cannot_be_used_is_one_line_and_exit_code_2(tmp_path, capsys):
    assert predict(tmp_path, "ab") == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith(f"error: {tmp_path}: no runs in it") and err.count("\n") == 1


@pytest.fixture
def figures(monkeypatch) -> list:
    """Collect what would be drawn, and where."""
    from research.reporting import figures

    calls: list = []
    monkeypatch.setattr(figures, "draw_alignment", lambda item, path: (calls.append((item, path)), path.touch()))
    return calls


def places(figures: Sequence) -> list[str]:
    return [path.name for _, path in figures]


def test_the_alignment_of_one_input_is_drawn_where_it_is_asked_for(trained, tmp_path, figures, capsys):
    assert predict(trained, "Abcd", f"--alignment={tmp_path}/out.png", "--format=json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["alignment"] == f"{tmp_path}/out.png"
    ((item, path),) = figures
    assert path == tmp_path / "out.png"
    assert item.predicted == [*answer["outputs"][0]["text"].split(), "end"]
    assert (item.labels, item.name, item.title) == (list("abcd"), "", "Abcd")
    assert item.edges.tolist() == [0, 1, 2, 3, 4]
    assert item.weights.shape == (len(item.predicted), 4)


def test_alignments_of_several_inputs_have_the_number_of_their_input(trained, tmp_path, figures):
    assert predict(trained, "ab", "", "dd", f"--alignment={tmp_path}/out.png") == 2
    assert places(figures) == ["out-1.png", "out-3.png"]


def test_the_axis_fits_where_the_encoder_shortens(files, tmp_path, figures):
    changes = {"model__subsampling": "convolution", "model__subsampling_factor": 2}
    run = runs.write(tmp_path / "run", runs.FILES, runs.RECORDINGS, **changes).path
    assert predict(run, files, f"--alignment={tmp_path}/out.svg") == 0
    assert places(figures) == ["out-1.svg", "out-2.svg", "out-3.svg"]
    for item, _ in figures:
        assert item.weights.shape[1] == 4
        assert item.edges.tolist() == [0, 1, 2, 3, 3.5]  # seven steps of half a second
        assert (item.picture.shape, item.labels, item.kind) == ((2, 7), None, "audio")


def test_predicted_marks_have_a_row_and_no_name():
    output = Output((3, 0, 5, 1, 2), 0.0, 0.0, True)
    assert Texts([output], runs.SPELLING).labels() == ["X", "mark", "Z", "mark", "end"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """Write a run of a classifier of images."""
    changes = {"attention__name": "none", "task__pixels_per_step": 28, "model__hidden_size": 6}
    task = Pixels(pixels_per_step=28)
    folder = tmp_path_factory.mktemp("runs") / "digits"
    return runs.write(folder, task.spec, task.processor(), task__name="pixels", **changes).path


@pytest.fixture
def digit(tmp_path) -> Path:
    """Draw a digit."""
    Image.fromarray(np.pad(np.full((40, 8), 255, np.uint8), 20)).save(tmp_path / "one.png")
    return tmp_path / "one.png"


def test_a_classifier_gives_its_class_and_all_probabilities(digits, digit, capsys):
    assert predict(digits, digit) == 0
    likeliest = capsys.readouterr().out.strip()
    assert predict(digits, digit, "--n-best=3") == 0
    lines = columns(capsys.readouterr().out)
    assert [len(line) for line in lines] == [2, 2, 2] and lines[0][1] == likeliest
    assert predict(digits, digit, "absent.png", "--format=json") == 2
    answer, missing = map(json.loads, capsys.readouterr().out.splitlines())
    assert (answer["input"], answer["class"]) == (str(digit), likeliest)
    probabilities = answer["probabilities"]
    assert list(probabilities) == list("0123456789") and sum(probabilities.values()) == pytest.approx(1)
    best = sorted(probabilities, key=probabilities.get, reverse=True)[:3]
    assert lines == [[f"{probabilities[name]:.4f}", name] for name in best]
    assert missing == {"input": "absent.png", "error": "absent.png: no such file"}


@pytest.mark.parametrize(
    ("task", "content", "wanted"),
    [
        ("adding", [[0.5, 1], [0.25, 0]], r"-?[\d.]+(e-\d+)?"),
        ("dyck", [1, 0, 0], r"\d+ \d+ \d+"),
        ("reverse", [3, 4], r"(\d+ )*\d*"),
    ],
)
def test_arrays_are_inputs_of_tasks_without_a_file_format(task, content, wanted, tmp_path, stdin, capsys):
    run = runs.write_synthetic(tmp_path / "run", task, model__hidden_size=4).path
    (tmp_path / "a.json").write_text(json.dumps(content))
    np.save(tmp_path / "b.npy", np.array(content))
    assert predict(run, tmp_path / "a.json", tmp_path / "b.npy") == 0
    (first, text), (second, same) = columns(capsys.readouterr().out)
    assert (Path(first).name, Path(second).name, text) == ("a.json", "b.npy", same)
    assert re.fullmatch(wanted, text)
    stdin((tmp_path / "b.npy").read_bytes())
    assert predict(run, "-", "--format=json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) - {"input", "probabilities"} == {{"adding": "value", "dyck": "labels"}.get(task, "outputs")}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--decoding=beam", "--decoding=beam: must be absent, as a model for pixels has no decoder"),
        ("--max-length=3", "--max-length=3: must be absent, as a model for pixels has no decoder"),
        ("--n-best=11", "--n-best=11: must be at most 10, as the target of pixels is a class"),
    ],
)
def test_what_a_classifier_does_not_have_is_refused(option, message, digits, digit, capsys):
    assert predict(digits, digit, option) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_an_input_far_longer_than_those_of_training_is_refused_and_not_repeated(trained, stdin, capsys):
    stdin(b"ab\n" + b"abcd" * 10_000 + b"\n")
    assert predict(trained, "-") == 2
    out, err = capsys.readouterr()
    assert out.startswith("ab\t") and out.count("\n") == 1
    allowed = "has 40000 steps; must have 1 to 140, 10 times the longest in training"
    assert err == f"error: line 2: {('abcd' * 20)[:79]}…: {allowed}\n"


@pytest.mark.parametrize("option", ["--format=text", "--format=json"])
def test_names_of_files_are_written_for_a_terminal_of_any_encoding(option, files, tmp_path, monkeypatch):
    """Control characters and bytes that are no UTF-8 are escaped; JSON stays JSON."""
    run = runs.write(tmp_path / "run", runs.FILES, runs.RECORDINGS).path
    (files / "more" / "c.wav").rename(files / "more" / "é\t\x1b[31m\udcff.wav")
    output = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr("sys.stdout", output)
    assert predict(run, files / "more", option) == 0
    line = output.buffer.getvalue().decode("ascii")  # pyright: ignore
    name = json.loads(line)["input"] if "json" in option else line.rpartition("\t")[0].replace(r"\xe9", "é")
    assert Path(name).name == r"é\t\x1b[31m\xff.wav" and "\x1b" not in line and line.count("\n") == 1
