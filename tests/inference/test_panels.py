"""Images side by side."""

import numpy as np
import pytest
from decoded_files import noise

from deblur.image_io.decoding import eight_bits
from deblur.image_io.images import DecodedImage
from deblur.inference.panels import contact_sheet, detail_around, side_by_side


def test_before_and_after_keep_their_alpha() -> None:
    before, after = (
        DecodedImage(noise(4, 5, 3), noise(4, 5), "PNG"),
        DecodedImage(noise(4, 5, 3, seed=1), noise(4, 5), "PNG"),
    )
    both = side_by_side(before, after)
    np.testing.assert_array_equal(both.pixels, np.concatenate([before.pixels, after.pixels], axis=1))
    assert both.alpha is not None
    assert both.alpha.shape == (4, 10)


@pytest.mark.parametrize(
    ("place", "rows", "columns"),
    [((100, 150), (70, 130), (120, 180)), ((0, 0), (0, 60), (0, 60)), ((199, 299), (140, 200), (240, 300))],
)
def test_a_detail_is_around_its_place(place: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]) -> None:
    for shape in ((200, 300), (200, 300, 3)):
        assert detail_around(*place, shape, 60) == (slice(*rows), slice(*columns))


def test_a_small_image_is_its_own_detail() -> None:
    assert detail_around(2, 300, (5, 400), 160) == (slice(0, 5), slice(220, 380))


def test_a_sheet_shows_every_panel_at_its_place() -> None:
    panels = {name: noise(20, 30, 3, seed=seed) for seed, name in enumerate("abcd")}
    page = contact_sheet(panels).pixels
    assert page.shape[2] == 3
    for place, pixels in enumerate(panels.values()):
        top, left = (place // 3) * (40 + 28 + 8), (place % 3) * (60 + 8)
        np.testing.assert_array_equal(page[top : top + 40 : 2, left : left + 60 : 2], pixels)
        label = page[top + 40 : top + 68, left : left + 60]
        assert (label < 128).any()  # its name


def test_sixteen_bits_are_rounded_to_eight() -> None:
    levels = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(eight_bits(levels), np.rint(levels / 257).astype(np.uint8))
