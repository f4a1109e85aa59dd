import io
import struct
from pathlib import Path

import pytest
from decoded_files import (
    HEIGHT,
    ICC_PROFILE,
    LOSSLESS,
    WIDTH,
    XMP,
    deep_noise,
    exif,
    noise,
    png_16,
    png_chunk,
    same,
    save,
    smooth,
    tiff_16,
    upright,
    write,
)
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from deblur.image_io.reading import read_image

# Orientation

ORIENTATIONS = range(1, 9)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "jpg"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_is_shown_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    rgba = noise(HEIGHT, WIDTH, 4)
    image = Image.fromarray(rgba[..., :3] if suffix == "jpg" else rgba)
    path = tmp_path / f"a.{suffix}"
    stored = read_image(save(path, image, **LOSSLESS.get(suffix, {})))
    turned = read_image(save(path, image, exif=exif(orientation), **LOSSLESS.get(suffix, {})))
    alpha = None if stored.alpha is None else upright(stored.alpha, orientation)
    same(turned, upright(stored.pixels, orientation), alpha)
    assert turned.metadata.exif is not None
    kept = Image.Exif()
    kept.load(b"Exif\0\0" + turned.metadata.exif)
    assert kept.get(0x0112, 1) == 1


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_16_bits_are_turned_as_well(tmp_path: Path, orientation: int) -> None:
    levels = deep_noise(HEIGHT, WIDTH, 4)
    chunk = png_chunk(b"eXIf", exif(orientation).tobytes().removeprefix(b"Exif\0\0"))
    decoded = read_image(write(tmp_path / "a.png", png_16(levels, chunk)))
    same(decoded, upright(levels[..., :3], orientation), upright(levels[..., 3], orientation))
    decoded = read_image(write(tmp_path / "a.tif", tiff_16(levels[..., :3], orientation=orientation)))
    same(decoded, upright(levels[..., :3], orientation))
    decoded = read_image(write(tmp_path / "a.tif", tiff_16(levels[..., :1], orientation=orientation)))
    same(decoded, upright(levels[..., 0], orientation))


def test_turned_resolutions_change_places(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", Image.fromarray(smooth()), dpi=(100, 300), exif=exif(6))
    assert read_image(path).metadata.dpi == (300, 100)


def test_an_orientation_in_xmp_is_reset_as_well(tmp_path: Path) -> None:
    for suffix in ("jpg", "webp"):
        path = save(tmp_path / f"a.{suffix}", Image.fromarray(smooth()), xmp=XMP)
        decoded = read_image(path)
        assert decoded.pixels.shape[:2] == (WIDTH, HEIGHT)
        assert decoded.metadata.xmp == XMP.replace(b'"6"', b'"1"')


def test_the_thumbnail_is_let_go(tmp_path: Path) -> None:
    first = ImageFileDirectory_v2(prefix=b"II")
    first[0x010F], first[0x0112] = "A maker", 3
    start = io.BytesIO()
    first.save(start)
    content = bytearray(start.getvalue())
    (count,) = struct.unpack_from("<H", content, 8)
    struct.pack_into("<I", content, 10 + 12 * count, len(content))  # where the thumbnail's tags are
    content += struct.pack("<HHHIII", 1, 0x0201, 4, 1, 1234, 0)
    path = save(tmp_path / "a.jpg", Image.fromarray(smooth()), exif=b"Exif\0\0" + bytes(content))
    with Image.open(path) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1) == {0x0201: 1234}
    kept = Image.Exif()
    kept.load(b"Exif\0\0" + (read_image(path).metadata.exif or b""))
    assert kept.get_ifd(ExifTags.IFD.IFD1) == {}
    assert kept[0x010F] == "A maker"


# What is kept


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_metadata(tmp_path: Path, suffix: str) -> None:
    path = save(
        tmp_path / f"a.{suffix}",
        Image.fromarray(smooth()),
        icc_profile=ICC_PROFILE,
        exif=exif().tobytes(),
        dpi=(72, 72),
    )
    metadata = read_image(path).metadata
    assert metadata.icc_profile == ICC_PROFILE
    assert metadata.exif is not None
    kept = Image.Exif()
    kept.load(metadata.exif)
    assert kept[0x010F] == "A maker"
    assert kept.get_ifd(0x8769)[0x9003] == "2020:02:03 04:05:06"
    assert kept.get_ifd(0x8825)[1] == "N"
    if suffix != "webp":
        assert metadata.dpi == pytest.approx((72, 72), rel=1e-3)


def test_an_image_without_metadata_has_none(tmp_path: Path) -> None:
    for suffix in ("png", "tif", "webp", "bmp"):
        metadata = read_image(save(tmp_path / f"a.{suffix}", Image.fromarray(smooth()))).metadata
        assert (metadata.exif, metadata.xmp, metadata.icc_profile) == (None, None, None)


@pytest.mark.parametrize("damaged", [b"no metadata", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff"])
def test_damaged_metadata_are_left_out_and_named(tmp_path: Path, damaged: bytes) -> None:
    pixels = noise(HEIGHT, WIDTH)
    path = save(tmp_path / "a.png", Image.fromarray(pixels), exif=b"Exif\0\0" + damaged)
    decoded = read_image(path)
    same(decoded, pixels)
    assert decoded.metadata.exif is None
    assert decoded.metadata.lost[0].startswith("the EXIF, which is damaged")


def test_how_a_file_was_compressed(tmp_path: Path) -> None:
    image = Image.fromarray(smooth())
    for subsampling in (0, 1, 2):
        path = save(tmp_path / "a.jpg", image, quality=60, subsampling=subsampling)
        compression = read_image(path).compression
        with Image.open(path) as stored:
            assert compression.jpeg_tables == tuple(tuple(stored.quantization[index]) for index in (0, 1))
        assert (compression.lossless, compression.jpeg_subsampling) == (False, subsampling)
    for options, lossless in (({"lossless": True}, True), ({"quality": 80}, False)):
        for metadata in ({}, {"icc_profile": ICC_PROFILE}):
            path = save(tmp_path / "a.webp", image, **options, **metadata)
            assert read_image(path).compression.lossless is lossless
