import warnings
from pathlib import Path

import numpy as np
import pytest
from image_files import HEIGHT, WIDTH, encoded, luma, noise, png_chunk
from PIL import Image

from deblur.image_io.decoding import digest, read_gray


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.jpg", "a.JPEG"])
def test_gray_images_keep_their_levels(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Image.fromarray(noise(HEIGHT, WIDTH)).save(path, quality=90)
    image = read_gray(path)
    assert image.dtype == np.uint8
    assert image.shape == (HEIGHT, WIDTH)
    with Image.open(path) as stored:
        assert stored.mode == "L"
        np.testing.assert_array_equal(image, np.asarray(stored))


def test_colors_become_luma(tmp_path: Path) -> None:
    rgb = noise(HEIGHT, WIDTH, 3)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    assert np.abs(read_gray(tmp_path / "a.png") - luma(rgb)).max() <= 0.5 + 1e-3


def test_colors_of_a_jpeg_become_luma(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(noise(HEIGHT, WIDTH, 3)).save(path, quality=85)
    with Image.open(path) as stored:
        rgb = np.asarray(stored.convert("RGB"))
    assert np.abs(read_gray(path) - luma(rgb)).max() <= 1


def test_full_range(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[0, 0, 0], [255, 255, 255]]], dtype=np.uint8)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), [[0, 255]])


def test_palette(tmp_path: Path) -> None:
    decoded = Image.fromarray(noise(HEIGHT, WIDTH, 3)).quantize(50)
    decoded.save(tmp_path / "palette.png")
    decoded.convert("RGB").save(tmp_path / "rgb.png")
    np.testing.assert_array_equal(read_gray(tmp_path / "palette.png"), read_gray(tmp_path / "rgb.png"))


def test_palette_with_transparent_entries_lies_on_white(tmp_path: Path) -> None:
    decoded = Image.fromarray(noise(HEIGHT, WIDTH, 3)).quantize(4)
    decoded.save(tmp_path / "a.png", transparency=bytes([255, 0, 255, 255]))
    image, index = read_gray(tmp_path / "a.png"), np.asarray(decoded)
    assert (image[index == 1] == 255).all()
    opaque = luma(np.asarray(decoded.convert("RGB")))
    assert np.abs(image - opaque)[index != 1].max() <= 1


def test_one_bit(tmp_path: Path) -> None:
    bits = noise(HEIGHT, WIDTH) > 127
    Image.fromarray(bits).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), 255 * bits)


def test_alpha_lies_on_white(tmp_path: Path) -> None:
    rgba = noise(HEIGHT, WIDTH, 4)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    alpha = rgba[..., 3] / 255
    assert np.abs(read_gray(tmp_path / "a.png") - (alpha * luma(rgba) + (1 - alpha) * 255)).max() <= 1.5


def test_opaque_alpha_changes_nothing(tmp_path: Path) -> None:
    rgb = noise(HEIGHT, WIDTH, 3)
    rgba = np.dstack([rgb, np.full((HEIGHT, WIDTH), 255, np.uint8)])
    Image.fromarray(rgb).save(tmp_path / "without.png")
    Image.fromarray(rgba).save(tmp_path / "with.png")
    np.testing.assert_array_equal(read_gray(tmp_path / "with.png"), read_gray(tmp_path / "without.png"))


def test_gray_with_alpha(tmp_path: Path) -> None:
    gray = noise(HEIGHT, WIDTH)
    alpha = np.where(gray < 100, 0, 255).astype(np.uint8)
    Image.merge("LA", (Image.fromarray(gray), Image.fromarray(alpha))).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), np.where(gray < 100, 255, gray))


def test_transparent_level(tmp_path: Path) -> None:
    gray = noise(HEIGHT, WIDTH)
    Image.fromarray(gray).save(tmp_path / "a.png", transparency=7)
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), np.where(gray == 7, 255, gray))


def test_cmyk_jpeg(tmp_path: Path) -> None:
    decoded = Image.fromarray(noise(HEIGHT, WIDTH, 3)).convert("CMYK")
    decoded.save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as stored:
        expected = luma(np.asarray(stored.convert("RGB")))
    assert np.abs(read_gray(tmp_path / "a.jpg") - expected).max() <= 1


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(noise(HEIGHT, WIDTH)), "JPEG"))
    assert read_gray(tmp_path / "a.png").shape == (HEIGHT, WIDTH)


def test_odd_metadata_give_no_warning(tmp_path: Path) -> None:
    whole = encoded(Image.fromarray(noise(HEIGHT, WIDTH)), "PNG")
    after_header = whole.index(b"IDAT") - 4
    wrong_animation = png_chunk(b"acTL", bytes(8))  # of no frames
    (tmp_path / "a.png").write_bytes(whole[:after_header] + wrong_animation + whole[after_header:])
    with pytest.warns(UserWarning, match="APNG"), Image.open(tmp_path / "a.png"):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), noise(HEIGHT, WIDTH))


def test_digests_tell_pixels_and_shapes_apart() -> None:
    image = noise(4, 6)
    other = image.copy()
    other[3, 5] ^= 1
    assert digest(image) == digest(image.copy()) == digest(np.asfortranarray(image))
    assert len({digest(image), digest(other), digest(image.reshape(6, 4)), digest(image.T)}) == 4
