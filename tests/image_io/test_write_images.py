import errno
import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from decoded_files import HEIGHT, ICC_PROFILE, SIZES, WIDTH, XMP, deep_noise, exif, noise, png_16, save, smooth
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from deblur.errors import UserError
from deblur.image_io.formats.metadata import Resolution
from deblur.image_io.images import Compression, DecodedImage, Metadata, output_format, refuse_unfit
from deblur.image_io.reading import read_image
from deblur.image_io.writing import write_image

EXIF = exif().tobytes().removeprefix(b"Exif\0\0")
METADATA = Metadata(
    exif=EXIF, xmp=XMP.replace(b'"6"', b'"1"'), icc_profile=ICC_PROFILE, resolution=Resolution(300, 150)
)
EXACT = [".png", ".tif", ".tiff", ".webp", ".bmp"]
MAKERS = {8: noise, 16: deep_noise}


def decoded(levels: NDArray[Any], metadata: Metadata = METADATA) -> DecodedImage:
    """An image of one to four channels."""
    channels = levels.shape[2]
    pixels = levels[..., :3] if channels >= 3 else levels[..., 0]
    return DecodedImage(pixels, levels[..., -1] if channels % 2 == 0 else None, "PNG", metadata)


def written(path: Path, made: DecodedImage) -> DecodedImage:
    write_image(path, made)
    return read_image(path)


def same(one: DecodedImage, other: DecodedImage) -> None:
    assert one.pixels.dtype == other.pixels.dtype
    np.testing.assert_array_equal(one.pixels, other.pixels)
    assert (one.alpha is None) == (other.alpha is None)
    if one.alpha is not None:
        np.testing.assert_array_equal(one.alpha, other.alpha)


# Round trips


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("suffix", EXACT)
def test_what_is_exact_comes_back(tmp_path: Path, suffix: str, bits: int, channels: int) -> None:
    for size in SIZES:
        made, path = decoded(MAKERS[bits](*size, channels)), tmp_path / f"a{suffix}"
        if suffix in (".webp", ".bmp") and bits == 16:
            with pytest.raises(UserError, match=r"holds 8 bits a channel, the image has 16; name a \.png"):
                write_image(path, made)
            continue
        if suffix == ".bmp" and channels % 2 == 0:
            with pytest.raises(UserError, match=r"holds no transparency, the image has some; name a \.png"):
                write_image(path, made)
            continue
        back = written(path, made)
        if suffix == ".webp" and channels <= 2:
            made = replace(made, pixels=np.repeat(made.pixels[..., None], 3, axis=2))
        same(back, made)
        assert back.format == output_format(path)


def test_gray_with_alpha_of_16_bits_in_tiff(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    levels = deep_noise(HEIGHT, WIDTH, 2)
    write_image(tmp_path / "a.tif", decoded(levels))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.asarray(), levels)
        assert file.pages[0].extrasamples == (2,)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_other_programs_read_16_bits(tmp_path: Path, suffix: str, channels: int) -> None:
    levels = deep_noise(701, 555, channels)  # several blocks
    write_image(tmp_path / f"a{suffix}", decoded(levels))
    stored = cv2.imread(str(tmp_path / f"a{suffix}"), cv2.IMREAD_UNCHANGED).reshape(701, 555, channels)
    np.testing.assert_array_equal(stored[..., [2, 1, 0, 3][:channels] if channels > 1 else [0]], levels)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_are_compressed(tmp_path: Path, suffix: str) -> None:
    levels = smooth(300, 300).astype(np.uint16) * 257
    write_image(tmp_path / f"a{suffix}", decoded(levels))
    assert (tmp_path / f"a{suffix}").stat().st_size < 0.5 * levels.nbytes


def test_an_image_of_one_color_channel_stays_gray(tmp_path: Path) -> None:
    for suffix in (".png", ".tif", ".bmp", ".jpg"):
        assert written(tmp_path / f"a{suffix}", decoded(noise(HEIGHT, WIDTH, 1))).pixels.ndim == 2


# Lossy formats


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [50, 90])
@pytest.mark.parametrize("gray", [True, False])
def test_a_jpeg_keeps_its_tables(tmp_path: Path, quality: int, subsampling: int, gray: bool) -> None:
    stored = smooth()[..., 0] if gray else smooth()
    chroma = {} if gray else {"subsampling": subsampling}
    first = read_image(save(tmp_path / "a.jpg", Image.fromarray(stored), quality=quality, **chroma))
    second = written(tmp_path / "b.jpg", first)
    assert second.compression == first.compression
    assert first.compression.jpeg_tables is not None
    assert np.abs(second.pixels.astype(int) - first.pixels).mean() < 1.5


