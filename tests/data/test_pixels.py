"""Caches whose pixels are read from their file one image at a time, beside those in memory."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from caches import content, only_folder
from data_settings import SETTINGS, module_of
from image_files import folder, write_images

from deblur.blur import Box
from deblur.data import FolderData
from deblur.data.cache import ImageCache, open_cache
from deblur.errors import UserError
from deblur.image_io.decoding import read_gray

CHANGED = r"^The image cache .* was changed by another program while it was in use \({}\)\. Give the command again: "


def pixels_of(root: Path) -> Path:
    return only_folder(root) / "pixels.npy"


def change_last_pixel(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 255]))


@pytest.mark.parametrize("memory_limit", [0, 10**6], ids=["from the file", "in memory"])
def test_images_cannot_be_changed(images: Path, root: Path, memory_limit: int) -> None:
    image = open_cache(folder(images), root, memory_limit=memory_limit)[0]
    assert type(image) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 1


def test_images_from_the_file_equal_those_in_memory(images: Path, root: Path) -> None:
    in_memory = open_cache(folder(images), root)
    from_file = open_cache(folder(images), root, memory_limit=0)
    assert content(from_file) == content(in_memory)
    assert (in_memory.held_bytes, from_file.held_bytes) == (539, 0)


@pytest.mark.parametrize("memory_limit", [0, 10**6], ids=["from the file", "in memory"])
def test_announced_images_are_the_same(tmp_path: Path, root: Path, memory_limit: int) -> None:
    write_images(tmp_path / "images", 5, height=200, width=300)  # pages of memory begin within images
    cache = open_cache(folder(tmp_path / "images"), root, memory_limit=memory_limit)
    for images in (cache, cache.subset([4, 1]), pickle.loads(pickle.dumps(cache))):
        images.announce(range(len(images)))
        for index, name in enumerate(images.names):
            np.testing.assert_array_equal(images[index], read_gray(tmp_path / "images" / name))


def test_a_closed_cache_leaves_no_file_open(images: Path, root: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    caches = [open_cache(folder(images), root, memory_limit=limit) for limit in (0, 0, 10**6)]
    assert open_files() == before + 2
    del caches
    assert open_files() == before


# Other programs


@pytest.mark.parametrize("length", [0, 100, 128, 400, 666])
def test_a_file_that_is_cut_in_use_is_a_sentence(images: Path, root: Path, length: int) -> None:
    cache, in_memory = (open_cache(folder(images), root, memory_limit=limit) for limit in (0, 10**6))
    expected = in_memory[4]
    os.truncate(pixels_of(root), length)  # of 667 bytes
    with pytest.raises(UserError, match=CHANGED.format("the file of the pixels has been cut short")):
        cache[4]
    np.testing.assert_array_equal(in_memory[4], expected)


def test_a_pixel_that_is_changed_in_use_is_a_sentence(images: Path, root: Path) -> None:
    cache = open_cache(folder(images), root, memory_limit=0)
    part = cache.subset([4, 1])
    first = cache[0]
    change_last_pixel(pixels_of(root))
    for images_in_use, index in ((cache, 4), (part, 0)):
        with pytest.raises(UserError, match=CHANGED.format("copy.png has other pixels than when it was decoded")):
            images_in_use[index]
    np.testing.assert_array_equal(cache[0], first)  # which is compared as well
    change_last_pixel(pixels_of(root))
    assert cache[4].shape == (10, 11)


def test_a_file_that_is_touched_in_use_is_read_on(images: Path, root: Path) -> None:
    cache = open_cache(folder(images), root, memory_limit=0)
    expected = content(cache)
    os.utime(pixels_of(root))
    pixels_of(root).chmod(0o600)
    assert content(cache) == expected


def test_a_cache_that_is_removed_or_replaced_in_use_is_read_on(images: Path, root: Path) -> None:
    cache = open_cache(folder(images), root, memory_limit=0)
    expected = content(cache)
    kept = only_folder(root).rename(root / "elsewhere")
    assert content(cache) == expected
    shutil.rmtree(kept)
    assert content(cache) == expected
    change_last_pixel(images / "000.png")
    open_cache(folder(images), root, max_bad_fraction=1)
    assert content(cache) == expected


DAMAGES: dict[str, Callable[[Path], object]] = {
    "is removed": shutil.rmtree,
    "loses its pixels": lambda cache: (cache / "pixels.npy").unlink(),
    "is cut": lambda cache: os.truncate(cache / "pixels.npy", 200),
    "has other pixels": lambda cache: change_last_pixel(cache / "pixels.npy"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_copy_for_another_process_of_a_cache_that_was_changed_is_a_sentence(
    images: Path, root: Path, damage: Callable[[Path], object]
) -> None:
    pickled = pickle.dumps(open_cache(folder(images), root))
    damage(only_folder(root))
    with pytest.raises(UserError, match=CHANGED.format(".*")):
        pickle.loads(pickled)


def test_a_copy_of_other_images_is_a_sentence(tmp_path: Path, images: Path, root: Path) -> None:
    pickled = pickle.dumps(open_cache(folder(images), root))
    write_images(tmp_path / "others", 3)
    open_cache(folder(tmp_path / "others"), tmp_path / "other")
    place = only_folder(root)
    shutil.rmtree(place)
    only_folder(tmp_path / "other").rename(place)
    ImageCache(place, 0)
    with pytest.raises(UserError, match=CHANGED.format("it holds other images")):
        pickle.loads(pickled)


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_say_it_in_the_same_overrides(tmp_path: Path, root: Path, workers: int) -> None:
    write_images(tmp_path / "images", 40, height=12)
    settings = {**SETTINGS, "num_workers": workers, "cache_memory": 0.0}
    data = module_of(
        FolderData, Box([3, 5]), root=str(tmp_path / "images"), max_images=None, cache_root=str(root), **settings
    )
    data.setup()
    loaders = [data.train_dataloader(), data.test_dataloader()]
    for loader in loaders:
        assert len(list(loader)) == len(loader)
    os.truncate(pixels_of(root), 128)
    for loader in loaders:
        with pytest.raises(UserError, match=CHANGED.format("the file of the pixels has been cut short")) as caught:
            list(loader)
        assert "\n" not in str(caught.value)
