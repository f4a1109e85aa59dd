from pathlib import Path

import numpy as np
import pytest
from open_files import files_left
from PIL import Image

from deblur.data import FolderData
from deblur.data.cache import open_cache
from deblur.errors import UserError, disk_errors_as_user_errors
from deblur.image_io.decoding import read_gray


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(4):
        Image.fromarray(rng.integers(0, 256, (20, 20), dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


def test_an_image_is_not_bad_because_no_file_can_be_opened(images: Path) -> None:
    with pytest.raises(UserError, match=r"Too many files are open \(the limit is \d+\)"), files_left(0):
        read_gray(images / "0.png")
    assert read_gray(images / "0.png").shape == (20, 20)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_many_open_files_leave_no_image_out(images: Path, tmp_path: Path, count: int) -> None:
    source = FolderData(images)
    assert source.names
    with pytest.raises(UserError, match=r"^Too many files are open"), files_left(count):
        open_cache(source, tmp_path / "cache", max_bad_fraction=0.9, memory_limit=2**20)
    cache = open_cache(source, tmp_path / "cache", max_bad_fraction=0, memory_limit=2**20)
    assert len(cache) == 4
    assert not cache.bad


def test_a_file_is_not_told_to_be_unwritable_because_there_are_too_many(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Too many files are open"), files_left(0), disk_errors_as_user_errors():
        (tmp_path / "file").write_text("text")
