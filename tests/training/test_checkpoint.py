"""A checkpoint is complete or ignored; no damage restores a wrong state."""

import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from research.errors import UserError
from research.training import checkpoint
from research.training.state import TrialState
from tests.training.trials import assert_equal

ROOT = Path(__file__).parents[2]
DAMAGES = ("flip", "truncate", "remove")


def state_of(step: int) -> TrialState:
    rng = np.random.default_rng(step)
    weights = {"u": rng.normal(size=(50, 40)).astype(np.float32), "b": np.array([np.inf, 0.0, -1.0], np.float32)}
    moments = (np.int32(step), {"u": rng.random((50, 40), np.float32)})
    return TrialState(weights, moments, np.int32(step), np.bool_(True))  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trial") / "checkpoint"
    for step in (5, 10, 15):
        checkpoint.save(folder, step, state_of(step))
    return folder


@pytest.fixture
def folder(written, tmp_path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "checkpoint"))


def restored(folder: Path) -> int:
    """The step that is restored, whose state must be the one that was saved there."""
    found = checkpoint.restore(folder, state_of(0))
    assert found is not None
    assert_equal(found.state, state_of(found.step))
    return found.step


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    middle = len(content) // 2
    if how == "flip":
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 0x10]) + content[middle + 1 :])
    elif how == "truncate":
        path.write_bytes(content[:middle])
    else:
        path.unlink()


def test_the_newest_of_the_last_two_comes_back_bit_for_bit(folder, capsys):
    assert restored(folder) == 15
    assert sorted(path.name for path in folder.iterdir()) == ["10", "15"]
    assert capsys.readouterr() == ("", "")


def test_types_and_structure_come_back(folder):
    found = checkpoint.restore(folder, state_of(0))
    assert found is not None
    assert jax.tree.structure(found.state) == jax.tree.structure(state_of(0))
    assert [leaf.dtype for leaf in jax.tree.leaves(found.state)] == [
        leaf.dtype for leaf in jax.tree.leaves(state_of(0))
    ]


@pytest.mark.parametrize("how", DAMAGES)
def test_no_damage_to_any_file_gives_a_wrong_state(how, written, tmp_path, capsys):
    paths = files(written / "15")
    assert len(paths) > 10
    for number, path in enumerate(paths):
        folder = Path(shutil.copytree(written, tmp_path / str(number) / "checkpoint"))
        damage(folder / path.relative_to(written), how)
        assert restored(folder) == 10
        assert not (folder / "15").exists()
        assert folder.with_name("damaged_checkpoint_15").is_dir()
        warning = capsys.readouterr().err
        assert warning.startswith(f"warning: {folder / '15'}: ") and warning.count("\n") == 1


def test_a_save_or_a_removal_that_was_interrupted_is_removed_in_silence(folder, capsys):
    (folder / "15" / checkpoint.MANIFEST).unlink()
    (folder / checkpoint.SAVING).write_text("15")
    shutil.copytree(folder / "10", folder / f"5{checkpoint.DELETED}")
    assert restored(folder) == 10
    assert [path.name for path in folder.parent.rglob("*") if path.parent in (folder, folder.parent)] == [
        "checkpoint",
        "10",
    ]
    assert capsys.readouterr() == ("", "")


def test_a_save_that_was_killed_after_its_manifest_is_whole(folder, capsys):
    (folder / checkpoint.SAVING).write_text("15")
    assert restored(folder) == 15
    assert not (folder / checkpoint.SAVING).exists() and capsys.readouterr() == ("", "")


