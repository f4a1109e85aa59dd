"""The files of an image cache: the pixels, the index that says what they are, and a note that they were verified."""

import hashlib
import io
import json
import logging
import math
import os
import sys
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deblur.files import write_json
from deblur.image_io.decoding import BadImage, digest

PIXELS: Final = "pixels.npy"
INDEX: Final = "index.json"
_NOTE: Final = "verified.json"

_FORMAT_VERSION: Final = 1  # raised when the files of a cache change their meaning
_HEADER_BYTES: Final = 1024  # more than the header of a flat array takes

State = list[int]  # size [bytes], time of the last change of the content and of the file's own data [ns]

_log = logging.getLogger(__name__)


@dataclass
class Index:
    """An entry per good image, and the bad images.

    Attributes:
        names: Of the good images.
        shapes: Their heights and widths [px].
        offsets: Of each image's first pixel in the pixel file.
        digests: Of their gray images: which images are identical does not depend on color.
        color_digests: Of the pixels of RGB images; empty for gray ones.
        bad: Images that were left out.
        channels: Of each image, 1 or 3.
        has_colors: Whether the channels of any image differ.
        pixels: Number of bytes of all images, one per pixel and channel.
        digest_of_file: SHA-256 of the file that the index was read from; empty if it was not.
    """

    names: list[str] = field(default_factory=list)
    shapes: list[tuple[int, int]] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    color_digests: list[str] = field(default_factory=list)
    bad: list[BadImage] = field(default_factory=list)
    channels: int = 1
    has_colors: bool = False
    pixels: int = 0
    digest_of_file: str = ""

    def add(self, name: str, shape: tuple[int, int], digest_of_image: str, color_digest: str | None = None) -> None:
        """Add an image whose pixels follow those of the last one; RGB images have a digest of their colors."""
        self.names.append(name)
        self.shapes.append(shape)
        self.offsets.append(self.pixels)
        self.digests.append(digest_of_image)
        if color_digest is not None:
            self.color_digests.append(color_digest)
        self.pixels += self.size_of(shape)

    def size_of(self, shape: tuple[int, int]) -> int:
        """Return the bytes of an image of a height and width."""
        return shape[0] * shape[1] * self.channels

    @property
    def digests_of_pixels(self) -> list[str]:
        """The digests of what the file of pixels holds of each image."""
        return self.digests if self.channels == 1 else self.color_digests

    def to_bytes(self) -> bytes:
        """Return the content of the index file."""
        content = {name: value for name, value in vars(self).items() if name != "digest_of_file"}
        return json.dumps({"version": _FORMAT_VERSION, **content}, default=vars).encode()

    @classmethod
    def read(cls, path: Path) -> "Index":
        """Read the file and compare what it says with itself.

        Raises:
            OSError, ValueError: The file is missing, damaged or of another version.
        """
        stored = path.read_bytes()
        try:
            index = cls._parsed(json.loads(stored))
        except (AttributeError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path.name} has another structure: {error}") from error
        except ValueError as error:
            raise ValueError(f"{path.name} is damaged: {error}") from error
        index.digest_of_file = hashlib.sha256(stored).hexdigest()
        return index

    @classmethod
    def _parsed(cls, content: Any) -> "Index":
        if content.pop("version") != _FORMAT_VERSION:
            raise ValueError(f"it is not of version {_FORMAT_VERSION}")
        index = cls(**content)
        index.shapes = [(height, width) for height, width in index.shapes]
        index.bad = [BadImage(**bad) for bad in content["bad"]]
        texts = [
            *index.names,
            *index.digests,
            *index.color_digests,
            *(text for bad in index.bad for text in (bad.name, bad.reason)),
        ]
        sides = [side for shape in index.shapes for side in shape]
        if not all(type(text) is str for text in texts) or not all(type(side) is int and side > 0 for side in sides):
            raise ValueError("it holds names that are no texts, or sizes that are no numbers above 0")
        if type(index.channels) is not int or index.channels not in (1, 3):
            raise ValueError("its images have neither 1 nor 3 channels")
        ends = [start + index.size_of(shape) for start, shape in zip(index.offsets, index.shapes, strict=True)]
        counts = {len(index.names), len(index.digests), len(index.digests_of_pixels), len(ends)}
        if [*index.offsets, index.pixels] != [0, *ends] or len(counts) > 1:
            raise ValueError("it contradicts itself")
        # Equal to what is stored, and whole numbers for certain.
        index.offsets, index.pixels = [0, *ends][:-1], [0, *ends][-1]
        return index


