"""What pixels mean: transparency, color spaces, thumbnails, inks and palettes."""

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from odd_images import (
    HEIGHT,
    LONG,
    SHORT,
    WIDTH,
    Tag,
    encoded,
    exif,
    jpeg_segment,
    levels,
    png,
    png_chunk,
    rational,
    tiff,
    tiff_file,
    with_segments,
)
from PIL import ExifTags, Image, ImageCms

from deblur.errors import UserError
from deblur.image_io.decoding import read_gray
from deblur.image_io.images import DecodedImage
from deblur.image_io.reading import read_image
from deblur.image_io.writing import write_image

SUBFILE_TYPE, SUB_DIRECTORIES = 254, 330
COLORS = levels(8, HEIGHT, WIDTH, 3)


def read(folder: Path, content: bytes, name: str = "a.png") -> DecodedImage:
    path = folder / name
    path.write_bytes(content)
    return read_image(path)


def copied(folder: Path, decoded: DecodedImage, name: str) -> tuple[bytes, tuple[str, ...]]:
    lost = write_image(folder / name, decoded)
    return (folder / name).read_bytes(), lost


def chunks(content: bytes) -> dict[bytes, bytes]:
    found, place = {}, 8
    while place < len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        found.setdefault(kind, content[place + 8 : place + 8 + length])
        place += 12 + length
    return found


# Transparency


@pytest.mark.parametrize(("bits", "level"), [(1, 1), (2, 1), (4, 15), (4, 7), (8, 200), (16, 40_000)])
def test_a_transparent_level_of_any_depth(tmp_path: Path, bits: int, level: int) -> None:
    samples = levels(bits, HEIGHT, WIDTH, 1)
    samples[3:6, 4:9] = level
    decoded = read(tmp_path, png(samples, bits, before=[(b"tRNS", struct.pack(">H", level))]))
    hidden = samples[..., 0] == level
    assert decoded.alpha is not None
    np.testing.assert_array_equal(decoded.alpha == 0, hidden)
    np.testing.assert_array_equal(decoded.alpha == np.iinfo(decoded.alpha.dtype).max, ~hidden)
    assert (read_gray(tmp_path / "a.png")[hidden] == 255).all()  # a page is white
    content, _ = copied(tmp_path, decoded, "b.png")
    back = read(tmp_path, content)
    np.testing.assert_array_equal(back.alpha, decoded.alpha)


def test_only_the_low_bits_of_a_transparent_level_count(tmp_path: Path) -> None:
    samples = levels(2, HEIGHT, WIDTH, 1)
    decoded = read(tmp_path, png(samples, 2, before=[(b"tRNS", struct.pack(">H", 0xFFFE))]))
    assert decoded.alpha is not None
    np.testing.assert_array_equal(decoded.alpha == 0, samples[..., 0] == 2)


