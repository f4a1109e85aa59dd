import io
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import (
    HEIGHT,
    ICC_PROFILE,
    SIZES,
    WIDTH,
    XMP,
    deep_noise,
    encoded,
    exif,
    noise,
    png_16,
    png_chunk,
    save,
    smooth,
    upright,
)
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from deblur.errors import UserError
from deblur.restoring.pictures import Picture
from deblur.restoring.reading import read_picture

LOSSLESS = {"png": {}, "bmp": {}, "tif": {}, "webp": {"lossless": True, "exact": True}}
SUBFILE_TYPE, SEPARATE_PLANES = 0x00FE, 2


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def same(picture: Picture, pixels: NDArray[np.generic], alpha: NDArray[np.generic] | None = None) -> None:
    assert picture.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.pixels.flags.c_contiguous
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None:
        assert picture.alpha is not None
        assert picture.alpha.dtype == pixels.dtype
        np.testing.assert_array_equal(picture.alpha, alpha)


# 8 bits


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("suffix", LOSSLESS)
def test_8_bits_are_read_as_they_are(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    rgb, rgba, path = noise(*size, 3), noise(*size, 4), tmp_path / f"a.{suffix}"
    options = LOSSLESS[suffix]
    same(read_picture(save(path, Image.fromarray(rgb), **options)), rgb)
    if suffix != "bmp":
        same(read_picture(save(path, Image.fromarray(rgba), **options)), rgba[..., :3], rgba[..., 3])
    if suffix != "webp":  # which has no gray
        gray = noise(*size)
        same(read_picture(save(path, Image.fromarray(gray), **options)), gray)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_gray_with_alpha(tmp_path: Path, suffix: str) -> None:
    both = noise(HEIGHT, WIDTH, 2)
    same(read_picture(save(tmp_path / f"a.{suffix}", Image.fromarray(both))), both[..., 0], both[..., 1])


@pytest.mark.parametrize("gray", [True, False])
def test_a_jpeg_is_read_as_pillow_reads_it(tmp_path: Path, gray: bool) -> None:
    stored = smooth()[..., 0] if gray else smooth()
    path = save(tmp_path / "a.jpg", Image.fromarray(stored), quality=80)
    with Image.open(path) as image:
        same(read_picture(path), np.asarray(image))


def test_a_bit_and_few_bits_are_gray(tmp_path: Path) -> None:
    bits = noise(HEIGHT, WIDTH) > 127
    for suffix in ("png", "bmp", "tif"):
        same(read_picture(save(tmp_path / f"a.{suffix}", Image.fromarray(bits))), 255 * bits.astype(np.uint8))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_a_palette_becomes_colours(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(noise(HEIGHT, WIDTH, 3)).quantize(30)
    same(read_picture(save(tmp_path / f"a.{suffix}", image)), np.asarray(image.convert("RGB")))


def test_transparent_colours_become_alpha(tmp_path: Path) -> None:
    palette = Image.fromarray(noise(HEIGHT, WIDTH, 3)).quantize(4)
    index = np.asarray(palette)
    path = save(tmp_path / "a.png", palette, transparency=bytes([255, 0, 100, 255]))
    same(read_picture(path), np.asarray(palette.convert("RGB")), np.array([255, 0, 100, 255], np.uint8)[index])
    gray = noise(HEIGHT, WIDTH)
    path = save(tmp_path / "a.png", Image.fromarray(gray), transparency=7)
    same(read_picture(path), gray, np.where(gray == 7, 0, 255).astype(np.uint8))


def test_the_content_decides_the_format(tmp_path: Path) -> None:
    for file_format in ("PNG", "JPEG", "BMP", "TIFF", "WEBP"):
        path = write(tmp_path / "a.png", encoded(Image.fromarray(smooth()), file_format))
        assert read_picture(path).format == file_format


# 16 bits


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_of_png_are_read_as_they_are(tmp_path: Path, channels: int, size: tuple[int, int]) -> None:
    levels = deep_noise(*size, channels)
    pixels = levels[..., :3] if channels >= 3 else levels[..., 0]
    picture = read_picture(write(tmp_path / "a.png", png_16(levels)))
    same(picture, pixels, None if channels % 2 else levels[..., -1])


def tiff_16(levels: NDArray[np.uint16], order: bytes = b"II", **tags: object) -> bytes:
    """A TIFF of one strip, not compressed."""
    height, width, channels = levels.shape
    names = {"photometric": 0x0106, "extra": 0x0152, "planes": 0x011C, "orientation": 0x0112}
    directory = ImageFileDirectory_v2(prefix=order)
    data = levels.astype("<u2" if order == b"II" else ">u2").tobytes()
    settings = {256: width, 257: height, 258: (16,) * channels, 259: 1, 262: 2 if channels >= 3 else 1, 273: 0}
    settings |= {277: channels, 278: height, 279: len(data)} | {names[name]: value for name, value in tags.items()}
    for tag, value in settings.items():
        directory[tag] = value
    content = io.BytesIO()
    directory.save(content)
    return content.getvalue() + data


@pytest.mark.parametrize("order", [b"II", b"MM"])
def test_16_bits_of_tiff_are_read_as_they_are(tmp_path: Path, order: bytes) -> None:
    path, rgba = tmp_path / "a.tif", deep_noise(HEIGHT, WIDTH, 4)
    same(read_picture(write(path, tiff_16(rgba[..., :3], order))), rgba[..., :3])
    same(read_picture(write(path, tiff_16(rgba, order, extra=2))), rgba[..., :3], rgba[..., 3])
    same(read_picture(write(path, tiff_16(rgba, order, extra=0))), rgba[..., :3])  # it may be anything
    same(read_picture(write(path, tiff_16(rgba[..., :1], order))), rgba[..., 0])
    if order == b"II":  # Pillow does not know the other
        same(read_picture(write(path, tiff_16(rgba[..., :1], order, photometric=0))), 65535 - rgba[..., 0])


def test_transparent_levels_of_16_bits_become_alpha(tmp_path: Path) -> None:
    levels = deep_noise(HEIGHT, WIDTH, 3)
    levels[3:9, 4:5] = chosen = np.array([1, 2, 3], np.uint16)
    alpha = np.where((levels == chosen).all(axis=-1), 0, 65535).astype(np.uint16)
    path = write(tmp_path / "a.png", png_16(levels, png_chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))))
    same(read_picture(path), levels, alpha)
    path = write(tmp_path / "a.png", png_16(levels[..., :1], png_chunk(b"tRNS", struct.pack(">H", 1))))
    same(read_picture(path), levels[..., 0], alpha)