def test_what_was_no_jpeg_becomes_a_good_one(tmp_path: Path) -> None:
    back = written(tmp_path / "a.jpg", DecodedImage(smooth(), None, "PNG"))
    save(tmp_path / "b.jpg", Image.fromarray(smooth()), quality=95, subsampling=0)
    assert back.compression == read_image(tmp_path / "b.jpg").compression
    assert back.compression.jpeg_subsampling == 0


def test_a_webp_is_as_lossless_as_its_source(tmp_path: Path) -> None:
    for lossless in (True, False):
        made = DecodedImage(smooth(), None, "WEBP", compression=Compression(lossless=lossless))
        back = written(tmp_path / "a.webp", made)
        assert back.compression.lossless is lossless
        assert np.array_equal(back.pixels, made.pixels) is lossless
        assert np.abs(back.pixels.astype(int) - made.pixels).mean() < 4


# Metadata


@pytest.mark.parametrize(
    ("suffix", "bits"), [(".png", 8), (".png", 16), (".tif", 8), (".tif", 16), (".jpg", 8), (".webp", 8)]
)
def test_metadata_are_kept(tmp_path: Path, suffix: str, bits: int) -> None:
    back = written(tmp_path / f"a{suffix}", decoded(MAKERS[bits](HEIGHT, WIDTH, 3))).metadata
    assert back.icc_profile == ICC_PROFILE
    assert back.xmp == METADATA.xmp
    assert back.exif is not None
    kept = Image.Exif()
    kept.load(back.exif)
    assert (kept[0x010F], kept.get_ifd(0x8769)[0x9003], kept.get_ifd(0x8825)[1]) == (
        "A maker",
        "2020:02:03 04:05:06",
        "N",
    )
    if suffix == ".webp":
        assert back.dpi is None
    else:
        assert back.dpi == pytest.approx((300, 150), rel=1e-3)
    with Image.open(tmp_path / f"a{suffix}") as image:  # a viewer turns nothing
        assert image.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_looks_the_same_afterwards(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = save(tmp_path / "a.jpg", Image.fromarray(smooth()), exif=exif(orientation))
    first = read_image(path)
    second = written(tmp_path / f"b{suffix}", first)
    assert second.pixels.shape == first.pixels.shape
    assert np.abs(second.pixels.astype(int) - first.pixels).mean() < 3


def test_metadata_of_one_format_go_into_another(tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(png_16(deep_noise(HEIGHT, WIDTH, 3)))
    made = replace(read_image(source), metadata=METADATA)
    for suffix in (".tif", ".png"):
        made = written(tmp_path / f"b{suffix}", made)
        assert made.metadata.icc_profile == ICC_PROFILE
        assert made.metadata.dpi == pytest.approx((300, 150), rel=1e-3)


def test_metadata_that_do_not_fit_are_left_out_and_named(tmp_path: Path) -> None:
    made = decoded(noise(HEIGHT, WIDTH, 3))
    assert write_image(tmp_path / "a.bmp", made) == (
        "the EXIF, which BMP cannot hold",
        "the XMP, which BMP cannot hold",
        "the color profile, which BMP cannot hold",
    )
    assert read_image(tmp_path / "a.bmp").metadata.icc_profile is None
    long = replace(made, metadata=replace(METADATA, xmp=b"x" * 70_000))
    assert write_image(tmp_path / "a.jpg", long) == ("the XMP, which JPEG cannot hold",)
    metadata = read_image(tmp_path / "a.jpg").metadata
    assert (metadata.xmp, metadata.icc_profile) == (None, ICC_PROFILE)
    assert write_image(tmp_path / "a.png", long) == ()
    assert read_image(tmp_path / "a.png").metadata.xmp == b"x" * 70_000


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.integers(8, len(EXIF) - 1), st.integers(0, 255), min_size=1, max_size=5))
def test_damaged_exif_is_no_reason_to_lose_an_image(tmp_path: Path, changes: dict[int, int]) -> None:
    damaged = bytearray(EXIF)
    for place, value in changes.items():
        damaged[place] = value
    made = decoded(noise(3, 4, 3), Metadata(exif=bytes(damaged)))
    for suffix in (".tif", ".png", ".jpg", ".webp", ".avif"):
        write_image(tmp_path / f"a{suffix}", made)
    same(read_image(tmp_path / "a.tif"), made)


