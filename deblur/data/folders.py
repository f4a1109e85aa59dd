"""Find the image files in a folder and the folders within it, and report what was left out."""

import errno
import logging
import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from deblur.errors import UserError
from deblur.image_io.decoding import IMAGE_SUFFIXES, printable
from deblur.image_io.formats.opening import RAW_SUFFIXES

# Folders that systems add to a user's images, in lower case. They hold thumbnails, deleted files and copies: images of
# a training set among them could be trained on and tested on. Names that start with a dot (.Trash-1000,
# .ipynb_checkpoints, .Spotlight-V100) are left out anyway.
SYSTEM_FOLDERS: Final = frozenset(
    {
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "@tmp",
        "__macosx",
        "network trash folder",
        "recycled",
        "recycler",
        "system volume information",
        "temporary items",
    }
)
_SYSTEM_FILES: Final = frozenset({"desktop.ini", "ehthumbs.db", "icon\r", "thumbs.db"})  # in lower case
_RECOVERED: Final = "lost+found"  # the system's as well; only root may list it
_LISTED: Final = 8  # kinds of files, or links, in a message

_log = logging.getLogger(__name__)


@dataclass
class LeftOut:
    """What a search has left out.

    Attributes:
        suffixes: How many files of each suffix are no images, in lower case; empty for none.
        system_folders: How many folders of each name that systems make.
        loops: Links that lead to each other.
        unlisted: Folders of the system that cannot be listed.
    """

    suffixes: Counter[str] = field(default_factory=Counter)
    system_folders: Counter[str] = field(default_factory=Counter)
    loops: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)

    def files(self) -> str:
        """Return how many files of which suffixes there were, as a part of a sentence."""
        common = sorted(self.suffixes.items(), key=lambda item: (-item[1], item[0]))[:_LISTED]
        kinds = [f"{count} {_kind_of_file(suffix)}" for suffix, count in common]
        others = self.suffixes.total() - sum(count for _, count in common)
        return ", ".join([*kinds, *([f"{others} others"] if others else [])])


def find_images(root: Path, key: str = "data.root") -> list[str]:
    """Find all images in a folder and the folders within it, and log once what was left out.

    Files and folders whose names start with a dot, and folders that systems make, are left out. Links are followed; a
    folder that is reached in several ways is visited once, by its own place rather than by a link, so that loops end.

    Args:
        root: Folder to search.
        key: Name of the folder in the configuration, for messages.

    Returns:
        Names relative to `root` with `/` between their parts, sorted.

    Raises:
        UserError: `root` is missing or no folder, a folder cannot be listed, or there is no image.
    """
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise UserError(f"{key}: {_shown(root)} {problem}. Name a folder of images. {_accepted()}")
    left_out = LeftOut()
    names = sorted(walk(root, key, left_out))
    if not names:
        others = f" Its files are left out for their suffixes: {left_out.files()}." if left_out.suffixes else ""
        raise UserError(f"{key}: there is no image in {_shown(root)}.{others} {_accepted()}")
    _report(left_out, root, key)
    return names


def walk(root: Path, key: str, left_out: LeftOut | None = None) -> Iterator[str]:
    """Yield the relative name of every image below a folder, in no useful order, and note what is left out.

    Raises:
        UserError: A folder cannot be listed.
    """
    left_out = LeftOut() if left_out is None else left_out
    visited: set[tuple[int, int]] = set()
    folders, linked_folders = deque([""]), deque[str]()
    while folders or linked_folders:
        folder = (folders or linked_folders).popleft()
        try:
            place = (root / folder).stat()
            if (place.st_dev, place.st_ino) in visited:
                continue
            visited.add((place.st_dev, place.st_ino))
            with os.scandir(root / folder) as found:
                # Sorted, so that of two links to a folder outside the same one is followed everywhere.
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            if folder.rpartition("/")[2].lower() == _RECOVERED:
                left_out.unlisted.append(folder)
                continue
            raise UserError(
                f"{key}: the folder {_shown(root / folder)} cannot be listed ({error.strerror}). "
                "Make it readable, or move it elsewhere."
            ) from error
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                continue
            match _kind(entry):
                case "folder" if entry.name.lower() in SYSTEM_FOLDERS:
                    left_out.system_folders[entry.name] += 1
                case "folder":
                    (linked_folders if entry.is_symlink() else folders).append(name)
                case "loop":
                    left_out.loops.append(name)
                case "file":
                    suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 # 5 times as fast
                    if suffix in IMAGE_SUFFIXES:
                        yield name
                    elif entry.name.lower() not in _SYSTEM_FILES:
                        left_out.suffixes[suffix] += 1


def _kind(entry: os.DirEntry[str]) -> Literal["folder", "file", "loop", "other"]:
    """Return what a name leads to; a broken link counts as a file, which makes it a bad image.

    Pipes and devices are `other`: reading them would block.
    """
    try:
        if entry.is_dir():
            return "folder"
        is_file = entry.is_file() or (entry.is_symlink() and not os.path.exists(entry))  # noqa: PTH110 # of an entry
    except OSError as error:
        return "loop" if error.errno == errno.ELOOP else "file"
    return "file" if is_file else "other"


def _report(left_out: LeftOut, root: Path, key: str) -> None:
    """Log what was left out and why: one record, and another for the system's folders."""
    sentences = []
    if left_out.suffixes:
        count = left_out.suffixes.total()
        files, are, their = ("file", "is", "its suffix") if count == 1 else ("files", "are", "their suffixes")
        sentences.append(
            f"{count} {files} in {_shown(root)} {are} left out for {their}: {left_out.files()}. {_accepted()} Convert "
            "images of other formats to one of these."
        )
    if left_out.loops:
        links, are = ("link leads", "is") if len(left_out.loops) == 1 else ("links lead", "are")
        sentences.append(f"{len(left_out.loops)} {links} in a circle and {are} left out: {listed(left_out.loops)}.")
    if left_out.unlisted:
        sentences.append(f"The system's folder {listed(left_out.unlisted)} cannot be listed and is left out.")
    if sentences:
        _log.warning("%s: %s", key, " ".join(sentences))
    if left_out.system_folders:
        _log.info("%s: folders of the system are left out: %s.", key, listed(sorted(left_out.system_folders)))


def _kind_of_file(suffix: str) -> str:
    if not suffix:
        return "without one"
    return f"{printable(suffix)} (raw)" if suffix in RAW_SUFFIXES else printable(suffix)


def _accepted() -> str:
    return f"Accepted are files that end in {', '.join(sorted(IMAGE_SUFFIXES))}, also in folders within it."


def listed(texts: Sequence[str], most: int = _LISTED) -> str:
    """Return the first of some texts, with what would disturb a terminal escaped, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(map(printable, texts[:most])) + more


def _shown(path: Path) -> str:
    return printable(str(path))
