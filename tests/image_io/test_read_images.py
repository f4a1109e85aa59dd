import struct
from pathlib import Path

import numpy as np
import pytest
from decoded_files import (
    HEIGHT,
    LOSSLESS,
    SIZES,
    WIDTH,
    deep_noise,
    encoded,
    noise,
    png_16,
    png_chunk,
    same,
    save,
    smooth,
    tiff_16,
    write,
)
from PIL import Image

from deblur.errors import UserError
from deblur.image_io.reading import read_image

SUBFILE_TYPE = 0x00FE


# 8 bits


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("suffix", LOSSLESS)
def test_8_bits_are_read_as_they_are(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    rgb, rgba, path = noise(*size, 3), noise(*size, 4), tmp_path / f"a.{suffix}"
    options = LOSSLESS[suffix]
    same(read_image(save(path, Image.fromarray(rgb), **options)), rgb)
    if suffix != "bmp":
        same(read_image(save(path, Image.fromarray(rgba), **options)), rgba[..., :3], rgba[..., 3])
    if suffix != "webp":  # which has no gray
        gray = noise(*size)
        same(read_image(save(path, Image.fromarray(gray), **options)), gray)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_gray_with_alpha(tmp_path: Path, suffix: str) -> None:
    both = noise(HEIGHT, WIDTH, 2)
    same(read_image(save(tmp_path / f"a.{suffix}", Image.fromarray(both))), both[..., 0], both[..., 1])


@pytest.mark.parametrize("gray", [True, False])
def test_a_jpeg_is_read_as_pillow_reads_it(tmp_path: Path, gray: bool) -> None:
    stored = smooth()[..., 0] if gray else smooth()
    path = save(tmp_path / "a.jpg", Image.fromarray(stored), quality=80)
    with Image.open(path) as image:
        same(read_image(path), np.asarray(image))


def test_a_bit_and_few_bits_are_gray(tmp_path: Path) -> None:
    bits = noise(HEIGHT, WIDTH) > 127
    for suffix in ("png", "bmp", "tif"):
        same(read_image(save(tmp_path / f"a.{suffix}", Image.fromarray(bits))), 255 * bits.astype(np.uint8))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_a_palette_becomes_colors(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(noise(HEIGHT, WIDTH, 3)).quantize(30)
    same(read_image(save(tmp_path / f"a.{suffix}", image)), np.asarray(image.convert("RGB")))


def test_transparent_colors_become_alpha(tmp_path: Path) -> None:
    palette = Image.fromarray(noise(HEIGHT, WIDTH, 3)).quantize(4)
    index = np.asarray(palette)
    path = save(tmp_path / "a.png", palette, transparency=bytes([255, 0, 100, 255]))
    same(read_image(path), np.asarray(palette.convert("RGB")), np.array([255, 0, 100, 255], np.uint8)[index])
    gray = noise(HEIGHT, WIDTH)
    path = save(tmp_path / "a.png", Image.fromarray(gray), transparency=7)
    same(read_image(path), gray, np.where(gray == 7, 0, 255).astype(np.uint8))


def test_the_content_decides_the_format(tmp_path: Path) -> None:
    for file_format in ("PNG", "JPEG", "BMP", "TIFF", "WEBP"):
        path = write(tmp_path / "a.png", encoded(Image.fromarray(smooth()), file_format))
        assert read_image(path).format == file_format


# 16 bits


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_of_png_are_read_as_they_are(tmp_path: Path, channels: int, size: tuple[int, int]) -> None:
    levels = deep_noise(*size, channels)
    pixels = levels[..., :3] if channels >= 3 else levels[..., 0]
    decoded = read_image(write(tmp_path / "a.png", png_16(levels)))
    same(decoded, pixels, None if channels % 2 else levels[..., -1])


@pytest.mark.parametrize("order", [b"II", b"MM"])
def test_16_bits_of_tiff_are_read_as_they_are(tmp_path: Path, order: bytes) -> None:
    path, rgba = tmp_path / "a.tif", deep_noise(HEIGHT, WIDTH, 4)
    same(read_image(write(path, tiff_16(rgba[..., :3], order))), rgba[..., :3])
    same(read_image(write(path, tiff_16(rgba, order, extra=2))), rgba[..., :3], rgba[..., 3])
    same(read_image(write(path, tiff_16(rgba, order, extra=0))), rgba[..., :3])  # it may be anything
    same(read_image(write(path, tiff_16(rgba[..., :1], order))), rgba[..., 0])
    if order == b"II":  # Pillow does not know the other
        same(read_image(write(path, tiff_16(rgba[..., :1], order, photometric=0))), 65535 - rgba[..., 0])


def test_transparent_levels_of_16_bits_become_alpha(tmp_path: Path) -> None:
    levels = deep_noise(HEIGHT, WIDTH, 3)
    levels[3:9, 4:5] = chosen = np.array([1, 2, 3], np.uint16)
    alpha = np.where((levels == chosen).all(axis=-1), 0, 65535).astype(np.uint16)
    path = write(tmp_path / "a.png", png_16(levels, png_chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))))
    same(read_image(path), levels, alpha)
    path = write(tmp_path / "a.png", png_16(levels[..., :1], png_chunk(b"tRNS", struct.pack(">H", 1))))
    same(read_image(path), levels[..., 0], alpha)


# Several images in one file


@pytest.mark.parametrize(
    ("suffix", "what"), [("webp", "animation of 3"), ("png", "animation of 3"), ("tif", "3 pages")]
)
def test_several_images_are_refused(tmp_path: Path, suffix: str, what: str) -> None:
    first, *others = (Image.fromarray(noise(HEIGHT, WIDTH, 3, seed=seed)) for seed in range(3))
    path = save(tmp_path / f"a.{suffix}", first, save_all=True, append_images=others)
    with pytest.raises(UserError, match=rf"a\.{suffix} .*{what}.*: save"):
        read_image(path)


def test_a_thumbnail_is_no_page(tmp_path: Path) -> None:
    decoded, thumbnail = noise(HEIGHT, WIDTH, 3), Image.fromarray(noise(5, 7, 3))
    thumbnail.encoderinfo = {"tiffinfo": {SUBFILE_TYPE: 1}}
    path = save(tmp_path / "a.tif", Image.fromarray(decoded), save_all=True, append_images=[thumbnail])
    with Image.open(path) as pages:
        pages.seek(1)
        assert pages.tag_v2[SUBFILE_TYPE] == 1
    same(read_image(path), decoded)


def test_the_first_image_of_a_phone_is_read(tmp_path: Path) -> None:
    first, second = (Image.fromarray(smooth(HEIGHT + seed)) for seed in range(2))
    path = write(tmp_path / "a.jpg", encoded(first, "MPO", save_all=True, append_images=[second]))
    decoded = read_image(path)
    assert (decoded.format, decoded.pixels.shape) == ("JPEG", (HEIGHT, WIDTH, 3))
    assert decoded.compression.jpeg_tables is not None
