"""Colors of drawn images: the luma is exactly the gray drawing, and colors look like those of the real images."""

from types import ModuleType

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from deblur.image_io.decoding import luma
from deblur.synthesis import SEED_LIMIT, color_stream, faces, leaves, random_stream
from deblur.synthesis.colors import COLORLESS, color_of, luma_of, with_colors, with_differences
from deblur.synthesis.faces.render import draw_stages
from deblur.synthesis.leaves.materials import COLOR_CORRELATION, _correlated

KINDS = [faces, leaves]
PAIRS = [(0, 0), (0, 1), (7, 1234), (SEED_LIMIT - 1, SEED_LIMIT - 1)]
RGB = NDArray[np.uint8]


def chroma(image: RGB) -> NDArray[np.float64]:
    """Distance from gray in the plane of Cb and Cr, per pixel."""
    of_luma = image @ np.array([0.299, 0.587, 0.114])
    distance: NDArray[np.float64] = np.hypot((image[..., 2] - of_luma) / 1.772, (image[..., 0] - of_luma) / 1.402)
    return distance


def hue(image: RGB) -> NDArray[np.float64]:
    """Hue of each pixel [degrees]."""
    hsv = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    return np.asarray(hsv[..., 0], np.float64)


@pytest.fixture(scope="module")
def colored() -> dict[str, list[RGB]]:
    return {kind.__name__: [kind.draw(11, index, "rgb") for index in range(12)] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("pair", PAIRS)
def test_the_luma_of_a_color_image_is_the_gray_image(kind: ModuleType, pair: tuple[int, int]) -> None:
    image = kind.draw(*pair, "rgb")
    assert (image.shape, image.dtype) == ((256, 256, 3), np.uint8)
    assert image.flags.c_contiguous
    gray = kind.draw(*pair)
    np.testing.assert_array_equal(luma(image), gray)
    np.testing.assert_array_equal(kind.draw(*pair, "gray"), gray)
    np.testing.assert_array_equal(kind.draw(*pair, "rgb"), image)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_unknown_color_is_refused(kind: ModuleType) -> None:
    with pytest.raises(ValueError, match="color=RGB is not allowed: give gray or rgb"):
        kind.draw(0, 0, "RGB")


def test_the_stream_of_colors_is_another_one() -> None:
    stream = color_stream(3, 4, "rgb")
    assert stream is not None
    assert stream.uniform() != random_stream(3, 4).uniform()
    assert color_stream(3, 4, "gray") is None
    first, second = color_stream(3, 5, "rgb"), color_stream(3, 4, "rgb")
    assert first is not None
    assert second is not None
    assert first.uniform() != second.uniform()


images = arrays.arrays(np.uint8, (7, 9))
planes = arrays.arrays(np.float32, (7, 9), elements=st.floats(-600, 600, width=32))


@settings(max_examples=200, deadline=None)
@given(image=images, red=planes, blue=planes)
def test_any_differences_leave_the_luma(image: NDArray[np.uint8], red: NDArray, blue: NDArray) -> None:
    np.testing.assert_array_equal(luma(with_differences(image, red, blue)), image)


def test_every_gray_level_keeps_its_luma_in_any_color() -> None:
    image = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 360, axis=1)
    for saturation in (0.05, 0.5, 1.0):
        colors = np.array([color_of(degrees, saturation) for degrees in range(360)])
        painted = with_colors(image, np.broadcast_to(np.rint(colors), (256, 360, 3)).astype(np.uint8))
        np.testing.assert_array_equal(luma(painted), image)


def test_differences_within_the_gamut_are_kept() -> None:
    """Red and blue are rounded: green is off by what they lack, and by its own rounding."""
    rgb = np.random.default_rng(0).integers(20, 236, (40, 50, 3), np.uint8)
    exact = rgb @ np.array([0.299, 0.587, 0.114])
    made = with_differences(luma(rgb), *((rgb[..., channel] - exact).astype(np.float32) for channel in (0, 2)))
    assert np.abs(made.astype(int) - rgb).max() <= 2


def test_a_color_outside_the_gamut_becomes_paler_and_keeps_its_hue() -> None:
    gray = np.full((1, 4), 200, np.uint8)
    red, blue = np.array([[20.0, 50, 100, 400]], np.float32), np.array([[10.0, 25, 50, 200]], np.float32)
    made = with_differences(gray, red, blue)[0].astype(float)
    assert made[:, 0].tolist() == [220, 250, 255, 255]
    ratios = (made[:, 2] - 200) / (made[:, 0] - 200)
    np.testing.assert_allclose(ratios, 0.5, atol=0.02)


