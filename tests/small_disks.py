"""File systems with little room, where the machine lets a test have one."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SmallDisk = Callable[[int], Path]


def make_room(disk: Path, size: int) -> None:
    """Make a file system that `small_disks` has mounted this large [KiB]."""
    subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)


def small_disks(place: Path) -> Iterator[SmallDisk]:
    """Yield what mounts an empty file system of so many KiB; the test is skipped where that is not possible."""
    mounted: list[Path] = []

    def mount(size: int) -> Path:
        folder = place / f"disk_{len(mounted)}"
        folder.mkdir()
        if sys.platform != "linux":
            pytest.skip("only Linux has file systems in memory")
        overrides = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", str(folder)]
        try:
            made = subprocess.run(overrides, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("there is no command mount")
        if made.returncode != 0:
            pytest.skip(f"a file system cannot be mounted here ({made.stderr.strip()})")
        mounted.append(folder)
        return folder

    try:
        yield mount
    finally:
        for folder in mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
