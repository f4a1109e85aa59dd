"""RGB images of every kind of file: what is shown, and that its luma is what is read as gray."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from decoded_files import deep_noise, encoded, noise, png_16
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from image_files import png_that_claims
from numpy.typing import NDArray
from odd_images import Odd, odd_images
from PIL import Image

from deblur.image_io.decoding import BadImageError, digest, luma, read_gray, read_rgb_and_gray

SHOWN = [odd for odd in odd_images() if odd.pixels is not None]
REFUSED = [odd for odd in odd_images() if odd.pixels is None]
NO_IMAGES = {
    "empty.png": b"",
    "text.png": b"This is no image.\n",
    "cut.jpg": encoded(Image.fromarray(noise(37, 53, 3)), "JPEG")[:900],
    "bomb.png": png_that_claims(20_000, 20_000),
}


def read_rgb(path: Path) -> NDArray[np.uint8]:
    return read_rgb_and_gray(path)[0]


def write(folder: Path, odd: Odd) -> Path:
    path = folder / odd.name
    path.write_bytes(odd.content)
    return path


def on_white(odd: Odd) -> NDArray[np.float64]:
    """What a file shows as RGB on white, in levels of 8 bits, not rounded."""
    assert odd.pixels is not None
    full = np.iinfo(odd.pixels.dtype).max
    colors = odd.pixels if odd.pixels.ndim == 3 else np.repeat(odd.pixels[..., None], 3, axis=2)
    opacity = 1.0 if odd.alpha is None else odd.alpha[..., None] / full
    shown: NDArray[np.float64] = 255 * (colors / full * opacity + 1 - opacity)
    return shown


def test_every_kind_of_file_shows_its_colors_on_white(tmp_path: Path) -> None:
    for odd in SHOWN:
        image = read_rgb(write(tmp_path, odd))
        expected = on_white(odd)
        assert (image.dtype, image.shape) == (np.uint8, expected.shape), odd.name
        assert image.flags.c_contiguous
        if odd.exact:  # alpha of 8 bits is applied in integers by Pillow
            tolerance = 0.5 if odd.alpha is None or odd.alpha.dtype == np.uint16 else 1.0
            assert np.abs(image - expected).max() <= tolerance + 1e-3, odd.name


def test_the_luma_of_every_kind_of_file_is_what_is_read_as_gray(tmp_path: Path) -> None:
    for odd in SHOWN:
        path = write(tmp_path, odd)
        gray, of_rgb = read_gray(path), luma(read_rgb(path))
        np.testing.assert_array_equal(read_rgb_and_gray(path)[1], gray, err_msg=odd.name)
        if odd.pixels is not None and odd.pixels.dtype == np.uint16:
            assert np.abs(of_rgb.astype(int) - gray).max() <= 1, odd.name
        else:
            np.testing.assert_array_equal(of_rgb, gray, err_msg=odd.name)


def test_gray_files_have_three_equal_channels(tmp_path: Path) -> None:
    for odd in SHOWN:
        if odd.pixels is not None and odd.pixels.ndim == 2:
            path = write(tmp_path, odd)
            np.testing.assert_array_equal(read_rgb(path), np.repeat(read_gray(path)[..., None], 3, axis=2))


def reason(read: Callable[[Path], NDArray[np.uint8]], path: Path) -> str | None:
    """Why a file is refused; None if it is read."""
    try:
        read(path)
    except BadImageError as error:
        return str(error)
    return None


def test_files_that_are_refused_as_gray_are_refused_as_rgb_with_the_same_sentence(tmp_path: Path) -> None:
    for odd in REFUSED:
        path = write(tmp_path, odd)
        assert reason(read_rgb, path) == reason(read_gray, path)
    for name, content in NO_IMAGES.items():
        (tmp_path / name).write_bytes(content)
        assert reason(read_rgb, tmp_path / name) == reason(read_gray, tmp_path / name) is not None


def test_a_cmyk_jpeg_has_the_colors_of_pillow(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(noise(37, 53, 3)).convert("CMYK").save(path)
    with Image.open(path) as stored:
        np.testing.assert_array_equal(read_rgb(path), np.asarray(stored.convert("RGB")))
    np.testing.assert_array_equal(luma(read_rgb(path)), read_gray(path))


def test_colors_of_16_bits_are_divided_by_257_and_rounded(tmp_path: Path) -> None:
    levels = deep_noise(9, 11, 3)
    levels.flat[:6] = (0, 128, 129, 65535, 65406, 65407)
    (tmp_path / "a.png").write_bytes(png_16(levels))
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.png"), np.rint(levels / 257))


colors = arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


@settings(max_examples=100, deadline=None)
@given(image=colors)
@example(np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8))
def test_luma_is_that_of_bt601_rounded(image: NDArray[np.uint8]) -> None:
    exact = image.astype(np.float64) @ [0.299, 0.587, 0.114]
    assert luma(image).dtype == np.uint8
    assert np.abs(luma(image) - exact).max() <= 0.5 + 4e-3  # weights are rounded to 65536ths
    # Memory in another order changes nothing.
    np.testing.assert_array_equal(luma(np.asfortranarray(image)), luma(image))
    np.testing.assert_array_equal(luma(image[::-1, ::-1]), luma(image)[::-1, ::-1])


@pytest.mark.parametrize(
    ("red", "green", "blue", "level"), [(255, 0, 0, 76), (0, 255, 0, 150), (0, 0, 255, 29), (77, 77, 77, 77)]
)
def test_known_lumas(red: int, green: int, blue: int, level: int) -> None:
    assert luma(np.array([[[red, green, blue]]], np.uint8)).tolist() == [[level]]


def test_digests_tell_colors_from_gray_and_keep_those_of_gray() -> None:
    gray = noise(4, 6, seed=1)
    # The SHA-256 of "4x6:" and the pixels 0 to 23.
    known = "3ee032c8fb5e258ded41d3674abf6ca08169840c53dbccaf88fd6879362c0897"
    assert digest(np.arange(24, dtype=np.uint8).reshape(4, 6)) == known
    image = noise(4, 2, 3)
    flat = image.reshape(4, 6)
    other = image.copy()
    other[3, 1, 2] ^= 1
    assert digest(image) == digest(image.copy()) == digest(np.asfortranarray(image))
    stacked = np.repeat(gray[..., None], 3, axis=2)
    different = [image, other, flat, flat.reshape(2, 4, 3), image[..., ::-1], gray, stacked]
    assert len({digest(each) for each in different}) == len(different)
