"""Images side by side."""

import numpy as np
import pytest
from decoded_files import noise

from deblur.image_io.decoding import eight_bits
from deblur.image_io.images import DecodedImage
from deblur.inference.panels import contact_sheet, detail_around, kernel_panel, side_by_side, with_inset


def test_before_and_after_keep_their_alpha() -> None:
    before, after = (
        DecodedImage(noise(4, 5, 3), noise(4, 5), "PNG"),
        DecodedImage(noise(4, 5, 3, seed=1), noise(4, 5), "PNG"),
    )
    both = side_by_side(before, after)
    np.testing.assert_array_equal(both.pixels, np.concatenate([before.pixels, after.pixels], axis=1))
    assert both.alpha is not None
    assert both.alpha.shape == (4, 10)


KERNEL = np.array([[0.0, 0.25, 0.0], [0.25, 0.01, 0.25], [0.0, 0.24, 0.0]])


def test_faint_weights_of_a_kernel_can_be_seen() -> None:
    panel = kernel_panel(KERNEL, 4)
    assert panel.shape == (12, 12)
    squares = panel.reshape(3, 4, 3, 4).swapaxes(1, 2).reshape(9, 16)
    assert (squares == squares[:, :1]).all()
    assert squares[:, 0].tolist() == [0, 255, 0, 255, 56, 255, 0, 250, 0]  # sRGB of 1/25 of white is 0.22


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("colors", [(), (3,)])
def test_a_kernel_is_in_the_corner_alone(kind: type, colors: tuple[int, ...]) -> None:
    white = np.iinfo(kind).max
    image = DecodedImage(np.full((80, 100, *colors), 7, kind), np.full((80, 100), 9, kind), "PNG")
    shown = with_inset(image, KERNEL)
    side = 3 * 6 + 2 * 2  # px: a quarter of the image, and the frame
    corner = shown.pixels[:side, -side:] // (white // 255)
    assert (corner.reshape(side, side, -1) == np.pad(kernel_panel(KERNEL, 6), 2, constant_values=255)[..., None]).all()
    assert shown.alpha is not None
    assert (shown.alpha[:side, -side:] == white).all()
    for before, after in ((image.pixels, shown.pixels), (image.alpha, shown.alpha)):
        assert before is not None
        assert (before == before.flat[0]).all()  # not written to
        assert (after[side:] == before[side:]).all()
        assert (after[:, :-side] == before[:, :-side]).all()


def test_an_image_smaller_than_the_kernel_has_no_inset() -> None:
    image = DecodedImage(noise(6, 50), None, "PNG")
    assert with_inset(image, KERNEL) is image


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