@pytest.mark.parametrize("tags", [{"planes": SEPARATE_PLANES}, {"extra": 1}])
def test_16_bits_that_would_be_misread_are_refused(tmp_path: Path, tags: dict[str, int]) -> None:
    path = write(tmp_path / "a.tif", tiff_16(deep_noise(HEIGHT, WIDTH, 4), **({"extra": 2} | tags)))
    with pytest.raises(UserError, match=r"a\.tif .*: "):
        read_picture(path)


# Orientation

ORIENTATIONS = range(1, 9)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "jpg"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_is_shown_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    rgba = noise(HEIGHT, WIDTH, 4)
    image = Image.fromarray(rgba[..., :3] if suffix == "jpg" else rgba)
    path = tmp_path / f"a.{suffix}"
    stored = read_picture(save(path, image, **LOSSLESS.get(suffix, {})))
    turned = read_picture(save(path, image, exif=exif(orientation), **LOSSLESS.get(suffix, {})))
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
    picture = read_picture(write(tmp_path / "a.png", png_16(levels, chunk)))
    same(picture, upright(levels[..., :3], orientation), upright(levels[..., 3], orientation))
    picture = read_picture(write(tmp_path / "a.tif", tiff_16(levels[..., :3], orientation=orientation)))
    same(picture, upright(levels[..., :3], orientation))
    picture = read_picture(write(tmp_path / "a.tif", tiff_16(levels[..., :1], orientation=orientation)))
    same(picture, upright(levels[..., 0], orientation))


