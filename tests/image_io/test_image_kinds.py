"""Formats, bit depths and orientations, with real files."""

import contextlib
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from image_files import HEIGHT, WIDTH, encoded, luma, noise, png_chunk
from numpy.typing import NDArray
from PIL import Image, ImageOps

from deblur.data.folders import find_images
from deblur.image_io.decoding import BadImageError, read_gray

LOSSLESS = {"PNG": {}, "BMP": {}, "TIFF": {}, "WEBP": {"lossless": True}}
KINDS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
gray_images = arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)))


def read(folder: Path, content: bytes) -> NDArray[np.uint8]:
    """Read an image; no name tells what it is."""
    path = folder / "a.png"
    path.write_bytes(content)
    return read_gray(path)


def tiff(pixels: NDArray[np.generic], *, order: str = "<", photometric: int = 1, bits: int = 0, kind: int = 1) -> bytes:
    """Write an uncompressed TIFF of one strip, with what Pillow cannot write."""
    planes = pixels.shape[2] if pixels.ndim == 3 else 1
    bits = bits or 8 * pixels.dtype.itemsize
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    count = 10
    after = 8 + 2 + 12 * count + 4
    many_bits = struct.pack(f"{order}{planes}H", *[bits] * planes)
    entries = [
        (256, 4, 1, pixels.shape[1]),
        (257, 4, 1, pixels.shape[0]),
        (258, 3, planes, after if planes > 2 else bits),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, after + len(many_bits)),
        (277, 3, 1, planes),
        (278, 4, 1, pixels.shape[0]),
        (279, 4, 1, len(data)),
        (339, 3, 1, kind),
    ]
    written = b"".join(
        struct.pack(f"{order}HHI", tag, of, n)
        + (struct.pack(f"{order}HH", value, 0) if of == 3 and n == 1 else struct.pack(f"{order}I", value))
        for tag, of, n, value in entries
    )
    start = b"II" if order == "<" else b"MM"
    header = start + struct.pack(f"{order}HI", 42, 8) + struct.pack(f"{order}H", count)
    return header + written + bytes(4) + many_bits + data


