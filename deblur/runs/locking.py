"""Locks on folders: the operating system's, so that they end with the process that holds them, however that ends."""

import errno
import os
import stat
import sys
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from deblur.errors import UserError
from deblur.reading import reason_of

if sys.platform != "win32":  # where a file that is locked cannot be deleted
    import fcntl

_SECONDS_BETWEEN_TRIES = 0.02
_HELD_BY_ANOTHER = (errno.EWOULDBLOCK, errno.EAGAIN)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

Identity = tuple[int, int]  # of what lies at a path: its disk and its number there


class FolderIsLocked(Exception):
    """Another process holds the lock."""


class FolderLock:
    """A lock on a folder and on a file in it.

    Whoever deletes a lock file would let a second process make another and lock that: both would write. So the folder
    itself is locked as well, if its file system can (network file systems lock files only), and whoever holds the
    lock can ask whether the folder is still the one that was locked.
    """

    def __init__(self, folder: Path, name: str, *, patience: float) -> None:
        """Describe the lock; nothing is locked yet.

        Args:
            folder: which exists when the lock is acquired.
            name: of the file in it.
            patience: how long to wait for another process to let go [s].
        """
        self.folder = folder
        self.path = folder / name
        self._patience = patience
        self._file: FileLock | None = None
        self._file_identity: Identity | None = None
        self._descriptor: int | None = None  # of the folder
        self._folder_identity: Identity | None = None
        self.holds_folder = False  # whether the folder itself is locked
        self._one_at_a_time = threading.Lock()  # of the threads that ask whether it is in place

    def __enter__(self) -> Self:
        """Acquire the lock; see `acquire`."""
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
                self._folder_identity = _identity(self.folder, follow=True)
                if self._descriptor is None or _of(os.fstat(self._descriptor)) == self._folder_identity:
                    break
                self.release()  # another folder has come in its place meanwhile
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
        # A soft lock, in place of one that the file system does not have, would outlive a process that is killed.
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
        """Let go of the lock, if it is held."""
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
        """Return whether the folder is still this process's alone; put back its lock's file if that was deleted.

        It is not if the folder was moved, deleted or replaced, or if another process has locked another file of
        the lock's name.
        """
        with self._one_at_a_time:
            if _identity(self.folder, follow=True) != self._folder_identity:
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

    def _close_in_child(self) -> None:
        """Close what a forked process has inherited: it would hold the lock after this process has ended."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None


def is_locked(folder: Path, name: str) -> bool | None:
    """Return whether a process holds the lock of a folder; None if that cannot be found out.

    Nothing is written, and nobody who wants the lock is kept from it for longer than a moment.

    Args:
        folder: that may not exist.
        name: of the lock's file.
    """
    if sys.platform == "win32":
        return _is_file_locked(folder / name)
    found = [_has_exclusive_lock(folder), _has_exclusive_lock(folder / name)]
    return True if True in found else found[1]


def _has_exclusive_lock(path: Path) -> bool | None:
    """Return whether a file or folder is locked, by locking it together with all others who only look."""
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


def _identity(path: Path, *, follow: bool) -> Identity | None:
    try:
        return _of(path.stat(follow_symlinks=follow))
    except OSError:
        return None


def _of(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino


_held: "weakref.WeakSet[FolderLock]" = weakref.WeakSet()


def _close_in_child() -> None:
    for lock in list(_held):
        lock._close_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
