"""The pixel file of a cache, held in memory or read image by image."""

import io
import os
import sys
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_HEADER_BYTES = 1024  # more than the header of a flat array takes

State = list[int]  # size [bytes], time of the last change of the content and of the file's own data [ns]


class PixelFile:
    """A file of NumPy's format that holds one flat array of bytes.

    Larger files than memory is meant for are read where they are asked for, and not mapped: a page of a mapping that
    the file no longer has ends the whole process (SIGBUS), while a read that comes back short can be refused. It takes
    as long: 18 us for 256x256 px that are in the page cache, where a mapping takes 15 us, of some 200 us that blurring
    them takes.

    Attributes:
        state: What was noted of the file when it was opened.
    """

    def __init__(self, path: Path, count: int, *, in_memory: bool) -> None:
        """Open the file.

        Args:
            path: The file.
            count: How many bytes the array has to have.
            in_memory: Whether the array is read into memory.

        Raises:
            OSError, ValueError: The file is missing, or does not hold such an array.
        """
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._descriptor = descriptor
        close = weakref.finalize(self, os.close, descriptor)
        self.state = self._current_state()
        self._first = self._checked_header(path.name, count)
        self._held: NDArray[np.uint8] | None = None
        if in_memory:
            with open(descriptor, "rb", buffering=0, closefd=False) as file:
                self._held = np.fromfile(file, np.uint8, count, offset=self._first)
            if self._held.size != count:
                raise ValueError(f"{path.name} has been cut short")
            self._held.flags.writeable = False
            close()
        elif hasattr(os, "posix_fadvise"):
            # Images are asked for in random order: of what lies around one, nothing is needed soon.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)

    @property
    def held_bytes(self) -> int:
        """How much memory the array takes; none if it is read where it is asked for."""
        return 0 if self._held is None else self._held.nbytes

    @property
    def has_changed(self) -> bool:
        """Whether the file is another one than it was when it was opened; of what is in memory nothing changes."""
        return self._held is None and self._current_state() != self.state

    def read(self, start: int, length: int) -> NDArray[np.uint8]:
        """Return a part of the array, read-only.

        Args:
            start: Its first byte.
            length: How many bytes.

        Raises:
            OSError, ValueError: The file cannot be read, or has been cut short.
        """
        if self._held is not None:
            return self._held[start : start + length]
        found = self._read_at(self._first + start, length)
        if len(found) < length:
            raise ValueError("the file of the pixels has been cut short")
        return np.frombuffer(found, np.uint8)

    def announce(self, start: int, length: int) -> None:
        """Have the disk begin to read a part that is wanted soon, unless it is in memory; return at once."""
        if self._held is None and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._descriptor, self._first + start, length, os.POSIX_FADV_WILLNEED)

    def _checked_header(self, name: str, count: int) -> int:
        """Compare the header with what it has to say, before memory is taken for what it says.

        Returns:
            The place of the first pixel in the file.
        """
        file = io.BytesIO(self._read_at(0, _HEADER_BYTES))
        try:
            version = np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        except Exception as error:  # a damaged one can raise nearly anything
            raise ValueError(f"{name} has no header of NumPy's") from error
        if version != (1, 0) or shape != (count,) or dtype != np.uint8:
            raise ValueError(f"{name} holds another array than one of {count} bytes")
        if self.state[0] != file.tell() + count:
            raise ValueError(f"{name} has {self.state[0]} bytes instead of {file.tell() + count}")
        return file.tell()

    def _current_state(self) -> State:
        return state_of(os.fstat(self._descriptor))

    def _read_at(self, place: int, length: int) -> bytes:
        if sys.platform == "win32":  # where no process shares a file's position with another
            os.lseek(self._descriptor, place, os.SEEK_SET)
            return os.read(self._descriptor, length)
        return os.pread(self._descriptor, length, place)


def state_of(status: os.stat_result) -> State:
    """Return what changes when a file's content does.

    The last of it is the system's own, which no program can set: it tells also of a change whose author has put the
    time of the content back. (On Windows it is the time at which the file was made.)
    """
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
