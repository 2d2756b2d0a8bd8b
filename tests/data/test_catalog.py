"""What `python -m research data` prints and prepares; the corpus is one that the test makes."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow_datasets as tfds
from research.data.corpora.stock_sets import STOCK_SETS

from research import catalogue, cli
from research.data.corpora.corpus import Corpus, Example
from tests.data.corpora import archives


class Cubes(Corpus):
    """The cubes of 0 to 2,999."""

    VERSION = tfds.core.Version("1.2.0")
    licence = "CC0-1.0"
    megabytes = 3
    source = "Python package cubes 1.0"
    citation = "Nobody, Cubes, 1900"

    def _info(self) -> tfds.core.DatasetInfo:
        number = tfds.features.Scalar(dtype=np.int64)
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict({"cube": number}))

    def examples(self) -> dict[str, Sequence[tuple[str, Example]]]:
        rows = [(str(index), {"cube": index**3}) for index in range(3000)]
        return {"train": rows[:2000], "test": rows[2000:]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and `cubes` beside the real corpora."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    entry = catalogue.CorpusEntry("cubes", __name__, "Cubes", "The cubes.", "CC0-1.0", 3, "1.2.0")
    known = {**catalogue.corpora(), "cubes": entry}
    monkeypatch.setitem(sys.modules, __name__, SimpleNamespace(Cubes=Cubes, __doc__="Cubes at length.\n\nTwo splits."))
    monkeypatch.setattr(catalogue, "corpora", lambda: known)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert cli.main(["data", *args]) == 0
    return capsys.readouterr().out


def test_the_list_says_of_each_corpus_what_it_is_and_whether_it_is_prepared(capsys: pytest.CaptureFixture[str]) -> None:
    lines = {line.split()[0]: line.split() for line in said(capsys, "list").splitlines()}
    assert lines.keys() >= catalogue.corpora().keys()
    assert lines["cubes"] == ["cubes", "3", "MB", "-", "CC0-1.0", "The", "cubes."]
    said(capsys, "fetch", "cubes")
    lines = {line.split()[0]: line.split() for line in said(capsys, "list").splitlines()}
    assert lines["cubes"][3:5] == ["0", "MB"]
    assert lines["cmudict"][3] == "-"


def test_fetch_prepares_once_and_counts_the_splits(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "cubes" / "1.2.0"
    assert said(capsys, "fetch", "cubes") == f"cubes: train 2,000, test 1,000; {path}\n"
    made = path.stat().st_mtime_ns
    assert said(capsys, "fetch", "cubes", "cubes").count("train 2,000") == 2
    assert path.stat().st_mtime_ns == made


def test_fetch_finds_that_what_is_prepared_is_damaged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "fetch", "cubes")
    (damaged,) = (folder / "cubes" / "1.2.0").glob("cubes-test.array_record*")
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    assert cli.main(["data", "fetch", "cubes"]) == 2
    err = capsys.readouterr().err.strip()
    assert "1.2.0: cannot be read (" in err and err.endswith("delete this folder and try again") and "\n" not in err


def test_fetch_shows_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "fetch", "cubes"]) == 0
    assert "cubes: preparing" in (shown := capsys.readouterr().err) and "3000/3000" in shown


def test_info_says_all_there_is_and_prepares_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "info", "cubes")
    for part in ("The cubes.", "CC0-1.0", "Python package cubes 1.0", "Nobody, Cubes, 1900", "3 MB to fetch"):
        assert part in text
    assert "not prepared; python -m research data fetch cubes" in text
    assert "  Cubes at length.\n\n  Two splits.\n" in text
    assert not list(folder.iterdir())
    said(capsys, "fetch", "cubes")
    text = said(capsys, "info", "cubes")
    assert "splits   train 2,000, test 1,000\n" in text
    assert f"folder   {folder / 'cubes' / '1.2.0'}\n" in text


def test_a_corpus_of_tfds_is_listed_and_told_of_and_prepared(tmp_path, monkeypatch, capsys):
    manual = archives.manual_folder(tmp_path / "data", monkeypatch)
    archives.ted_hrlr_translate(manual)
    listed = {line.split()[0]: line.split() for line in said(capsys, "list").splitlines()}
    assert listed.keys() >= STOCK_SETS.keys()
    assert listed["ted_hrlr_translate"][1:4] == ["131", "MB", "-"]
    told = said(capsys, "info", "ted_hrlr_translate")
    assert "qi18naacl-dataset.tar.gz" in told and str(manual) in told
    assert "not yet; python -m research data fetch ted_hrlr_translate/pt_to_en" in told

    folder = tmp_path / "data" / "ted_hrlr_translate" / "pt_to_en" / "1.0.0"
    counted = "train 39, validation 5, test 6"
    assert said(capsys, "fetch", "ted_hrlr_translate") == f"ted_hrlr_translate/pt_to_en: {counted}; {folder}\n"
    assert f"{counted}; {folder}" in said(capsys, "info", "ted_hrlr_translate")
    listed = {line.split()[0]: line.split() for line in said(capsys, "list").splitlines()}
    assert listed["ted_hrlr_translate"][3:5] == ["0", "MB"]


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["fetch", "cubs"], "data: cubs: no such corpus; did you mean cubes?"),
        (["fetch", "cubes", "absent"], "data: absent: no such corpus; must be one of "),
        (["info", "asterisk"], "did you mean asterisk_en or asterisk_fr or asterisk_es or asterisk_it or asterisk_ru?"),
        (["fetch", "ted_hrlr_translate/de_to_en"], "no such config; must be one of pt_to_en, ru_to_en"),
        (["info", "speech_commands/small"], "no such config; speech_commands has none"),
        (["fetch", "wmt"], "did you mean wmt14_translate?"),
        (["lst"], "invalid choice: 'lst'"),
        (["fetch"], "the following arguments are required: NAME"),
        ([], "data: the following arguments are required: list | fetch | info"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_fetched(
    folder: Path, capsys: pytest.CaptureFixture[str], args: list[str], line: str
) -> None:
    assert cli.main(["data", *args]) == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith("error: ") and err.count("\n") == 1 and line in err
    assert not list(folder.iterdir())


def test_a_corpus_that_cannot_be_had_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    assert cli.main(["data", "fetch", "gcin"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert "this machine has no apt-get" in line and str(folder / "downloads" / "manual") in line
