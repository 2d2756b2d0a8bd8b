"""What can be chosen by name is read from the source, without importing it."""

import dataclasses
import subprocess
import sys

import pytest

from research import catalogue
from research.config import AttentionConfig, task_types


def test_cells_are_found_with_their_summaries():
    cells = catalogue.entries("cells")
    assert {"rnn", "lstm", "gru"} <= set(cells)
    assert all(entry.summary for entry in cells.values())


def test_of_each_cell_it_is_known_whether_zoneout_can_hold_more_than_h():
    for name, entry in catalogue.entries("cells").items():
        cell = catalogue.load("cells", name)
        assert entry.carries_more == (len(cell.parts) > 1 and cell.averages)


@pytest.mark.parametrize("kind", catalogue.FOLDERS)
def test_every_name_loads_the_class_that_bears_it(kind):
    for name in catalogue.names(kind):
        assert catalogue.load(kind, name).name == name


def test_tasks_are_those_that_the_config_allows():
    assert set(catalogue.names("tasks")) == set(task_types())


def test_the_options_of_an_attention_are_its_own_or_those_it_inherits():
    for name, entry in catalogue.entries("attentions").items():
        assert entry.options == catalogue.load("attentions", name).options
    read = {option for entry in catalogue.entries("attentions").values() for option in entry.options}
    assert read == {item.name for item in dataclasses.fields(AttentionConfig)}


def test_a_cell_is_found_once_its_file_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "PACKAGE", tmp_path)
    (tmp_path / "recurrent").mkdir()
    (tmp_path / "recurrent" / "cells.py").write_text(
        'class Base(Cell[int]):\n    """Least cell. And more."""\n    name = "least"\n'
        "class Plain(Cell): ...\nclass Other: ...\n"
    )
    entries = catalogue.entries.__wrapped__("cells")
    assert list(entries) == ["least", "plain"]
    assert entries["least"] == catalogue.Entry("least", "research.recurrent.cells", "Base", "Least cell. And more.")


def test_experiments_and_sweeps_are_the_files_of_their_folders():
    assert {"gradient_norms", "attention", "teacher_forcing"} <= set(catalogue.experiments())
    assert all(catalogue.experiments().values())
    assert "sweeps/gradient_norms.yaml" in catalogue.sweeps()
    assert {f"sweeps/{name}.yaml" for name in catalogue.experiments()} == set(catalogue.sweeps())


def test_reading_the_catalogue_imports_none_of_it():
    code = (
        "import sys; from research import catalogue as c\n"
        "[c.entries(kind) for kind in c.FOLDERS]; c.experiments(); c.sweeps()\n"
        "print([name for name in sys.modules if name.startswith(('jax', 'research.recurrent', 'experiments'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=catalogue.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_corpora_are_found_with_the_names_and_versions_that_tfds_gives_them():
    corpora = catalogue.corpora()
    assert {"asterisk_en", "asterisk_ru", "cmudict", "gcin", "mnist5k"} <= set(corpora)
    assert not {"asterisk", "corpus"} & set(corpora)
    for name, entry in corpora.items():
        corpus = catalogue.load_corpus(name)
        assert (corpus.name, str(corpus.VERSION)) == (name, entry.version)


def test_of_each_corpus_it_is_said_what_it_is_where_it_is_from_and_on_what_terms():
    for name, entry in catalogue.corpora().items():
        corpus = catalogue.load_corpus(name)
        assert (corpus.licence, corpus.megabytes) == (entry.licence, entry.megabytes)
        assert all((entry.summary, entry.licence, entry.megabytes, corpus.source, corpus.citation)), name
