"""What disks, programs and people do to a file."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "within").touch()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _broken_disk(path: Path) -> None:
    path.unlink()
    path.symlink_to("/proc/self/mem")  # whose first bytes cannot be read: an input/output error


def _huge(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(2**40)


WAYS: Mapping[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": _cut,
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 16),
    "zeros": lambda path: path.write_bytes(b"\0" * 4096),
    "nested": lambda path: path.write_text("[" * 100_000),
    "nested mappings": lambda path: path.write_text('{"a":' * 100_000),
    "list": lambda path: path.write_text("[1]"),
    "number": lambda path: path.write_text("7"),
    "aliases": lambda path: path.write_text("a: &a [1]\nb: [*a, *a]\n"),
    "tag": lambda path: path.write_text("a: !!python/object/apply:os.getcwd []\n"),
    "folder": _folder,
    "pipe": _pipe,
    "unreadable": _broken_disk,
    "huge": _huge,
}


def damage(path: Path, way: str) -> None:
    """Damage a file in one of the WAYS; one that is not there is made first."""
    if not path.exists():
        path.write_text("one: 1\n")
    WAYS[way](path)


def copy(folder: Path, to: Path) -> Path:
    """Copy a folder that is to be damaged."""
    return Path(shutil.copytree(folder, to))
