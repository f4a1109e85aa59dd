import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from run_processes import another_process, eventually
from run_settings import CONFIG, changed, enter, refusal

from deblur.reading import read_json
from deblur.runs.folder import RunFolder, RunIsAlive, RunIsLost
from deblur.runs.locking import FolderIsLocked, FolderLock, is_locked
from deblur.runs.states import state_of


def lock(folder: Path) -> FolderLock:
    return FolderLock(folder, ".lock", patience=0.1)


def without_flock(monkeypatch: pytest.MonkeyPatch, *, of_folders: bool, error: int) -> None:
    """Let the file system of this process have no locks, on folders or at all."""
    import fcntl

    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if not of_folders or os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(error, os.strerror(error))
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.slow
@pytest.mark.parametrize("deleted", [".lock", "*"])
def test_a_deleted_lock_lets_nobody_in(tmp_path: Path, deleted: str) -> None:
    with another_process(tmp_path):
        for path in tmp_path.glob(deleted):
            path.unlink()
        assert "is alive in another process" in refusal(enter, tmp_path)
        overwriting = RunFolder(tmp_path, changed("optimizer.lr", 0.1), overwrite=True)
        with pytest.raises(RunIsAlive), overwriting:
            pass
        assert is_locked(tmp_path, ".lock")


def test_a_living_run_whose_lock_was_deleted_is_running(tmp_path: Path) -> None:
    with another_process(tmp_path) as process:
        (tmp_path / ".lock").unlink()
        assert state_of(tmp_path) == "running"
        process.kill()
        process.wait()
        assert state_of(tmp_path) == "interrupted"
        enter(tmp_path)


def test_a_lock_file_that_was_deleted_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deblur.runs.folder.HEARTBEAT", 0.02)
    with RunFolder(tmp_path, CONFIG):
        (tmp_path / ".lock").unlink()
        assert eventually((tmp_path / ".lock").is_file)
        (tmp_path / ".lock").unlink()
        (tmp_path / ".lock").touch()  # by somebody else
    assert state_of(tmp_path) == "done"


def test_who_only_looks_keeps_nobody_out(tmp_path: Path) -> None:
    with lock(tmp_path):
        pass
    for _ in range(50):
        assert is_locked(tmp_path, ".lock") is False
        with lock(tmp_path):
            assert is_locked(tmp_path, ".lock") is True


def test_two_locks_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    with lock(tmp_path), pytest.raises(FolderIsLocked):
        lock(tmp_path).acquire()
    with lock(tmp_path):
        pass


@pytest.mark.parametrize("error", [errno.EBADF, errno.EINVAL, errno.ENOLCK])
def test_a_file_system_that_locks_files_alone_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    without_flock(monkeypatch, of_folders=True, error=error)
    with lock(tmp_path) as held:
        assert not held.holds_folder
        with pytest.raises(FolderIsLocked):
            lock(tmp_path).acquire()
        assert is_locked(tmp_path, ".lock") is True
        (tmp_path / ".lock").unlink()
        assert held.is_in_place()  # and puts it back
        with pytest.raises(FolderIsLocked):
            lock(tmp_path).acquire()
        (tmp_path / ".lock").unlink()
        with lock(tmp_path):  # a second one was faster
            assert not held.is_in_place()


def test_without_locks_on_folders_a_process_that_lives_is_seen_by_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with another_process(tmp_path) as process:
        without_flock(monkeypatch, of_folders=True, error=errno.EBADF)
        (tmp_path / ".lock").unlink()
        assert "is alive on" in refusal(enter, tmp_path)
        process.kill()
        process.wait()
        enter(tmp_path)


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    without_flock(monkeypatch, of_folders=False, error=error)
    assert refusal(enter, tmp_path) == (
        f"{tmp_path} is on a file system without locks ({os.strerror(error)}), which keep two commands from writing "
        "into one folder: choose another paths.output_root."
    )
    assert not (tmp_path / "status.json").exists()


