"""What `research data` prints and prepares; the corpus is one that the test makes."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from research.data import catalog
from research.data.corpora import CORPORA
from research.data.corpora.corpus import Examples, PackageCorpus
from research.errors import UserError
from tests.data.corpora import archives


class Cubes(PackageCorpus):
    """The cubes of 0 to 2,999."""

    FEATURES: ClassVar = {"cube": (np.int64, ())}

    def examples(self) -> Examples:
        return [("train" if index < 2000 else "test", str(index), {"cube": index**3}) for index in range(3000)]


CUBES = Cubes(
    name="cubes",
    summary="The cubes.",
    license="CC0-1.0",
    megabytes=3,
    source="Python package cubes 1.0",
    citation="Nobody, Cubes, 1900",
    version="1.2.0",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and `cubes` next to the real corpora."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setitem(CORPORA, "cubes", CUBES)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], action: str, *names: str) -> str:
    if action == "list":
        catalog.print_list()
    elif action == "fetch":
        catalog.fetch(names)
    else:
        catalog.print_info(*names)
    return capsys.readouterr().out


def test_the_list_says_of_each_corpus_what_it_is_and_whether_it_is_prepared(capsys: pytest.CaptureFixture[str]) -> None:
    lines = {line.split()[0]: line.split() for line in said(capsys, "list").splitlines()}
    assert lines.keys() >= CORPORA.keys()
    assert lines["cubes"] == ["cubes", "3", "MB", "-", "CC0-1.0", "The", "cubes."]
    said(capsys, "fetch", "cubes")
    lines = {line.split()[0]: line.split() for line in said(capsys, "list").splitlines()}
    assert lines["cubes"][3:5] == ["0", "MB"]
    assert lines["cmudict"][3] == "-"


def test_fetch_prepares_once_and_counts_the_splits(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "cubes" / "1.2.0"
    assert said(capsys, "fetch", "cubes") == f"cubes: train 2,000, test 1,000; {path}\n"
    prepared = path.stat().st_mtime_ns
    assert said(capsys, "fetch", "cubes", "cubes").count("train 2,000") == 2
    assert path.stat().st_mtime_ns == prepared


def test_fetch_finds_that_what_is_prepared_is_damaged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "fetch", "cubes")
    (damaged,) = (folder / "cubes" / "1.2.0").glob("cubes-test.array_record*")
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    with pytest.raises(UserError, match=r"1\.2\.0: cannot be read \(.*delete this folder and try again$") as caught:
        catalog.fetch(["cubes"])
    assert "\n" not in str(caught.value)


def test_info_says_all_there_is_and_prepares_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "info", "cubes")
    for part in ("The cubes.", "CC0-1.0", "Python package cubes 1.0", "Nobody, Cubes, 1900", "3 MB to fetch"):
        assert part in text
    assert "not yet; python -m research data fetch cubes" in text
    assert "  What `research data` prints and prepares;" in text  # the module's docstring
    assert not list(folder.iterdir())
    said(capsys, "fetch", "cubes")
    text = said(capsys, "info", "cubes")
    assert f"prepared train 2,000, test 1,000; {folder / 'cubes' / '1.2.0'}\n" in text


def test_a_corpus_of_tfds_is_listed_and_told_of_and_prepared(tmp_path, monkeypatch, capsys):
    manual = archives.manual_folder(tmp_path / "data", monkeypatch)
    archives.ted_hrlr_translate(manual)
    listed = {line.split()[0]: line.split() for line in said(capsys, "list").splitlines()}
    assert listed.keys() >= CORPORA.keys()
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
    ("name", "line"),
    [
        ("cubs", "data: cubs: no such corpus; did you mean cubes?"),
        ("absent", "data: absent: no such corpus; must be one of "),
        ("asterisk", "did you mean asterisk_en or asterisk_fr or asterisk_es or asterisk_it or asterisk_ru?"),
        ("ted_hrlr_translate/de_to_en", "no such config; must be one of pt_to_en, ru_to_en"),
        ("speech_commands/small", "no such config; speech_commands has none"),
        ("wmt", "did you mean wmt14_translate?"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_fetched(folder, capsys, name, line) -> None:
    for action in (catalog.print_info, lambda name: catalog.fetch(["cubes", name])):
        with pytest.raises(UserError) as caught:
            action(name)
        assert line in str(caught.value) and "\n" not in str(caught.value)
    assert not capsys.readouterr().out and not list(folder.iterdir())


def test_a_corpus_that_cannot_be_fetched_is_one_line(folder, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(UserError, match="this machine has no apt-get") as caught:
        catalog.fetch(["gcin"])
    assert str(folder / "downloads" / "manual") in str(caught.value) and "\n" not in str(caught.value)