def test_damaged_exif_is_named(tmp_path: Path) -> None:
    damaged = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x0f\x01\x05\0\x01\0\0\0\x1a\0\0\0" + bytes(4) + b"\xff" * 8
    made = decoded(noise(3, 4, 3), Metadata(exif=damaged, icc_profile=ICC_PROFILE))
    (lost,) = write_image(tmp_path / "a.tif", made)
    assert lost.startswith("the EXIF, which is damaged")
    assert read_image(tmp_path / "a.tif").metadata.icc_profile == ICC_PROFILE


def test_an_impossible_resolution_is_left_out(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", Image.fromarray(noise(3, 4, 3)), dpi=(1e9, 1e9))
    assert read_image(path).metadata.dpi is None


# What is refused


def test_an_unknown_suffix(tmp_path: Path) -> None:
    made = decoded(noise(2, 2, 1))
    for name, found in (("a.gif", r"ends in \.gif"), ("a", "has no suffix")):
        with pytest.raises(UserError, match=rf"{name} {found}, .* end it in \.apng, \.avif, \.bmp"):
            write_image(tmp_path / name, made)
    assert output_format(Path("A.JPEG")) == "JPEG"


def test_what_a_format_cannot_hold(tmp_path: Path) -> None:
    deep, transparent = decoded(deep_noise(3, 4, 3)), decoded(noise(3, 4, 4))
    for made, reason in ((deep, "JPEG holds 8 bits"), (transparent, "JPEG holds no transparency")):
        with pytest.raises(UserError, match=reason):
            refuse_unfit(made, tmp_path / "a.jpg")
        with pytest.raises(UserError, match=reason):
            write_image(tmp_path / "a.jpg", made)
        refuse_unfit(made, tmp_path / "a.png")
    wide = DecodedImage(np.zeros((1, 20_000), np.uint8), None, "PNG")
    with pytest.raises(UserError, match="WEBP holds images of up to 16383 px a side, this one has 20000x1"):
        write_image(tmp_path / "a.webp", wide)
    assert list(tmp_path.iterdir()) == []


def test_an_opaque_alpha_is_no_obstacle(tmp_path: Path) -> None:
    made = decoded(np.dstack([smooth(), np.full((HEIGHT, WIDTH), 255, np.uint8)]))
    for suffix in (".jpg", ".bmp"):
        assert written(tmp_path / f"a{suffix}", made).alpha is None


# Failing disks


def test_a_folder_is_made(tmp_path: Path) -> None:
    assert written(tmp_path / "new" / "folder" / "a.png", decoded(noise(2, 3, 3))).pixels.shape == (2, 3, 3)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r".*a\.png cannot be written \(.*\): name a folder"):
        write_image(tmp_path / "file" / "a.png", decoded(noise(2, 3, 3)))


@pytest.mark.parametrize("stops", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("name", ["replace", "chmod"])
def test_nothing_is_left_where_writing_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, stops: BaseException
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"what was there")

    def stop(*_: object) -> None:
        raise stops

    monkeypatch.setattr(os, name, stop)
    is_disk = isinstance(stops, OSError)
    with pytest.raises(UserError if is_disk else KeyboardInterrupt, match="No space left" if is_disk else None):
        write_image(path, decoded(noise(2, 3, 3)))
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    assert path.read_bytes() == b"what was there"


def test_an_encoder_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("encoder error -2 when writing image file")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(UserError, match=r"a\.jpg cannot be encoded as JPEG \(encoder error -2.*\): name a \.png file"):
        write_image(tmp_path / "a.jpg", decoded(noise(2, 3, 3)))
    assert list(tmp_path.iterdir()) == []


def test_pillow_reads_the_metadata_of_16_bits(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", decoded(deep_noise(3, 4, 4)))
    content = (tmp_path / "a.png").read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        image.verify()  # checks every chunk
    for one, before in ((b"iCCP", b"IDAT"), (b"pHYs", b"IDAT"), (b"eXIf", b"IEND")):
        assert 0 < content.index(one) < content.index(before)
