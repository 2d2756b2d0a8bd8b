"""Runs are found at any depth, once; a name that is almost right is suggested."""

import pytest

from research.errors import UserError
from research.tracking.find import find, find_some
from research.tracking.run_directory import RunDirectory

CONFIG = {"seed": 1, "training.steps": 1000}


def test_runs_are_found_at_any_depth_and_not_within_a_run(tmp_path):
    for name in ("b", "a/deep/er", "a/x"):
        RunDirectory.create(tmp_path / name, CONFIG)
    (tmp_path / "b" / "wandb").mkdir()
    (tmp_path / "b" / "wandb" / "config.json").write_text("{}")
    assert [str(run.path.relative_to(tmp_path)) for run in find(tmp_path)] == ["a/deep/er", "a/x", "b"]
    assert find(tmp_path / "b") == [RunDirectory(tmp_path / "b")]
    assert find(tmp_path / "absent") == []


def test_links_are_followed_and_each_run_is_found_once(tmp_path):
    for name in ("a/deep/er", "a/x"):
        RunDirectory.create(tmp_path / name, CONFIG)
    (tmp_path / "links").mkdir()
    for name in ("one", "two"):
        (tmp_path / "links" / name).symlink_to(tmp_path / "a")
    (tmp_path / "links" / "cycle").symlink_to(tmp_path / "links")
    assert [str(run.path.relative_to(tmp_path)) for run in find(tmp_path / "links")] == [
        "links/one/deep/er",
        "links/one/x",
    ]


def test_a_folder_that_is_almost_named_right_is_suggested(tmp_path):
    RunDirectory.create(tmp_path / "mine" / "trial", CONFIG)
    (tmp_path / "file").write_text("")
    for name, said in {"mien": "; did you mean mine?;", "other": ";", "deep/er": ";"}.items():
        with pytest.raises(UserError) as caught:
            find_some(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: no such directory{said} `research train`")