def test_without_any_manifest_the_user_decides_and_folders_of_the_user_stay(folder):
    for name in ("2026", "7.deleted.notes"):
        (folder / name).mkdir()
        (folder / name / "notes.txt").write_text("mine")
    assert restored(folder) == 15
    checkpoint.save(folder, 20, state_of(20))
    assert restored(folder) == 20
    for step in ("15", "20"):
        (folder / step / checkpoint.MANIFEST).unlink()
    with pytest.raises(UserError, match=r"no valid checkpoint is left \(20: .*; 15: .*--restart trains anew"):
        restored(folder)
    checkpoint.clear(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["2026", "7.deleted.notes"]
    assert all((path / "notes.txt").exists() for path in folder.iterdir())


def test_all_checkpoints_are_removed_with_their_folder(folder):
    checkpoint.clear(folder)
    checkpoint.clear(folder)
    assert not folder.exists()


def test_each_damaged_one_is_set_aside_and_its_step_can_be_saved_again(folder, capsys):
    for attempt in ("damaged_checkpoint_15", "damaged_checkpoint_15_2"):
        damage(max(files(folder / "15"), key=lambda path: path.stat().st_size), "flip")
        assert restored(folder) == 10
        assert folder.with_name(attempt).is_dir()
        assert f"{folder / '15'}: damaged: " in capsys.readouterr().err
        checkpoint.save(folder, 15, state_of(15))
        assert restored(folder) == 15


def test_if_all_are_damaged_that_is_an_error_and_nothing_is_moved(folder):
    for step in (10, 15):
        shutil.rmtree(folder / str(step) / "default")
    before = sorted(folder.rglob("*"))
    for _ in range(2):
        with pytest.raises(UserError, match=r"no valid checkpoint is left \(15: damaged: .*; 10: damaged: .*--restart"):
            checkpoint.restore(folder, state_of(0))
    assert sorted(folder.rglob("*")) == before


def test_files_of_others_in_the_folders_are_kept_and_ignored(folder, capsys):
    others = [folder / "notes" / "note.txt", folder / "15" / ".DS_Store", folder / "15" / "default" / ".nfs01"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    assert restored(folder) == 15
    assert all(path.exists() for path in others) and capsys.readouterr().err == ""


def test_a_renamed_checkpoint_is_not_used(folder, capsys):
    (folder / "15").rename(folder / "20")
    assert restored(folder) == 10
    assert "20: holds the state of step 15" in capsys.readouterr().err


def test_details_come_back_and_can_reject_a_checkpoint(folder, capsys):
    checkpoint.save(folder, 20, state_of(20), {"batch_shards": 2})
    found = checkpoint.restore(folder, state_of(0))
    assert found is not None and found.details == checkpoint.newest_details(folder) == {"batch_shards": 2}
    older = checkpoint.restore(folder, state_of(0), lambda details: "of another run" if details else "")
    assert older is not None and older.step == 15
    assert "of another run; moved to damaged_checkpoint_20" in capsys.readouterr().err


def test_the_best_one_is_kept_and_comes_back_with_the_newest_that_names_it(folder, capsys):
    for step, best in ((20, 20), (25, 20), (30, 20), (35, 20)):
        checkpoint.save(folder, step, state_of(step), {"best": best})
    assert sorted(path.name for path in folder.iterdir()) == ["20", "30", "35"]
    found = checkpoint.restore(folder, state_of(0))
    assert found is not None and found.step == 35
    assert_equal(found.best, state_of(20))
    checkpoint.save(folder, 40, state_of(40), {"best": 40})
    assert sorted(path.name for path in folder.iterdir()) == ["20", "35", "40"]  # 35 may be needed, and then 20
    best = checkpoint.restore(folder, state_of(0))
    assert best is not None and (best.step, best.best) == (40, None)
    damage(max(files(folder / "20"), key=lambda path: path.stat().st_size), "flip")
    checkpoint.keep_only(folder, {20, 35})
    with pytest.raises(UserError, match=r"no valid checkpoint is left \(35: damaged: .*; 20: damaged: "):
        checkpoint.restore(folder, state_of(0))
    assert checkpoint.read(folder, state_of(0), 35)[0] == 35
    with pytest.raises(UserError, match="checkpoint: holds no checkpoint of step 40"):
        checkpoint.read(folder, state_of(0), 40)


def test_too_little_free_space_is_one_line_before_anything_is_written(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "SPARE_SPACE", 1e15)
    with pytest.raises(UserError, match="MB are free, and a checkpoint needs"):
        checkpoint.save(folder, 20, state_of(20))
    assert sorted(path.name for path in folder.iterdir()) == ["10", "15"]


@pytest.mark.parametrize("missed", [False, True])
def test_a_folder_that_is_deleted_during_a_save_is_told_and_what_is_left_does_not_count(folder, monkeypatch, missed):
    manager = checkpoint._manager

    def deleted(directory: Path):
        directory.rename(directory.with_name("deleted"))
        directory.mkdir()  # as orbax does
        if missed:
            raise ValueError("params are missing .zarray in checkpoint")
        return manager(directory)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_manager", deleted)
        with pytest.raises(UserError, match="was deleted while a checkpoint was saved"):
            checkpoint.save(folder, 20, state_of(20))
    assert checkpoint.restore(folder, state_of(0)) is None


def test_what_a_save_raises_for_other_reasons_is_raised(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "_manager", lambda directory: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        checkpoint.save(folder, 20, state_of(20))


def test_without_a_folder_there_is_none_and_none_is_made(tmp_path):
    assert checkpoint.restore(tmp_path / "checkpoint", state_of(0)) is None
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.parametrize(
    "weights",
    [
        {"u": np.zeros((50, 41), np.float32), "b": np.zeros(3, np.float32)},
        {"u": np.zeros((50, 40), np.float16), "b": np.zeros(3, np.float32)},
        {"u": np.zeros((50, 40), np.float32), "bias": np.zeros(3, np.float32)},
        {"u": np.zeros((50, 40), np.float32)},
    ],
    ids=["shape", "type", "name", "fewer"],
)
def test_the_state_of_another_model_is_not_restored(folder, weights):
    with pytest.raises(UserError, match="not of this model"):
        checkpoint.restore(folder, replace(state_of(0), params=weights))


def test_a_kill_in_mid_save_leaves_nothing_that_counts(folder):
    program = (
        "import sys; from pathlib import Path; from research.training import checkpoint\n"
        "from tests.training.test_checkpoint import state_of\n"
        "print('ready', flush=True)\n"
        "for step in range(20, 100000): checkpoint.save(Path(sys.argv[1]), step, state_of(step))"
    )
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            while not any((folder / str(step) / checkpoint.MANIFEST).exists() for step in range(20, 1000)):
                assert process.poll() is None
                time.sleep(0.001)
        finally:
            process.kill()
    assert restored(folder) > 15
    assert not list(folder.parent.glob("damaged*"))


def test_a_file_in_the_place_of_the_checkpoints_is_said_before_the_training(tmp_path):
    (tmp_path / "checkpoint").write_text("")
    with pytest.raises(UserError, match="checkpoint: must be a folder of checkpoints"):
        checkpoint.restore(tmp_path / "checkpoint", {})


def test_what_is_wanted_is_read_of_the_newest_whole_checkpoint_and_nothing_is_touched(folder):
    shutil.copytree(folder / "15", folder / "20")
    (folder / "20" / checkpoint.MANIFEST).unlink()  # as one that is being saved
    (folder / "25.orbax-checkpoint-tmp").mkdir()
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    step, state = checkpoint.read(folder, replace(state_of(0), optimizer=None))
    assert step == 15
    assert_equal(state, replace(state_of(15), optimizer=None))
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_checkpoint_is_not_read_and_no_older_one_in_its_place(how, folder):
    damage(max(files(folder / "15"), key=lambda path: path.stat().st_size), how)
    before = files(folder)
    with pytest.raises(UserError, match="checkpoint/15: damaged: ") as raised:
        checkpoint.read(folder, state_of(0))
    assert "\n" not in str(raised.value)
    assert files(folder) == before


def test_a_checkpoint_of_another_model_is_not_read(folder):
    weights = {"u": np.zeros((50, 41), np.float32)}
    with pytest.raises(UserError, match="checkpoint/15: not of this model: "):
        checkpoint.read(folder, replace(state_of(0), params=weights))


def test_a_missing_checkpoint_is_an_error(tmp_path):
    with pytest.raises(UserError, match="checkpoint: holds no checkpoint"):
        checkpoint.read(tmp_path / "checkpoint", state_of(0))
