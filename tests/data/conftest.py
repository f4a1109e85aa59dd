"""Fixtures of the tests of the data."""

import shutil
from pathlib import Path

import pytest
from image_files import write_images


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of five images of mixed sizes, two of them identical."""
    root = tmp_path / "images"
    write_images(root, 4)
    shutil.copy(root / "001.png", root / "copy.png")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of all caches, not yet there."""
    return tmp_path / "caches" / "deblur"
