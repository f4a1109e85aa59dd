"""Caches whose pixels are mapped from their file, beside those in memory."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from caches import content, only_folder
from image_files import folder, write_images
from numpy.typing import NDArray

from deblur.data.cache import open_cache
from deblur.data.images import read_gray


def is_mapped(image: NDArray[np.uint8], file: Path) -> bool:
    """Whether a change of the file is seen in the image."""
    whole = file.read_bytes()
    before = image[-1, -1]
    with file.open("r+b") as changed:
        changed.seek(-1, os.SEEK_END)
        changed.write(bytes([int(before) ^ 255]))
    seen = image[-1, -1] != before
    with file.open("r+b") as changed:
        changed.write(whole)
    return bool(seen)


@pytest.mark.parametrize("memory_limit", [0, 10**6], ids=["mapped", "in memory"])
def test_images_cannot_be_changed(images: Path, root: Path, memory_limit: int) -> None:
    image = open_cache(folder(images), root, memory_limit=memory_limit)[0]
    assert type(image) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 1


def test_mapped_images_equal_those_in_memory(images: Path, root: Path) -> None:
    in_memory = open_cache(folder(images), root)
    mapped = open_cache(folder(images), root, memory_limit=0)
    assert content(mapped) == content(in_memory)
    pixels = only_folder(root) / "pixels.npy"
    assert not is_mapped(in_memory[4], pixels)
    assert is_mapped(mapped[4], pixels)


@pytest.mark.parametrize("memory_limit", [0, 10**6], ids=["mapped", "in memory"])
def test_announced_images_are_the_same(tmp_path: Path, root: Path, memory_limit: int) -> None:
    write_images(tmp_path / "images", 5, height=200, width=300)  # pages of memory begin within images
    cache = open_cache(folder(tmp_path / "images"), root, memory_limit=memory_limit)
    for images in (cache, cache.subset([4, 1]), pickle.loads(pickle.dumps(cache))):
        images.announce(range(len(images)))
        for index, name in enumerate(images.names):
            np.testing.assert_array_equal(images[index], read_gray(tmp_path / "images" / name))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what they have been told")
def test_no_more_of_mapped_pixels_is_read_than_is_asked_for(images: Path, root: Path) -> None:
    cache = open_cache(folder(images), root, memory_limit=0)
    mapping = Path("/proc/self/smaps").read_text().partition(str(only_folder(root) / "pixels.npy"))[2]
    flags = next(line for line in mapping.splitlines() if line.startswith("VmFlags"))
    assert "rr" in flags.split()  # random read
    assert len(cache) == 5
