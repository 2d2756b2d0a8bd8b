"""From the command line to the text: every input is answered or told of, in its place, and the exit code says which."""

import json
import socket
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from research import cli
from research.batch import FIRST_SYMBOL
from research.config import Config, InitConfig, ModelConfig, PronunciationConfig, TrackingConfig, TrainingConfig
from research.predicting import command
from research.tasks import task as tasks
from research.tasks.corpora import cmudict
from research.tasks.corpora.cmudict import Pronunciations, Words
from research.tasks.pronunciation import Pronunciation
from research.tasks.sequences import score
from research.training.trainer import train_trials
from tests.predicting import runs

CONFIG = Config(
    task=PronunciationConfig(),
    model=ModelConfig(cell="gru", features=24, bidirectional=True, attention="dot"),
    init=InitConfig(recurrent="normal"),
    training=TrainingConfig(steps=60, batch_size=32, learning_rate=0.02, ema_decay=0.9, eval_examples=40, log_every=60),
    tracking=TrackingConfig(wandb="disabled"),
)


def lexicon() -> Pronunciations:
    """Words of four letters, each of which has a phoneme of its own; some of each bucket."""
    rng = np.random.default_rng(0)
    letters, phonemes = tuple("abcd"), ("AA", "B", "K", "D")

    def drawn(count: int) -> Words:
        lengths = rng.integers(2, 15, count).astype(np.int32)
        source = rng.integers(FIRST_SYMBOL, FIRST_SYMBOL + 4, (count, 16)).astype(np.int8)
        source[np.arange(16) >= lengths[:, None]] = 0
        words = ["".join(letters[token - FIRST_SYMBOL] for token in row if token) for row in source]
        return Words(words, source, lengths, source, lengths, [[tuple(map(int, row[row > 0]))] for row in source])

    return Pronunciations(letters, phonemes, {"train": drawn(300), "test": drawn(40)})


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run of words and phonemes, from which the corpus has been taken away."""
    tasks.create.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cmudict, "load", lambda stress: lexicon())
        (result,) = train_trials([("trial", CONFIG)], tmp_path_factory.mktemp("runs"))
    tasks.create.cache_clear()
    return result.path


@pytest.fixture(autouse=True)
def without_data(monkeypatch, tmp_path):
    """No corpus, no network."""

    def absent(*args: object) -> None:
        raise AssertionError("predict needs neither corpus nor network")

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "absent"))
    monkeypatch.setattr(cmudict, "load", absent)
    monkeypatch.setattr(socket.socket, "connect", absent)  # event loops have sockets of their own


@pytest.fixture
def files(tmp_path) -> Path:
    """A folder of sounds or images, as the readers of `runs` take them."""
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


def test_the_held_out_words_give_the_error_of_the_runs_evaluation(trained, stdin, capsys):
    """By the average of the weights, restored; with padding and neighbours of another kind."""
    test = lexicon().splits["test"]
    stdin("\n".join(test.words).encode())
    assert predict(trained, "-") == 0
    found = columns(capsys.readouterr().out)
    assert [word for word, _ in found] == test.words
    ids = {name: FIRST_SYMBOL + k for k, name in enumerate(lexicon().phonemes)}
    outputs = np.zeros((40, 30), np.int32)
    for row, (_, said) in enumerate(found):
        tokens = [ids[name] for name in said.split()]
        outputs[row, : len(tokens) + 1] = [*tokens, 2]
    free = score(outputs, test.references)
    wanted = json.loads((trained / "result.json").read_text())["summary"]["eval/free_running/error_rate"]
    assert wanted < 0.9
    assert np.sum(free.distance) / np.sum(free.symbols) == pytest.approx(wanted)


def test_one_text_is_answered_plainly_and_several_by_name(trained, capsys):
    assert predict(trained, "Abba") == 0
    alone = capsys.readouterr().out
    assert alone.count("\n") == 1 and "\t" not in alone
    assert predict(trained, "dcb", "Abba") == 0
    assert capsys.readouterr().out.splitlines()[1] == f"Abba\t{alone.strip()}"


def test_what_cannot_be_read_is_a_line_each_and_the_rest_is_answered(trained, stdin, capsys):
    stdin(b"abx\n\nab\n\xff\ndd\n")
    assert predict(trained, "ab", "a b", "-", "") == 2
    out, err = capsys.readouterr()
    assert [name for name, _ in columns(out)] == ["ab", "ab", "dd"]
    assert len({said for name, said in columns(out) if name == "ab"}) == 1
    assert err.splitlines() == [
        "error: 'a b': ' ' is no letter that the model knows: abcd",
        "error: line 1: 'abx': 'x' is no letter that the model knows: abcd",
        "error: line 2: an empty line: must be a word",
        "error: line 4: \\xff: is not UTF-8 text",
        "error: an empty line: must be a word",
    ]


def test_the_n_best_come_with_scores_the_best_first_and_no_worse_than_greedy(trained, capsys):
    beam = ("--method=beam", "--beam-size=5")
    assert predict(trained, "abcd", *beam, "--n-best=4") == 0
    found = columns(capsys.readouterr().out)
    scores = [float(number) for number, _ in found]
    assert len(found) == len({said for _, said in found}) == 4
    assert scores == sorted(scores, reverse=True)
    assert predict(trained, "abcd", *beam) == 0
    assert capsys.readouterr().out == f"{found[0][1]}\n"
    assert predict(trained, "abcd", "--format=json") == 0
    (greedy,) = json.loads(capsys.readouterr().out)["outputs"]
    assert scores[0] >= greedy["score"] - 1e-3
    assert predict(trained, "abcd", "dd", *beam, "--n-best=4") == 0
    named = columns(capsys.readouterr().out)
    assert [line[0] for line in named] == ["abcd"] * 4 + ["dd"] * 4
    assert [line[2] for line in named[:4]] == [said for _, said in found]


def test_json_has_an_object_a_line_for_each_input(trained, capsys):
    assert predict(trained, "abc", "é", "dd", "--format=json", "--method=beam", "--n-best=2") == 2
    out, err = capsys.readouterr()
    first, second, third = map(json.loads, out.splitlines())
    assert (first["input"], third["input"]) == ("abc", "dd")
    assert second == {"input": "é", "error": "'é': 'é' is no letter that the model knows: abcd"}
    assert err.count("\n") == 1
    best, next_best = first["outputs"]
    assert best["score"] == best["log_probability"] > next_best["score"]
    assert best["finished"] and best["tokens"] == len(best["text"].split()) + 1


def test_longer_words_than_any_of_the_training_are_answered(trained, capsys):
    assert predict(trained, "abcd" * 50) == 0
    out, err = capsys.readouterr()
    assert len(out.split()) == 17
    assert err == "note: 1 of the outputs had not ended after 17 tokens; --max-length=N allows more\n"
    assert predict(trained, "abcd" * 50, "--max-length=90") == 0
    assert len(capsys.readouterr().out.split()) > 17


def test_inputs_are_answered_a_chunk_at_a_time(trained, monkeypatch, stdin, capsys):
    stdin(b"ab\nab\nx\ndd\nab\n")
    monkeypatch.setattr(command, "CHUNK", 2)
    assert predict(trained, "-") == 2
    assert [name for name, _ in columns(capsys.readouterr().out)] == ["ab", "ab", "dd", "ab"]


@pytest.fixture
def reader(monkeypatch):
    def put(kind: type[runs.FileReader]) -> runs.FileReader:
        monkeypatch.setattr(Pronunciation, "reader", kind)
        return kind()

    return put


def test_a_folder_and_files_are_answered_by_path(files, reader, tmp_path, capsys):
    run = runs.make(tmp_path / "run", runs.FILES, reader(runs.Sounds)).path
    assert predict(run, files) == 0
    found = columns(capsys.readouterr().out)
    assert [Path(name).relative_to(files).as_posix() for name, _ in found] == ["a.wav", "b.wav", "more/c.wav"]
    assert predict(run, files / "b.wav") == 0
    assert capsys.readouterr().out == found[1][1] + "\n"


def test_a_file_on_the_standard_input_is_answered(files, reader, stdin, tmp_path, capsys):
    run = runs.make(tmp_path / "run", runs.FILES, reader(runs.Images)).path
    assert predict(run, files / "strip.png") == 0
    named = capsys.readouterr().out
    stdin((files / "strip.png").read_bytes())
    assert predict(run, "-") == 0
    assert capsys.readouterr().out == named
    stdin(b"word")
    assert predict(run, "-") == 2
    assert capsys.readouterr() == ("", "error: -: holds no numbers but something else\n")


def test_files_that_cannot_be_read_are_told_and_the_others_answered(files, reader, tmp_path, capsys):
    run = runs.make(tmp_path / "run", runs.FILES, reader(runs.Sounds)).path
    (files / "empty.wav").write_text("")
    (files / "text.wav").write_text("spoken words")
    assert predict(run, files, "absent.wav", files / "more" / "c.wav") == 2
    out, err = capsys.readouterr()
    assert [Path(name).name for name, _ in columns(out)] == ["a.wav", "b.wav", "c.wav", "c.wav"]
    assert [line for line in err.splitlines() if not line.startswith("note: ")] == [
        f"error: {files}/empty.wav: holds nothing that the model reads",
        f"error: {files}/text.wav: holds no numbers but something else",
        "error: absent.wav: cannot be read: No such file or directory",
    ]


def test_an_unfinished_run_is_used_and_that_is_said(tmp_path, capsys):
    run = runs.make(tmp_path / "run", finished=False).path
    assert predict(run, "ab", "--max-length=1") == 0
    assert f"note: {run}: unfinished; its checkpoint of step 5 of 5 is used" in capsys.readouterr().err


def test_a_run_that_cannot_be_used_is_one_line_and_exit_code_2(tmp_path, capsys):
    assert predict(tmp_path, "ab") == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith(f"error: {tmp_path}: is no run directory") and err.count("\n") == 1


def drawn(monkeypatch) -> list:
    """What is handed to the figures, which are not drawn."""
    from research.reporting import figures

    found: list = []
    monkeypatch.setattr(figures, "draw_alignment", lambda one, path: (found.append((one, path)), path.touch()))
    return found


def places(found: Sequence) -> list[str]:
    return [path.name for _, path in found]


def test_the_alignment_of_one_input_is_drawn_where_it_is_asked_for(trained, tmp_path, monkeypatch, capsys):
    found = drawn(monkeypatch)
    assert predict(trained, "Abcd", f"--alignment={tmp_path}/out.png", "--format=json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["alignment"] == f"{tmp_path}/out.png"
    ((one, path),) = found
    assert path == tmp_path / "out.png"
    assert one.said == [*answer["outputs"][0]["text"].split(), "end"]
    assert (one.labels, one.name, one.title) == (list("abcd"), "letters", "Abcd")
    assert one.edges.tolist() == [0, 1, 2, 3, 4]
    assert one.weights.shape == (len(one.said), 4)


def test_alignments_of_several_inputs_have_the_number_of_their_input(trained, tmp_path, monkeypatch):
    found = drawn(monkeypatch)
    assert predict(trained, "ab", "x", "dd", f"--alignment={tmp_path}/out.png") == 2
    assert places(found) == ["out-1.png", "out-3.png"]


def test_the_axis_fits_where_the_encoder_shortens(files, reader, tmp_path, monkeypatch):
    changes = {"model__subsampling": "convolution", "model__subsampling_factor": 2}
    run = runs.make(tmp_path / "run", runs.FILES, reader(runs.Sounds), **changes).path
    found = drawn(monkeypatch)
    assert predict(run, files, f"--alignment={tmp_path}/out.svg") == 0
    assert places(found) == ["out-1.svg", "out-2.svg", "out-3.svg"]
    for one, _ in found:
        assert one.weights.shape[1] == 4
        assert one.edges.tolist() == [0, 1, 2, 3, 3.5]  # seven steps of half a second
        assert (one.picture.shape, one.labels, one.kind) == ((2, 7), None, "sound")


def test_marks_that_a_model_says_have_a_row_and_no_name():
    output = command.Output((3, 0, 5, 1, 2), 0.0, 0.0, True)
    assert command._labels(output, runs.SPELLING) == ["X", "mark", "Z", "mark", "end"]


def test_a_name_is_on_one_line_and_in_one_column():
    assert command._plain("a\tb\nc\udcff") == "a\\tb\\nc\\xff"
