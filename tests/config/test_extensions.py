"""`--import` runs a user's module before the command."""

import sys

import pytest

from research.config.extensions import import_modules
from research.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_module_of_the_working_directory_is_imported_and_taken_from_the_words(folder):
    (folder / "my_first.py").write_text("VALUE = 1\n")
    (folder / "my_second.py").write_text("VALUE = 2\n")
    words = ["a", "--import=my_first", "--seed=1", "--import", "my_second"]
    assert import_modules(words) == ["a", "--seed=1"]
    assert (sys.modules["my_first"].VALUE, sys.modules["my_second"].VALUE) == (1, 2)


@pytest.mark.parametrize(
    "words", [["--import=no_such_module_x"], ["--import=no_such_module_x.y"], ["--import"], ["--import=.."]]
)
def test_a_module_that_is_not_found_is_one_line(folder, words):
    with pytest.raises(UserError, match=r"^--import=.*: must be a module in the current directory or on PYTHONPATH$"):
        import_modules(words)


def test_an_error_within_the_module_is_not_blamed_on_the_flag(folder):
    (folder / "my_wrong.py").write_text("1 + 'a'\n")
    with pytest.raises(TypeError, match="unsupported operand"):
        import_modules(["--import=my_wrong"])


def test_what_the_module_itself_lacks_is_not_blamed_on_the_flag(folder):
    (folder / "my_broken.py").write_text("import no_such_module_x\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_x"):
        import_modules(["--import=my_broken"])
