"""Locks on folders by the operating system, which releases those of a killed process."""

import errno
import os
import stat
import sys
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from deblur.errors import UserError
from deblur.reading import reason_of

if sys.platform != "win32":  # a locked file cannot be deleted there
    import fcntl

_SECONDS_BETWEEN_TRIES = 0.02
_HELD_BY_ANOTHER = (errno.EWOULDBLOCK, errno.EAGAIN)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

Identity = tuple[int, int]  # of a file or folder: its device and inode


class FolderIsLocked(Exception):
    """Another process holds the lock."""


class FolderLock:
    """A lock on a folder and on a file in it, as a context manager.

    If a lock file is deleted, a second process can make and lock another one, and both would write. So the folder
    itself is locked as well, if its file system can (network file systems lock files only), and `is_in_place` checks
    that the folder is still the one that was locked.
    """

    def __init__(self, folder: Path, name: str, *, patience: float) -> None:
        """Describe the lock; nothing is locked yet.

        Args:
            folder: that exists when the lock is acquired.
            name: of the file in it.
            patience: how long to wait for another process to release it [s].
        """
        self.folder = folder
        self.path = folder / name
        self._patience = patience
        self._file: FileLock | None = None
        self._file_identity: Identity | None = None
        self._descriptor: int | None = None  # of the folder
        self._folder_identity: Identity | None = None
        self.holds_folder = False  # whether the folder itself is locked
        self._checking = threading.Lock()  # for the threads that call `is_in_place`

    def __enter__(self) -> Self:
        """Acquire the lock; see `acquire`."""
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        self.release()

    def acquire(self) -> None:
        """Lock the folder.

        Raises:
            FolderIsLocked: if another process, or another lock of this one, holds it.
            UserError: if the lock's file cannot be locked, or the file system has no locks.
            OSError: if the folder cannot be written, or is not there.
        """
        deadline = time.monotonic() + self._patience
        try:
            while True:
                self._lock_folder(deadline)
                self._lock_file(deadline)
                self._folder_identity = _identity(self.folder)
                if self._descriptor is None or _identity(self._descriptor) == self._folder_identity:
                    break
                self.release()  # another folder has replaced it meanwhile
        except BaseException:
            self.release()
            raise
        _held.add(self)

    def _lock_folder(self, deadline: float) -> None:
        if sys.platform == "win32":
            return
        self._descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.holds_folder = True
                return
            except OSError as error:
                if error.errno not in _HELD_BY_ANOTHER:
                    return  # this file system locks no folders
            if time.monotonic() >= deadline:
                raise FolderIsLocked
            time.sleep(_SECONDS_BETWEEN_TRIES)

    def _lock_file(self, deadline: float) -> None:
        # A soft lock, the fallback on file systems without locks, would outlive a killed process.
        lock = FileLock(self.path, fallback_to_soft=False, thread_local=False)
        try:
            lock.acquire(timeout=max(0.0, deadline - time.monotonic()), poll_interval=_SECONDS_BETWEEN_TRIES)
        except Timeout:
            raise FolderIsLocked from None
        except OSError as error:
            raise self._explained(error) from error
        self._file, self._file_identity = lock, _identity(self.path, follow=False)

    def _explained(self, error: OSError) -> Exception:
        if error.errno in _NO_LOCKS:
            return UserError(
                f"{self.folder} is on a file system without locks ({reason_of(error)}), which keep two commands from "
                "writing into one folder: choose another paths.output_root."
            )
        try:
            mode = self.path.lstat().st_mode
        except OSError:
            return error
        kind = "it is a link" if stat.S_ISLNK(mode) else reason_of(error)
        return UserError(f"{self.path} cannot be locked ({kind}): delete it, or choose another paths.output_root.")

    def release(self) -> None:
        """Release the lock, if it is held."""
        _held.discard(self)
        if self._file is not None:
            self._file.release(force=True)
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._file = self._descriptor = None
        self.holds_folder = False

    @property
    def is_held(self) -> bool:
        """Whether this process holds the lock."""
        return self._file is not None

    def is_in_place(self) -> bool:
        """Return whether the folder is still this process's alone; restore the lock file if that was deleted.

        It is not if the folder was moved, deleted or replaced, or if another process has locked a new lock file.
        """
        with self._checking:
            if _identity(self.folder) != self._folder_identity:
                return False
            if _identity(self.path, follow=False) == self._file_identity:
                return True
            unlinked = self._file
            try:
                self._lock_file(time.monotonic())
            except (FolderIsLocked, UserError, OSError):
                return self.holds_folder
            if unlinked is not None:
                unlinked.release(force=True)
            return True


def is_locked(folder: Path, name: str) -> bool | None:
    """Return whether a process holds the lock of a folder, which may not exist; None if that is unknown.

    Nothing is written, and the lock is blocked for a moment only.
    """
    if sys.platform == "win32":
        return _is_file_locked(folder / name)
    found = [_has_exclusive_lock(folder), _has_exclusive_lock(folder / name)]
    return True if True in found else found[1]


def _has_exclusive_lock(path: Path) -> bool | None:
    """Return whether a file or folder is locked exclusively, by trying a shared lock."""
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return True if error.errno in _HELD_BY_ANOTHER else None
    finally:
        os.close(descriptor)
    return False


def _is_file_locked(path: Path) -> bool | None:
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0, fallback_to_soft=False):
            return False
    except Timeout:
        return True
    except OSError:
        return None


def _identity(place: Path | int, *, follow: bool = True) -> Identity | None:
    """Return the identity of what lies at a path or is open as a descriptor; None if there is nothing."""
    try:
        found = os.stat(place, follow_symlinks=follow)  # noqa: PTH116 # also of descriptors
    except OSError:
        return None
    return found.st_dev, found.st_ino


_held: "weakref.WeakSet[FolderLock]" = weakref.WeakSet()


def _close_in_child() -> None:
    """Close the descriptors that a forked process inherits, which would hold the locks after this process ended."""
    for lock in list(_held):
        if lock._descriptor is not None:
            with suppress(OSError):
                os.close(lock._descriptor)
            lock._descriptor = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