def test_dimming_keeps_hue_and_saturation() -> None:
    color = np.array([[[255, 128, 64]]], np.uint8)
    made = with_colors(np.array([[70]], np.uint8), color)[0, 0].astype(float)
    np.testing.assert_allclose(made / made[0], [1, 128 / 255, 64 / 255], atol=0.01)


@pytest.mark.parametrize("degrees", [0, 60, 120, 200, 240, 359, 360, -90])
def test_a_color_exists_at_its_level(degrees: float) -> None:
    for level in (0, 100, 200, 250, 255):
        color = color_of(degrees, 0.9, level)
        assert max(color) == pytest.approx(255)
        assert luma_of(color) >= level - 1e-6
    assert color_of(degrees, 0.0) == pytest.approx(COLORLESS)
    assert min(color_of(degrees, 1.0)) == pytest.approx(0)
    assert color_of(degrees, 0.5, 300) == pytest.approx(COLORLESS)


def test_drawn_faces_are_as_colorful_as_real_ones(colored: dict[str, list[RGB]]) -> None:
    """The mean chroma of 400 faces of the Kaggle set is 21.5, and 10 to 35 in four of five faces."""
    means = [chroma(image).mean() for image in colored[faces.__name__]]
    assert 13 < np.mean(means) < 30
    assert len({round(mean) for mean in means}) > 5


def test_drawn_leaves_are_as_colorful_as_photographs(colored: dict[str, list[RGB]]) -> None:
    """The mean chroma of the photographs of CBSD68 is 17.8, and 8 to 28 in four of five."""
    means = [chroma(image).mean() for image in colored[leaves.__name__]]
    assert 10 < np.mean(means) < 27
    assert len({round(mean) for mean in means}) > 5


def edges(plane: NDArray[np.floating]) -> NDArray[np.float64]:
    """The square root of the strength of the edges, so that a few strong ones do not decide."""
    down, across = np.gradient(plane.astype(np.float64))
    return np.sqrt(np.hypot(down, across)).ravel()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_colors_change_where_gray_levels_do(colored: dict[str, list[RGB]], kind: ModuleType) -> None:
    """In mirrored drawings as well. Colors are dimmed by the gray levels: their edges are found with and without it."""
    for image in colored[kind.__name__]:
        gray = luma(image)
        red_minus_blue = image[..., 0].astype(np.float64) - image[..., 2]
        assert np.corrcoef(edges(gray), edges(red_minus_blue))[0, 1] > 0.35
        of_colors = edges(red_minus_blue / (gray + 20.0))
        mirrored = np.corrcoef(edges(gray[:, ::-1]), of_colors)[0, 1]
        assert np.corrcoef(edges(gray), of_colors)[0, 1] > mirrored + 0.1


def test_skin_is_between_red_and_yellow() -> None:
    """A place in the middle of the face, below the eyes, of faces that no leaf covers there."""
    hues = []
    for index in range(12):
        middle = draw_stages(2, index, "rgb").image[140:150, 120:136]
        if chroma(middle).std() < 5:
            hues.append(np.median(hue(middle)))
    assert len(hues) > 4
    assert np.mean([5 < degrees < 45 for degrees in hues]) > 0.7


def test_hair_and_clothes_have_hues_all_around(colored: dict[str, list[RGB]]) -> None:
    found = np.concatenate([hue(image)[chroma(image) > 15] for image in colored[faces.__name__]])
    shares, _ = np.histogram(found, bins=6, range=(0, 360))
    assert (shares / shares.sum()).min() > 0.01


def test_chromaticities_of_leaves_are_correlated_as_those_of_photographs() -> None:
    drawn = _correlated(np.random.RandomState(0), 20_000)
    np.testing.assert_allclose(drawn.std(axis=0), 1, rtol=0.03)
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(COLOR_CORRELATION, abs=0.02)


def test_stages_of_a_color_drawing_are_those_of_the_gray_one() -> None:
    gray, color = draw_stages(5, 3), draw_stages(5, 3, "rgb")
    for name in ("background", "figure", "light"):
        np.testing.assert_array_equal(getattr(color, name), getattr(gray, name))