def test_alpha_that_colors_were_multiplied_by(tmp_path: Path) -> None:
    for bits in (8, 16):
        top = 2**bits - 1
        straight = levels(bits, HEIGHT, WIDTH, 3)
        alpha = np.maximum(levels(bits, HEIGHT, WIDTH, 1, seed=4), top // 2).astype(straight.dtype)
        multiplied = np.rint(straight.astype(np.float64) * alpha / top).astype(straight.dtype)
        samples = np.dstack([multiplied, alpha])
        decoded = read(tmp_path, tiff(samples, bits, 2, tags={338: (SHORT, [1])}), "a.tif")
        np.testing.assert_array_equal(decoded.alpha, alpha[..., 0])
        assert np.abs(decoded.pixels.astype(int) - straight).max() <= 2


@pytest.mark.parametrize("planar", [False, True])
def test_alpha_behind_another_sample(tmp_path: Path, planar: bool) -> None:
    samples = levels(8, HEIGHT, WIDTH, 3)
    decoded = read(tmp_path, tiff(samples, 8, 1, planar=planar, tags={338: (SHORT, [0, 2])}), "a.tif")
    np.testing.assert_array_equal(decoded.pixels, samples[..., 0])
    np.testing.assert_array_equal(decoded.alpha, samples[..., 2])
    more = levels(8, HEIGHT, WIDTH, 5)
    content = tiff(more, 8, 2, planar=planar, tags={338: (SHORT, [0, 2])})
    if planar:
        np.testing.assert_array_equal(read(tmp_path, content, "a.tif").alpha, more[..., 4])
    else:
        with pytest.raises(UserError, match="cannot be read: it is a TIFF of 5 channels of 8 bits"):
            read(tmp_path, content, "a.tif")


# Color spaces


def color_chunks() -> list[tuple[bytes, bytes]]:
    return [
        (b"cICP", bytes([9, 16, 0, 1])),
        (b"gAMA", struct.pack(">I", 100_000)),
        (b"cHRM", struct.pack(">8I", 31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)),
        (b"mDCV", bytes(range(24))),
        (b"cLLI", bytes(range(8))),
    ]


@pytest.mark.parametrize("bits", [8, 16])
def test_color_chunks_of_a_png_are_kept(tmp_path: Path, bits: int) -> None:
    given = [*color_chunks(), (b"sRGB", b"\1")]
    decoded = read(tmp_path, png(levels(bits, HEIGHT, WIDTH, 3), bits, before=given))
    content, lost = copied(tmp_path, decoded, "b.png")
    assert lost == ()
    found = chunks(content)
    assert {kind: found.get(kind) for kind, _ in given} == dict(given)
    assert content.index(b"gAMA") < content.index(b"IDAT")
    with Image.open(io.BytesIO(content)) as image:
        image.verify()


def shown(content: bytes) -> NDArray[np.uint8]:
    """The sRGB levels that a color-managed viewer shows."""
    with Image.open(io.BytesIO(content)) as image:
        profile = image.info["icc_profile"]
        image = image.convert("L" if image.mode == "L" else "RGB")
        found = ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
        assert found is not None
        return np.asarray(found)


@pytest.mark.parametrize("suffix", ["tif", "webp", "jpg"])
@pytest.mark.parametrize("channels", [1, 3])
def test_linear_light_becomes_a_profile_in_other_formats(tmp_path: Path, suffix: str, channels: int) -> None:
    linear = levels(8, HEIGHT, WIDTH, channels)
    decoded = read(tmp_path, png(linear, before=[(b"gAMA", struct.pack(">I", 100_000))]))
    content, lost = copied(tmp_path, decoded, f"b.{suffix}")
    assert lost == ()
    light = (linear if channels == 3 else linear.repeat(3, axis=2)) / 255
    encoded_light = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(shown(content) - 255 * encoded_light).mean() < 3


@pytest.mark.parametrize(
    ("chunk", "primaries"),
    [
        (color_chunks()[2], (0.68, 0.32, 0.265, 0.69, 0.15, 0.06)),
        ((b"cICP", bytes([12, 13, 0, 1])), (0.68, 0.32, 0.265, 0.69, 0.15, 0.06)),
        ((b"cICP", bytes([9, 13, 0, 1])), (0.708, 0.292, 0.17, 0.797, 0.131, 0.046)),
    ],
)
def test_wide_primaries_become_a_profile_in_other_formats(
    tmp_path: Path, chunk: tuple[bytes, bytes], primaries: tuple[float, ...]
) -> None:
    decoded = read(tmp_path, png(COLORS, before=[chunk]))
    content, _ = copied(tmp_path, decoded, "b.tif")
    with Image.open(io.BytesIO(content)) as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"])).profile
    for found, (x, y) in zip(
        (profile.red_primary, profile.green_primary, profile.blue_primary),
        (primaries[0:2], primaries[2:4], primaries[4:6]),
        strict=True,
    ):
        assert found is not None
        assert found[1][:2] == pytest.approx((x, y), abs=0.03)  # adapted from D65 to D50


@pytest.mark.parametrize(
    "given",
    [
        [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45_455))],
        [(b"gAMA", struct.pack(">I", 45_455))],
        [(b"cICP", bytes([1, 13, 0, 1]))],
        [],
    ],
)
def test_what_is_srgb_needs_no_profile(tmp_path: Path, given: Sequence[tuple[bytes, bytes]]) -> None:
    decoded = read(tmp_path, png(COLORS, before=given))
    for suffix in ("jpg", "webp", "tif"):
        copied(tmp_path, decoded, f"b.{suffix}")
        assert read_image(tmp_path / f"b.{suffix}").metadata.icc_profile is None


