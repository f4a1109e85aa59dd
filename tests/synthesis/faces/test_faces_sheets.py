"""Freshly drawn faces look like those on stored contact sheets.

A sheet is made again with, for instance:

    python -m deblur.synthesis.faces --sheet seed0_from0.png --seed 0 --first 0 --count 12 --size 128
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deblur.synthesis.faces.render import contact_sheet

SHEETS = Path(__file__).parent / "sheets"
COUNT, COLUMNS, FACE_SIZE = 12, 6, 128
# Gray levels; between OpenCV 4.10 and 5.0 faces differ by 0.006 on average and 4 at most.
MEAN_TOLERANCE, PIXEL_TOLERANCE = 0.1, 12


def tiles(sheet: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Cut a sheet into its faces, (COUNT, FACE_SIZE**2)."""
    rows = sheet.astype(float).reshape(COUNT // COLUMNS, FACE_SIZE, COLUMNS, FACE_SIZE)
    return rows.transpose(0, 2, 1, 3).reshape(COUNT, -1)


@pytest.mark.parametrize(("seed", "first"), [(0, 0), (1, 100), (20240229, 4000000)])
def test_faces_look_like_the_stored_ones(seed: int, first: int) -> None:
    with Image.open(SHEETS / f"seed{seed}_from{first}.png") as image:
        stored = np.asarray(image)
    fresh = contact_sheet(seed, first, COUNT, COLUMNS, FACE_SIZE)
    assert fresh.dtype == stored.dtype == np.uint8
    assert fresh.shape == stored.shape
    differences = np.abs(tiles(fresh) - tiles(stored))
    means = differences.mean(axis=1)
    assert means.max() < MEAN_TOLERANCE, f"mean absolute differences of the faces: {means.round(3)}"
    assert differences.max() < PIXEL_TOLERANCE


def test_a_sheet_shows_its_faces_row_by_row() -> None:
    sheet = contact_sheet(seed=0, first=0, count=3, columns=2)
    assert sheet.shape == (512, 512)
    for index, (top, left) in enumerate([(0, 0), (0, 256), (256, 0)]):
        alone = contact_sheet(seed=0, first=index, count=1, columns=1)
        np.testing.assert_array_equal(sheet[top : top + 256, left : left + 256], alone)
    assert (sheet[256:, 256:] == 255).all()


def test_a_sheet_is_no_wider_than_its_faces() -> None:
    assert contact_sheet(seed=0, first=0, count=2, columns=6, face_size=16).shape == (16, 32)