def test_turned_resolutions_change_places(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", Image.fromarray(smooth()), dpi=(100, 300), exif=exif(6))
    assert read_picture(path).metadata.dpi == (300, 100)


def test_an_orientation_in_xmp_is_reset_as_well(tmp_path: Path) -> None:
    for suffix in ("jpg", "webp"):
        path = save(tmp_path / f"a.{suffix}", Image.fromarray(smooth()), xmp=XMP)
        picture = read_picture(path)
        assert picture.pixels.shape[:2] == (WIDTH, HEIGHT)
        assert picture.metadata.xmp == XMP.replace(b'"6"', b'"1"')


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
    kept.load(b"Exif\0\0" + (read_picture(path).metadata.exif or b""))
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
    metadata = read_picture(path).metadata
    assert metadata.icc_profile == ICC_PROFILE
    assert metadata.exif is not None
    kept = Image.Exif()
    kept.load(metadata.exif)
    assert kept[0x010F] == "A maker"
    assert kept.get_ifd(0x8769)[0x9003] == "2020:02:03 04:05:06"
    assert kept.get_ifd(0x8825)[1] == "N"
    if suffix != "webp":
        assert metadata.dpi == pytest.approx((72, 72), rel=1e-3)


def test_a_picture_without_metadata_has_none(tmp_path: Path) -> None:
    for suffix in ("png", "tif", "webp", "bmp"):
        metadata = read_picture(save(tmp_path / f"a.{suffix}", Image.fromarray(smooth()))).metadata
        assert (metadata.exif, metadata.xmp, metadata.icc_profile) == (None, None, None)


@pytest.mark.parametrize("damaged", [b"no metadata", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff"])
def test_damaged_metadata_are_left_out_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damaged: bytes
) -> None:
    pixels = noise(HEIGHT, WIDTH)
    path = save(tmp_path / "a.png", Image.fromarray(pixels), exif=b"Exif\0\0" + damaged)
    picture = read_picture(path)
    same(picture, pixels)
    assert picture.metadata.exif is None
    assert "EXIF is damaged" in caplog.text


def test_how_a_file_was_compressed(tmp_path: Path) -> None:
    image = Image.fromarray(smooth())
    for subsampling in (0, 1, 2):
        path = save(tmp_path / "a.jpg", image, quality=60, subsampling=subsampling)
        compression = read_picture(path).compression
        with Image.open(path) as stored:
            assert compression.jpeg_tables == tuple(tuple(stored.quantization[index]) for index in (0, 1))
        assert (compression.lossless, compression.jpeg_subsampling) == (False, subsampling)
    for options, lossless in (({"lossless": True}, True), ({"quality": 80}, False)):
        for metadata in ({}, {"icc_profile": ICC_PROFILE}):
            path = save(tmp_path / "a.webp", image, **options, **metadata)
            assert read_picture(path).compression.lossless is lossless


# Several pictures in one file


@pytest.mark.parametrize(
    ("suffix", "what"), [("webp", "animation of 3"), ("png", "animation of 3"), ("tif", "3 pages")]
)
def test_several_pictures_are_refused(tmp_path: Path, suffix: str, what: str) -> None:
    first, *others = (Image.fromarray(noise(HEIGHT, WIDTH, 3, seed=seed)) for seed in range(3))
    path = save(tmp_path / f"a.{suffix}", first, save_all=True, append_images=others)
    with pytest.raises(UserError, match=rf"a\.{suffix} .*{what}.*: save"):
        read_picture(path)


def test_a_thumbnail_is_no_page(tmp_path: Path) -> None:
    picture, thumbnail = noise(HEIGHT, WIDTH, 3), Image.fromarray(noise(5, 7, 3))
    thumbnail.encoderinfo = {"tiffinfo": {SUBFILE_TYPE: 1}}
    path = save(tmp_path / "a.tif", Image.fromarray(picture), save_all=True, append_images=[thumbnail])
    with Image.open(path) as pages:
        pages.seek(1)
        assert pages.tag_v2[SUBFILE_TYPE] == 1
    same(read_picture(path), picture)


def test_the_first_picture_of_a_phone_is_read(tmp_path: Path) -> None:
    first, second = (Image.fromarray(smooth(HEIGHT + seed)) for seed in range(2))
    path = write(tmp_path / "a.jpg", encoded(first, "MPO", save_all=True, append_images=[second]))
    picture = read_picture(path)
    assert (picture.format, picture.pixels.shape) == ("JPEG", (HEIGHT, WIDTH, 3))
    assert picture.compression.jpeg_tables is not None