@pytest.mark.parametrize(("number", "name"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_is_not_written_where_nothing_says_so(tmp_path: Path, number: int, name: str) -> None:
    decoded = read(tmp_path, png(COLORS, before=[(b"cICP", bytes([9, number, 0, 1]))]))
    for suffix in ("jpg", "webp", "tif", "bmp"):
        with pytest.raises(UserError, match=rf"b\.{suffix}: .* high dynamic range \({name}\); name a \.png file"):
            write_image(tmp_path / f"b.{suffix}", decoded)
    assert copied(tmp_path, decoded, "b.png")[1] == ()


def gray_profile(gamma: float) -> bytes:
    """A profile of gray, version 2, with one exponent."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63_190, 65_536, 54_061)
    tags = [(b"kTRC", curve.ljust(16, b"\0")), (b"wtpt", white)]
    start = 128 + 4 + 12 * len(tags)
    table, body = b"", b""
    for name, data in tags:
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data
    header = struct.pack(">I4xI4s4s4s12x4s", start + len(body), 0x02400000, b"mntr", b"GRAY", b"XYZ ", b"acsp")
    return (header + bytes(28) + white[8:]).ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_profile_of_gray_stays_with_gray(tmp_path: Path, suffix: str) -> None:
    profile = gray_profile(1.0)
    decoded = read(tmp_path, encoded(Image.fromarray(COLORS[..., 0]), "JPEG", icc_profile=profile), "a.jpg")
    _, lost = copied(tmp_path, decoded, f"b.{suffix}")
    assert lost == ()
    assert read_image(tmp_path / f"b.{suffix}").metadata.icc_profile == profile


@pytest.mark.parametrize("suffix", ["webp", "avif"])
def test_a_profile_of_gray_becomes_one_of_rgb_with_its_curve(tmp_path: Path, suffix: str) -> None:
    content = encoded(Image.fromarray(COLORS[..., 0]), "PNG", icc_profile=gray_profile(1.0))
    decoded = read(tmp_path, content)
    copy, lost = copied(tmp_path, decoded, f"b.{suffix}")
    assert lost == ()
    with Image.open(io.BytesIO(copy)) as image:
        assert image.mode == "RGB"
        assert image.info["icc_profile"][16:20] == b"RGB "
    assert np.abs(shown(copy).astype(float) - shown(content)).mean() < 2


@pytest.mark.parametrize(
    ("space", "pixels", "said"),
    [
        (b"CMYK", COLORS, "one of CMYK and not of RGB"),
        (b"GRAY", COLORS, "one of GRAY and not of RGB"),
        (b"RGB ", COLORS[..., 0], "one of RGB and not of gray"),
        (b"Lab ", COLORS[..., 0], "one of Lab and not of gray"),
    ],
)
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_profile_of_other_colors_is_left_out_and_named(
    tmp_path: Path, suffix: str, space: bytes, pixels: NDArray[Any], said: str
) -> None:
    profile = bytearray(gray_profile(1.0))
    profile[16:20] = space
    decoded = read(tmp_path, encoded(Image.fromarray(pixels), "JPEG", icc_profile=bytes(profile)), "a.jpg")
    _, lost = copied(tmp_path, decoded, f"b.{suffix}")
    assert lost == (f"the ICC profile, which is {said}",)
    assert read_image(tmp_path / f"b.{suffix}").metadata.icc_profile is None


# Thumbnails and levels


def directory(pixels: NDArray[Any], start: int, tags: dict[int, Tag]) -> dict[int, Tag]:
    height, width, channels = pixels.shape
    return {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [8] * channels),
        259: (SHORT, [1]),
        262: (SHORT, [2]),
        273: (LONG, [start]),
        277: (SHORT, [channels]),
        278: (LONG, [height]),
        279: (LONG, [pixels.size]),
    } | tags


FULL, SMALL = levels(8, 48, 64, 3, seed=5), levels(8, 12, 16, 3, seed=6)
BOTH = SMALL.tobytes() + FULL.tobytes()


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("first", ["thumbnail", "full"])
@pytest.mark.parametrize("mark", [{SUBFILE_TYPE: (LONG, [1])}, {255: (SHORT, [2])}])
def test_the_full_image_is_read_wherever_the_thumbnail_stands(
    tmp_path: Path, mark: dict[int, Tag], first: str, big: bool
) -> None:
    pages = [directory(SMALL, 0, mark), directory(FULL, SMALL.size, {SUBFILE_TYPE: (LONG, [0])})]
    content = tiff_file(pages if first == "thumbnail" else pages[::-1], BOTH, big=big)
    np.testing.assert_array_equal(read(tmp_path, content, "a.tif").pixels, FULL)
    assert read_gray(tmp_path / "a.tif").shape == (48, 64)


def within(content: bytes) -> bytes:
    """A TIFF whose second directory stands within the first, and not behind it."""
    start = struct.unpack_from("<I", content, 4)[0]
    count = struct.unpack_from("<H", content, start)[0]
    link = start + 2 + 12 * count
    second = struct.unpack_from("<I", content, link)[0]
    changed = bytearray(content)
    struct.pack_into("<I", changed, link, 0)
    place = next(p for p in range(start + 2, link, 12) if struct.unpack_from("<H", content, p)[0] == SUB_DIRECTORIES)
    struct.pack_into("<I", changed, place + 8, second)
    return bytes(changed)


def test_the_full_image_within_a_thumbnail_is_read(tmp_path: Path) -> None:
    reduced: dict[int, Tag] = {SUBFILE_TYPE: (LONG, [1]), SUB_DIRECTORIES: (LONG, [0])}
    content = within(tiff_file([directory(SMALL, 0, reduced), directory(FULL, SMALL.size, {})], BOTH))
    np.testing.assert_array_equal(read(tmp_path, content, "a.tif").pixels, FULL)


def test_levels_within_an_image_are_left_out(tmp_path: Path) -> None:
    levels_within: dict[int, Tag] = {SUB_DIRECTORIES: (LONG, [0])}
    reduced: dict[int, Tag] = {SUBFILE_TYPE: (LONG, [1])}
    content = within(tiff_file([directory(FULL, SMALL.size, levels_within), directory(SMALL, 0, reduced)], BOTH))
    np.testing.assert_array_equal(read(tmp_path, content, "a.tif").pixels, FULL)


def test_the_largest_of_reduced_images_is_read(tmp_path: Path) -> None:
    reduced: dict[int, Tag] = {SUBFILE_TYPE: (LONG, [1])}
    content = tiff_file([directory(SMALL, 0, reduced), directory(FULL, SMALL.size, reduced)], BOTH)
    np.testing.assert_array_equal(read(tmp_path, content, "a.tif").pixels, FULL)


def test_a_thumbnail_as_exif_keeps_them_is_no_page(tmp_path: Path) -> None:
    old_jpeg: dict[int, Tag] = {259: (SHORT, [6]), 513: (LONG, [0]), 514: (LONG, [10])}
    content = tiff_file([directory(FULL, SMALL.size, {}), directory(SMALL, 0, old_jpeg)], BOTH)
    np.testing.assert_array_equal(read(tmp_path, content, "a.tif").pixels, FULL)


def test_pages_are_counted_without_thumbnails_and_loops_end(tmp_path: Path) -> None:
    pages = [directory(FULL, SMALL.size, {}), directory(SMALL, 0, {SUBFILE_TYPE: (LONG, [1])}), directory(SMALL, 0, {})]
    content = bytearray(tiff_file(pages, BOTH))
    with pytest.raises(UserError, match=r"a\.tif has 2 pages: save"):
        read(tmp_path, bytes(content), "a.tif")
    start = struct.unpack_from("<I", content, 4)[0]
    for _ in range(2):
        start = struct.unpack_from("<I", content, start + 2 + 12 * struct.unpack_from("<H", content, start)[0])[0]
    struct.pack_into("<I", content, start + 2 + 12 * struct.unpack_from("<H", content, start)[0], 8)
    with pytest.raises(UserError):
        read(tmp_path, bytes(content), "a.tif")


def test_a_mask_is_no_page_and_is_named(tmp_path: Path) -> None:
    mask = directory(SMALL, 0, {SUBFILE_TYPE: (LONG, [4])})
    decoded = read(tmp_path, tiff_file([directory(FULL, SMALL.size, {}), mask], BOTH), "a.tif")
    np.testing.assert_array_equal(decoded.pixels, FULL)
    assert decoded.metadata.lost == ("the transparency mask",)


def with_thumbnail(jpeg: bytes) -> bytes:
    """EXIF with a thumbnail at its end."""
    main = bytearray(exif(1))
    order = ">" if main.startswith(b"MM") else "<"
    main += bytes(len(main) % 2)
    (count,) = struct.unpack_from(f"{order}H", main, 8)
    struct.pack_into(f"{order}I", main, 10 + 12 * count, len(main))
    start = len(main) + 2 + 12 * 2 + 4
    entries = struct.pack(f"{order}HHIIHHII", 0x0201, 4, 1, start, 0x0202, 4, 1, len(jpeg))
    return bytes(main) + struct.pack(f"{order}H", 2) + entries + bytes(4) + jpeg


def test_the_first_of_several_jpegs_is_read_and_not_its_thumbnail(tmp_path: Path) -> None:
    thumbnail = encoded(Image.fromarray(SMALL), "JPEG")
    first = with_segments(
        encoded(Image.fromarray(FULL), "JPEG", quality=95), jpeg_segment(0xE1, b"Exif\0\0" + with_thumbnail(thumbnail))
    )
    with Image.open(io.BytesIO(first)) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1)[0x0202] == len(thumbnail)
    decoded = read(tmp_path, first + thumbnail, "a.jpg")
    assert decoded.pixels.shape == FULL.shape
    assert decoded.metadata.lost == ("the images or data behind the first image",)
    content, _ = copied(tmp_path, decoded, "b.jpg")
    assert content.count(b"\xff\xd8\xff") == 1
    with Image.open(io.BytesIO(content)) as image:
        assert image.getexif()[0x010F] == "A maker"
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1) == {}


# Inks, palettes and chroma


def subsampled(order: str) -> tuple[bytes, NDArray[np.float64]]:
    """A TIFF of YCbCr with one chroma for 2x2 pixels, not compressed, and its RGB."""
    luma = levels(8, 24, 32, 1, seed=2)[..., 0] // 2 + 60
    chroma = levels(8, 12, 16, 2, seed=3) // 4 + 96
    blocks = luma.reshape(12, 2, 16, 2).transpose(0, 2, 1, 3).reshape(12, 16, 4)
    data = np.concatenate([blocks, chroma], axis=2).astype(np.uint8).tobytes()
    tags: dict[int, Tag] = {
        256: (LONG, [32]),
        257: (LONG, [24]),
        258: (SHORT, [8, 8, 8]),
        259: (SHORT, [1]),
        262: (SHORT, [6]),
        273: (LONG, [0]),
        277: (SHORT, [3]),
        278: (LONG, [24]),
        279: (LONG, [len(data)]),
        530: (SHORT, [2, 2]),
        532: (5, [0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1]),
    }
    whole = chroma.repeat(2, axis=0).repeat(2, axis=1).astype(np.float64) - 128
    blue, red = whole[..., 0], whole[..., 1]
    rgb = np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], axis=-1)
    return tiff_file([tags], data, order=order), np.clip(rgb, 0, 255)


@pytest.mark.parametrize("order", ["<", ">"])
def test_subsampled_chroma_of_a_tiff(tmp_path: Path, order: str) -> None:
    content, expected = subsampled(order)
    decoded = read(tmp_path, content, "a.tif")
    assert np.abs(decoded.pixels - expected).max() <= 2
    luma = expected @ [0.299, 0.587, 0.114]
    assert np.abs(read_gray(tmp_path / "a.tif") - luma).max() <= 2


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("compression", [1, 8])
def test_whole_chroma_of_a_tiff(tmp_path: Path, compression: int, planar: bool) -> None:
    image = Image.fromarray(COLORS).convert("YCbCr")
    tags: dict[int, Tag] = {530: (SHORT, [1, 1]), 532: (5, [0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1])}
    content = tiff(np.asarray(image), 8, 6, compression=compression, planar=planar, tags=tags)
    np.testing.assert_array_equal(read(tmp_path, content, "a.tif").pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("scale", [1, 256, 257])
def test_palettes_of_8_and_of_16_bits(tmp_path: Path, scale: int) -> None:
    palette = levels(8, 256, 1, 3, seed=8)[:, 0]
    index = levels(8, HEIGHT, WIDTH, 1)
    tags: dict[int, Tag] = {320: (SHORT, (palette.T.astype(int) * scale).ravel().tolist())}
    decoded = read(tmp_path, tiff(index, 8, 3, tags=tags), "a.tif")
    np.testing.assert_array_equal(decoded.pixels, palette[index[..., 0]])


def test_a_palette_of_65536_colors(tmp_path: Path) -> None:
    palette = np.random.default_rng(0).integers(0, 256, (65_536, 3), dtype=np.uint8)
    index = levels(16, HEIGHT, WIDTH, 1)
    tags: dict[int, Tag] = {320: (SHORT, (palette.T.astype(int) * 257).ravel().tolist())}
    decoded = read(tmp_path, tiff(index, 16, 3, tags=tags), "a.tif")
    np.testing.assert_array_equal(decoded.pixels, palette[index[..., 0]])


@pytest.mark.parametrize("adobe", [True, False])
def test_inks_are_refused_and_their_luma_is_read(tmp_path: Path, adobe: bool) -> None:
    inks = Image.fromarray(COLORS).convert("CMYK")
    content = encoded(inks, "JPEG", quality=95)  # inverted, as Adobe does
    if not adobe:
        marker = content.index(b"\xff\xee")
        content = content[:marker] + content[marker + 16 :]
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.jpg has the CMYK colors of a print: convert it to RGB"):
        read_image(path)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB").convert("L")).astype(int)
    assert np.abs(read_gray(path) - expected).max() <= 1


def test_old_jpegs_in_tiffs_are_read_as_libtiff_does(tmp_path: Path) -> None:
    """TIFF 6.0's own way to hold a JPEG: one stream of which tags tell the place."""
    stream = encoded(Image.fromarray(FULL), "JPEG", quality=95, subsampling=0)
    tags: dict[int, Tag] = {
        256: (LONG, [64]),
        257: (LONG, [48]),
        258: (SHORT, [8, 8, 8]),
        259: (SHORT, [6]),
        262: (SHORT, [6]),
        273: (LONG, [0]),
        277: (SHORT, [3]),
        278: (LONG, [48]),
        279: (LONG, [len(stream)]),
        512: (SHORT, [1]),
        513: (LONG, [8]),
        514: (LONG, [len(stream)]),
        530: (SHORT, [1, 1]),
    }
    decoded = read(tmp_path, tiff_file([tags], stream), "a.tif")
    assert np.abs(decoded.pixels.astype(int) - FULL).mean() < 4


def test_a_damaged_strip_is_no_other_kind(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = tiff(COLORS, 8, 2, compression=8, rows=HEIGHT)
    broken = content[:20] + bytes(40) + content[60:]
    with pytest.raises(UserError, match=r"a\.tif is damaged"):
        read(tmp_path, broken, "a.tif")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("sizes", [(LONG, [0]), None])
def test_strips_of_wrong_or_no_sizes(tmp_path: Path, sizes: Tag | None) -> None:
    tags: dict[int, Tag] = directory(FULL, 0, {})
    if sizes is None:
        del tags[279]
    else:
        tags[279] = sizes
    np.testing.assert_array_equal(read(tmp_path, tiff_file([tags], FULL.tobytes()), "a.tif").pixels, FULL)


def test_a_long_text_is_no_reason_to_refuse_a_png(tmp_path: Path) -> None:
    long = zlib.compress(b"a" * 2_000_000)
    content = png(COLORS, before=[(b"zTXt", b"Comment\0\0" + long), (b"iCCP", b"p\0\0" + long)])
    decoded = read(tmp_path, content)
    np.testing.assert_array_equal(decoded.pixels, COLORS)
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), np.asarray(Image.fromarray(COLORS).convert("L")))
    copy, lost = copied(tmp_path, decoded, "b.png")
    assert chunks(copy)[b"zTXt"] == b"Comment\0\0" + long
    assert lost == ("the ICC profile, which is damaged",)


def test_a_bomb_of_text_is_left_alone(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(60_000_000))
    content = png(COLORS, before=[(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb), (b"iCCP", b"p\0\0" + bomb)])
    decoded = read(tmp_path, content)
    assert (decoded.metadata.xmp, decoded.metadata.icc_profile) == (None, None)


def test_a_damaged_text_is_left_out(tmp_path: Path) -> None:
    content = png(COLORS, before=[(b"tEXt", b"Title\0abc")])
    broken = content.replace(png_chunk(b"tEXt", b"Title\0abc"), png_chunk(b"tEXt", b"Title\0abc")[:-1] + b"!")
    decoded = read(tmp_path, broken)
    np.testing.assert_array_equal(decoded.pixels, COLORS)
    assert decoded.metadata.texts == ()


def test_an_animation_in_which_nothing_moves_is_an_image(tmp_path: Path) -> None:
    for control, kind in ((struct.pack(">II", 1, 0), "one frame"), (struct.pack(">II", 0, 0), "none")):
        frame = struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
        decoded = read(tmp_path, png(COLORS, before=[(b"acTL", control), (b"fcTL", frame)]))
        np.testing.assert_array_equal(decoded.pixels, COLORS, err_msg=kind)


def test_16_bits_are_reckoned_as_such_for_training(tmp_path: Path) -> None:
    deep = levels(16, HEIGHT, WIDTH, 4)
    expected = deep[..., :3] @ np.array([0.299, 0.587, 0.114])
    alpha = deep[..., 3] / 65535
    on_white = (expected * alpha + 65535 * (1 - alpha)) / 257
    (tmp_path / "a.png").write_bytes(png(deep, 16))
    assert np.abs(read_gray(tmp_path / "a.png") - on_white).max() <= 0.51
    (tmp_path / "a.tif").write_bytes(tiff(deep, 16, 2, tags={338: (SHORT, [2]), 282: rational(72)}))
    np.testing.assert_array_equal(read_gray(tmp_path / "a.tif"), read_gray(tmp_path / "a.png"))