def png_16(pixels: NDArray[np.uint16], color: int) -> bytes:
    """Write a PNG of 16 bits a channel: color 0 is gray, 2 RGB, 4 gray with alpha."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")


def deep(*shape: int) -> NDArray[np.uint16]:
    levels = np.random.default_rng(1).integers(0, 65536, shape, dtype=np.uint16)
    levels.flat[:6] = (0, 128, 129, 65535, 65406, 65407)
    return levels


def test_all_formats_are_found(tmp_path: Path) -> None:
    names = ["a.png", "b.jpg", "c.jpeg", "d.webp", "e.bmp", "f.tif", "g.TIFF", "h.WebP"]
    for name in [*names, "i.gif", "j.jp2"]:
        (tmp_path / name).touch()
    assert find_images(tmp_path) == names


# Bit-identical


@many
@given(image=gray_images, kind=st.sampled_from(list(LOSSLESS)))
@example(np.full((1, 1), 77, np.uint8), "WEBP")
def test_lossless_gray_comes_back_bit_identical(tmp_path: Path, image: NDArray[np.uint8], kind: str) -> None:
    got = read(tmp_path, encoded(Image.fromarray(image), kind, **LOSSLESS[kind]))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, image)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff(tmp_path: Path, compression: str) -> None:
    image = noise(HEIGHT, WIDTH)
    np.testing.assert_array_equal(
        read(tmp_path, encoded(Image.fromarray(image), "TIFF", compression=compression)), image
    )


@pytest.mark.parametrize("kind", LOSSLESS)
def test_colors_of_every_lossless_format_are_the_same(tmp_path: Path, kind: str) -> None:
    rgb = noise(HEIGHT, WIDTH, 3)
    image = read(tmp_path, encoded(Image.fromarray(rgb), kind, **LOSSLESS[kind]))
    assert np.abs(image - luma(rgb)).max() <= 0.5 + 1e-3
    np.testing.assert_array_equal(image, read(tmp_path, encoded(Image.fromarray(rgb), "PNG")))


@pytest.mark.parametrize("kind", ["TIFF", "WEBP"])
def test_alpha_of_other_formats_lies_on_white(tmp_path: Path, kind: str) -> None:
    rgba = noise(HEIGHT, WIDTH, 4)
    alpha = rgba[..., 3] / 255
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    got = read(tmp_path, encoded(Image.fromarray(rgba), kind, **options))
    assert np.abs(got - (alpha * luma(rgba) + (1 - alpha) * 255)).max() <= 1.5


@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_palettes_of_other_formats(tmp_path: Path, kind: str) -> None:
    decoded = Image.fromarray(noise(HEIGHT, WIDTH, 3)).quantize(50)
    expected = read(tmp_path, encoded(decoded.convert("RGB"), "PNG"))
    np.testing.assert_array_equal(read(tmp_path, encoded(decoded, kind)), expected)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_color_spaces_of_tiff_become_luma(tmp_path: Path, mode: str) -> None:
    decoded = Image.fromarray(noise(HEIGHT, WIDTH, 3)).convert(mode)
    assert np.abs(read(tmp_path, encoded(decoded, "TIFF")) - luma(np.asarray(decoded.convert("RGB")))).max() <= 1


def test_inverted_tiff_of_8_bits(tmp_path: Path) -> None:
    image = noise(HEIGHT, WIDTH)
    np.testing.assert_array_equal(read(tmp_path, tiff(image, photometric=0)), 255 - image)


# 16 bits


@pytest.mark.parametrize("order", ["<", ">"])
def test_gray_of_16_bits_is_scaled_and_rounded(tmp_path: Path, order: str) -> None:
    levels = deep(HEIGHT, WIDTH)
    expected = np.rint(levels / 257).astype(np.uint8)
    np.testing.assert_array_equal(read(tmp_path, tiff(levels, order=order)), expected)
    np.testing.assert_array_equal(read(tmp_path, png_16(levels, 0)), expected)
    np.testing.assert_array_equal(
        read(tmp_path, encoded(Image.fromarray(levels), "TIFF", compression="tiff_lzw")), expected
    )


def test_inverted_tiff_of_16_bits(tmp_path: Path) -> None:
    levels = deep(HEIGHT, WIDTH)
    np.testing.assert_array_equal(read(tmp_path, tiff(levels, photometric=0)), np.rint((65535 - levels) / 257))


def test_a_transparent_level_of_16_bits_is_white(tmp_path: Path) -> None:
    levels = deep(HEIGHT, WIDTH)
    whole = png_16(levels, 0)
    after_header = whole.index(b"IDAT") - 4
    content = whole[:after_header] + png_chunk(b"tRNS", struct.pack(">H", 128)) + whole[after_header:]
    np.testing.assert_array_equal(read(tmp_path, content), np.where(levels == 128, 255, np.rint(levels / 257)))


@pytest.mark.parametrize("order", ["<", ">"])
def test_colors_of_16_bits_are_not_clipped(tmp_path: Path, order: str) -> None:
    rgb = deep(HEIGHT, WIDTH, 3)
    expected = rgb.astype(np.float64) @ [0.299, 0.587, 0.114] / 257
    for content in (png_16(rgb, 2), tiff(rgb, order=order, photometric=2)):
        assert np.abs(read(tmp_path, content) - expected).max() <= 0.5 + 1e-3


def test_gray_of_16_bits_with_alpha_is_not_clipped(tmp_path: Path) -> None:
    levels = deep(HEIGHT, WIDTH)
    opaque = np.full_like(levels, 65535)
    expected = np.rint(levels / 257)
    np.testing.assert_array_equal(read(tmp_path, png_16(np.dstack([levels, opaque]), 4)), expected)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tiff(noise(5, 7).astype(np.int32), kind=2), "no white level is defined"),
        (tiff(noise(5, 7).astype(np.int16), kind=2), "no white level is defined"),
        (tiff(noise(5, 7).astype(np.float32), kind=3), "has fractional numbers"),
        (tiff(np.zeros((4, 4), np.uint16), bits=12), "it has 12 bits a level"),
        (encoded(Image.new("LAB", (5, 7)), "TIFF"), "it is a TIFF of Lab colors"),
    ],
    ids=["32 bits", "signed", "fractions", "12 bits", "LAB"],
)
def test_levels_without_a_known_white_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(BadImageError, match=reason):
        read(tmp_path, content)


# Orientation and pages

UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: a.T[:, ::-1],
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: a.T[::-1],
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_orientation_is_shown_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(noise(HEIGHT, WIDTH))
    options = LOSSLESS.get(kind, {"quality": 95})
    as_stored = read(tmp_path, encoded(stored, kind, **options))
    content = encoded(stored, kind, exif=exif, **options)
    image = read(tmp_path, content)
    np.testing.assert_array_equal(image, UPRIGHT[orientation](as_stored))
    with Image.open(io.BytesIO(content)) as decoded:
        np.testing.assert_array_equal(image, np.asarray(ImageOps.exif_transpose(decoded).convert("L")))


def test_16_bits_are_turned_as_well(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    levels = deep(HEIGHT, WIDTH)
    for kind in ("PNG", "TIFF"):
        image = read(tmp_path, encoded(Image.fromarray(levels), kind, exif=exif))
        np.testing.assert_array_equal(image, np.rint(levels / 257).T[:, ::-1])


@pytest.mark.parametrize("exif", [b"Exif\0\0no metadata", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"])
def test_damaged_metadata_leave_the_pixels(tmp_path: Path, exif: bytes) -> None:
    image = noise(HEIGHT, WIDTH)
    np.testing.assert_array_equal(read(tmp_path, encoded(Image.fromarray(image), "PNG", exif=exif)), image)


@pytest.mark.parametrize("kind", ["TIFF", "WEBP", "PNG"])
def test_the_first_page_is_read(tmp_path: Path, kind: str) -> None:
    first, *others = (Image.fromarray(noise(HEIGHT, WIDTH, seed=seed)) for seed in range(3))
    content = encoded(first, kind, save_all=True, append_images=others, **LOSSLESS[kind])
    with Image.open(io.BytesIO(content)) as pages:
        assert pages.n_frames == 3
    np.testing.assert_array_equal(read(tmp_path, content), np.asarray(first))


# Damage

WHOLE = {kind: encoded(Image.fromarray(noise(17, 19, 3)), kind) for kind in KINDS} | {
    "lossless WEBP": encoded(Image.fromarray(noise(17, 19, 3)), "WEBP", lossless=True),
    "LZW": encoded(Image.fromarray(noise(17, 19)), "TIFF", compression="tiff_lzw"),
    "16 bits": png_16(deep(9, 7), 0),
    "16-bit TIFF": tiff(deep(9, 7)),
}


@settings(many, max_examples=200)
@given(kind=st.sampled_from(list(WHOLE)), share=st.floats(0, 1, exclude_max=True))
def test_a_part_of_a_file_gives_a_reason_or_the_same_pixels(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str, share: float
) -> None:
    whole = WHOLE[kind]
    expected = read(tmp_path, whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(BadImageError):
            np.testing.assert_array_equal(read(tmp_path, whole[: int(share * len(whole))]), expected)
    said = capfd.readouterr()
    assert said == ("", "")


@many
@given(
    kind=st.sampled_from(list(WHOLE)), changes=st.dictionaries(st.integers(0, 10**6), st.integers(0, 255), min_size=1)
)
def test_damage_gives_an_image_or_a_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str, changes: dict[int, int]
) -> None:
    content = bytearray(WHOLE[kind])
    for place, value in changes.items():
        content[place % len(content)] = value
    with contextlib.suppress(BadImageError):
        assert read(tmp_path, bytes(content)).ndim == 2
    said = capfd.readouterr()
    assert said == ("", "")


@many
@given(content=st.binary(max_size=300), start=st.sampled_from([b"", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"\xff\xd8"]))
def test_random_bytes_are_a_bad_image(tmp_path: Path, content: bytes, start: bytes) -> None:
    with pytest.raises(BadImageError):
        read(tmp_path, start + content)