def test_what_is_no_lock_is_a_sentence(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("content")
    folder = tmp_path / "run"
    for make, reason in (
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.symlink_to(target), "it is a link"),
        (lambda path: path.symlink_to("nowhere"), "it is a link"),
    ):
        folder.mkdir(exist_ok=True)
        make(folder / ".lock")
        assert refusal(enter, folder) == (
            f"{folder / '.lock'} cannot be locked ({reason}): delete it, or choose another paths.output_root."
        )
        assert state_of(folder) is None
        (folder / ".lock").rmdir() if reason == "Is a directory" else (folder / ".lock").unlink()
    assert target.read_text() == "content"
    enter(folder)


LOOK = """
from pathlib import Path
from deblur.errors import UserError
from deblur.runs.locking import FolderIsLocked, FolderLock
from deblur.runs.states import state_of
if os.geteuid() == 0:
    os.setuid(65534)
folder = Path(sys.argv[1])
print(state_of(folder))
try:
    FolderLock(folder, ".lock", patience=0).acquire()
except FolderIsLocked:
    print("held")
except UserError as error:
    print(error)
"""


def as_another_user(*overrides: str) -> list[str]:
    code = f"import os, sys; sys.path[:] = {sys.path!r}{LOOK}"
    return subprocess.run(
        [sys.executable, "-c", code, *overrides], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()


def test_a_folder_of_another_user_is_looked_at_and_not_entered(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    run = tmp_path / "run"
    with another_process(run) as process:
        (run / ".lock").chmod(0)
        assert as_another_user(str(run)) == ["running", "held"]
        process.kill()
        process.wait()
    assert as_another_user(str(run)) == [
        "interrupted",
        f"{run / '.lock'} cannot be locked (Permission denied): delete it, or choose another paths.output_root.",
    ]


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced", "copied back"])
def test_a_run_whose_folder_is_not_its_own_any_more_writes_nothing(tmp_path: Path, how: str) -> None:
    folder, away = tmp_path / "run", tmp_path / "away"
    before = {}

    def train() -> None:
        with RunFolder(folder, CONFIG) as run:
            run.report_epoch(1)
            folder.rename(away)
            if how == "replaced":
                enter(folder, changed("optimizer.lr", 0.5))
            elif how == "copied back":
                shutil.copytree(away, folder)
            elif how == "deleted":
                shutil.rmtree(away)
            before.update({path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()})
            run.report_epoch(2)

    with pytest.raises(RunIsLost, match="was moved, deleted or replaced while a run was alive in it"):
        train()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    if how != "deleted":
        assert state_of(away) == "interrupted"
        enter(away)


@pytest.mark.parametrize("error", [FileNotFoundError("checkpoints"), KeyboardInterrupt()])
def test_an_error_in_a_lost_folder_is_reported_as_the_loss(tmp_path: Path, error: BaseException) -> None:
    def train() -> None:
        with RunFolder(tmp_path / "run", CONFIG):
            (tmp_path / "run").rename(tmp_path / "away")
            raise error

    with pytest.raises((RunIsLost, KeyboardInterrupt)) as caught:
        train()
    assert error in (caught.value, caught.value.__cause__)
    assert isinstance(caught.value, RunIsLost) == isinstance(error, FileNotFoundError)


def test_a_forked_process_does_not_hold_the_lock(tmp_path: Path) -> None:
    """Such as a loader of images, which may outlive a process that is killed for some seconds."""
    held = lock(tmp_path)
    held.acquire()
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    try:
        held.release()
        with lock(tmp_path):
            pass
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_the_lock_outlives_a_forked_process(tmp_path: Path) -> None:
    with lock(tmp_path):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        assert is_locked(tmp_path, ".lock") is True


def test_a_status_that_is_damaged_while_the_run_lives_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deblur.runs.folder.HEARTBEAT", 0.02)

    def is_sound() -> bool:
        try:
            status: dict[str, Any] = read_json(tmp_path / "status.json")
        except Exception:
            return False
        return status["state"] == "running"

    with RunFolder(tmp_path, CONFIG):
        (tmp_path / "status.json").write_text("")
        assert eventually(is_sound)
