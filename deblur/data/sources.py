"""Where images come from: files, or faces that are drawn."""

import hashlib
import heapq
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deblur.data.folders import find_images
from deblur.image_io.gray import DECODER_VERSION, BadImageError, printable, read_gray

# Part of the cache key of drawn faces: raised when `faces.draw` draws other pixels than before.
_FACES_VERSION = 1
_LEAVES_VERSION = 1  # in the same way, for `leaves.draw`


class ImageSource(Protocol):
    """A sequence of named images that are decoded one by one. It can be pickled, for other processes to decode."""

    @property
    def names(self) -> Sequence[str]:
        """Unique names, the same in every run and on every machine."""

    @property
    def description(self) -> str:
        """What the images are, for messages: `12 images of {description}`."""

    def cache_key(self) -> str:
        """Hash all that decides the names and the decoded pixels.

        Returns:
            Hexadecimal digits; another key means that the images must be decoded again.
        """

    def decode(self, index: int) -> NDArray[np.uint8]:
        """Decode one image.

        Args:
            index: Place in `names`.

        Returns:
            Gray levels 0 to 255, shape (H, W).

        Raises:
            BadImageError: The image cannot be used.
        """


class FilesSource:
    """Image files in a folder and the folders within it."""

    def __init__(self, root: Path, names: Iterable[str]) -> None:
        """Name the files.

        Args:
            root: The folder.
            names: The files, relative to the folder, with `/` between their parts.
        """
        self._root = root.resolve()
        self._names = tuple(names)

    @property
    def names(self) -> Sequence[str]:
        """Names relative to the folder, in the order in which they were given."""
        return self._names

    def paths(self) -> list[Path]:
        """Return where the files are."""
        return [self._root / name for name in self._names]

    @property
    def description(self) -> str:
        """The folder."""
        return printable(str(self._root))

    def cache_key(self) -> str:
        """Hash the folder's place, every file's name, size, time and permissions, and the decoder.

        Nothing that a run chooses is part of it, such as the size of a patch: one folder has one cache. Contents are
        not read: a file that changes but keeps its size and its time to the nanosecond goes unnoticed.
        """
        root = os.fspath(self._root)
        files = [(name, _state(f"{root}/{name}")) for name in self._names]  # a Path each would take as long again
        return _hash("folder", DECODER_VERSION, str(self._root), files)

    def decode(self, index: int) -> NDArray[np.uint8]:
        """Decode one file as a gray image.

        Args:
            index: Place in `names`.

        Returns:
            Gray levels 0 to 255, shape (H, W).

        Raises:
            BadImageError: The file cannot be used, or its name cannot be written into the files of a run.
        """
        name = self._names[index]
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise BadImageError("has a name that is not valid UTF-8") from error
        return read_gray(self._root / name)


class FolderSource(FilesSource):
    """The images of a folder and the folders within it, or some of them."""

    def __init__(self, root: Path, max_images: int | None, seed: int) -> None:
        """Find the images and choose among them.

        Args:
            root: Folder to search.
            max_images: How many images to choose at random, as `choose` does; null takes all.
            seed: Chooses the images.

        Raises:
            UserError: The folder is missing, cannot be listed or holds no image.
        """
        super().__init__(root, choose(find_images(root), max_images, seed))


def choose(names: Sequence[str], count: int | None, seed: int) -> Sequence[str]:
    """Choose some names at random.

    Which ones depends on the names and on `seed`, so that a few more names change few of the choices.

    Args:
        names: Names to choose from.
        count: How many; null takes all as they are.
        seed: Chooses.

    Returns:
        The chosen names, sorted.
    """
    if count is None:
        return names
    return sorted(heapq.nsmallest(count, names, key=lambda name: _hash(seed, name)))


class SyntheticSource:
    """Drawn faces, and dead leaves after them, of 256x256 px: data that needs no files."""

    def __init__(self, faces: int, seed: int, leaves: int = 0) -> None:
        """Name the images.

        Args:
            faces: How many faces.
            seed: Chooses the images; larger numbers of them with the same seed begin with the same ones.
            leaves: How many images of dead leaves.
        """
        self._seed = seed
        self._faces = faces
        self._leaves = leaves
        numbered = [("face", faces), ("leaves", leaves)]
        self._names = tuple(f"{kind}-{index:06d}" for kind, count in numbered for index in range(count))

    @property
    def names(self) -> Sequence[str]:
        """Numbered names, `face-000000` and so on, then `leaves-000000` and so on."""
        return self._names

    @property
    def description(self) -> str:
        """What is drawn, and the seed."""
        kinds = [kind for kind, count in (("faces", self._faces), ("dead leaves", self._leaves)) if count]
        return f"drawn {' and '.join(kinds)} (seed {self._seed})"

    def cache_key(self) -> str:
        """Hash the seed, the counts and the versions of the drawings."""
        leaves = (_LEAVES_VERSION, self._leaves) if self._leaves else ()
        return _hash("faces", _FACES_VERSION, self._seed, self._faces, *leaves)

    def decode(self, index: int) -> NDArray[np.uint8]:
        """Draw one image.

        Args:
            index: Place in `names`.

        Returns:
            Gray levels 0 to 255, shape (256, 256).
        """
        from deblur.synthesis import faces, leaves  # here, so that folders of images do without the drawing

        return faces.draw(self._seed, index) if index < self._faces else leaves.draw(self._seed, index - self._faces)


def _state(path: str) -> tuple[int, ...] | None:
    """Give what changes with a file's content, and its permissions: whether it can be read at all."""
    try:
        found = os.stat(path)  # noqa: PTH116 # of a text
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_mode


def _hash(*parts: object) -> str:
    """Hash numbers, texts and sequences of them. JSON keeps them apart, and takes names that are not valid UTF-8."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