class PixelFile:
    """A file of NumPy's format with one flat array of bytes, held in memory or read image by image.

    A file larger than the memory limit is read on demand and not mapped: a page of a mapping that the file no longer
    has ends the whole process (SIGBUS), while a short read can be refused. It takes as long: 18 us for 256x256 px in
    the page cache, a mapping 15 us; blurring them takes 200 us.

    Attributes:
        state: State of the file when it was opened.
    """

    def __init__(self, path: Path, count: int, *, in_memory: bool) -> None:
        """Open the file of an array of `count` bytes, and read it if it is to be in memory.

        Raises:
            OSError, ValueError: The file is missing, or does not hold such an array.
        """
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._descriptor = descriptor
        close = weakref.finalize(self, os.close, descriptor)
        self.state = state_of(os.fstat(descriptor))
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
            # Images are asked for in random order: what lies around one is not needed soon.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)

    @property
    def held_bytes(self) -> int:
        """How much memory the array takes; 0 if it is read on demand."""
        return 0 if self._held is None else self._held.nbytes

    @property
    def has_changed(self) -> bool:
        """Whether the file has changed since it was opened; an array in memory has not."""
        return self._held is None and state_of(os.fstat(self._descriptor)) != self.state

    def read(self, start: int, length: int) -> NDArray[np.uint8]:
        """Return a part of the array, read-only.

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
        """Return the place of the first pixel; compare the header before memory is taken for what it says."""
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

    def _read_at(self, place: int, length: int) -> bytes:
        if sys.platform == "win32":  # a file's position is not shared with another process there
            os.lseek(self._descriptor, place, os.SEEK_SET)
            return os.read(self._descriptor, length)
        return os.pread(self._descriptor, length, place)


def image_at(pixels: PixelFile, start: int, shape: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """Return the image that starts at a byte of a pixel file, (H, W) or (H, W, 3), read-only.

    Raises:
        OSError, ValueError: As `PixelFile.read`.
    """
    size = shape if channels == 1 else (*shape, channels)
    return pixels.read(start, math.prod(size)).reshape(size)


def state_of(status: os.stat_result) -> State:
    """Return what changes when a file's content does.

    No program can set the last part, so that it shows a change whose author has put the time of the content back. (On
    Windows it is the time at which the file was made.)
    """
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def note_verified(folder: Path, index_digest: str, state: State) -> None:
    """Note that the files of a cache are right: by the SHA-256 of its index file and the state of its pixel file.

    Raises:
        OSError: The folder cannot be written.
    """
    write_json(folder / _NOTE, {"index": index_digest, "pixels": state})


def verify(folder: Path, index: Index, pixels: PixelFile) -> None:
    """Compare the files of a cache with the note; if they differ, compare every image with its digest.

    They also differ after the cache was copied to another place: then all images are compared once, at nearly 1 GB/s.

    Raises:
        OSError, ValueError: An image has other pixels than when it was decoded.
    """
    with suppress(OSError, ValueError, RecursionError):
        if json.loads((folder / _NOTE).read_bytes()) == {"index": index.digest_of_file, "pixels": pixels.state}:
            return
    _log.info("Comparing the %d images of the cache %s with their digests.", len(index.names), folder)
    of_pixels = index.digests_of_pixels
    for name, shape, start, expected in zip(index.names, index.shapes, index.offsets, of_pixels, strict=True):
        if digest(image_at(pixels, start, shape, index.channels)) != expected:
            raise ValueError(f"{name} has other pixels than when it was decoded")
    with suppress(OSError):  # of a folder that may only be read: the next process compares them again
        note_verified(folder, index.digest_of_file, pixels.state)
