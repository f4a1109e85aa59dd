"""Intact files of kinds that are not read are named as such; names of files that are read."""

import base64
import importlib.util
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_images import (
    ASCII,
    BYTE,
    HEIGHT,
    LONG,
    SHORT,
    WIDTH,
    bmp_fields,
    encoded,
    levels,
    png,
    tiff,
)
from PIL import Image

from deblur.errors import UserError
from deblur.image_io.decoding import BadImageError, read_gray
from deblur.image_io.formats.opening import RAW_SUFFIXES
from deblur.image_io.reading import read_image
from deblur.image_io.writing import write_image
from deblur.inference.places import plan

COLORS = levels(8, HEIGHT, WIDTH, 3)
IMAGE = Image.fromarray(COLORS)
# A gray ramp of 16 px, 8 levels a row and 7 a column, by libjpeg-turbo's cjpeg -arithmetic -quality 50
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBk"
    "eFxlZ2P/yQALCAAQABABAREA/8wABgAQEAX/2gAIAQEAAD8A/wBtnjuH99MkOPiYQWxi/pf/2Q=="
)


def refused(folder: Path, content: bytes, name: str) -> str:
    """The one sentence that refuses a file; training refuses it with the same reason."""
    path = folder / name
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_image(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path} ")
    assert "\n" not in sentence
    with pytest.raises(BadImageError) as bad:
        read_gray(path)
    assert str(bad.value) in sentence
    return sentence.removeprefix(f"{path} ")


def media(*brands: bytes) -> bytes:
    listed = brands[0] + bytes(4) + b"".join(brands)
    return struct.pack(">I", 8 + len(listed)) + b"ftyp" + listed + bytes(100)


OTHERS = {
    "a.gif": (encoded(IMAGE, "GIF"), "GIF image"),
    "a.psd": (b"8BPS\0\1" + bytes(100), "Photoshop document"),
    "a.jp2": (encoded(IMAGE, "JPEG2000"), "JPEG 2000 image"),
    "a.j2k": (b"\xff\x4f\xff\x51" + bytes(100), "JPEG 2000 image"),
    "a.jxl": (b"\xff\x0a" + bytes(100), "JPEG XL image"),
    "b.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100), "JPEG XL image"),
    "a.jxr": (b"II\xbc\x01" + bytes(100), "JPEG XR image"),
    "a.jls": (b"\xff\xd8\xff\xf7\0\x0b\x08\0\x10\0\x10\1\1\x11\0" + bytes(100), "JPEG-LS image"),
    "b.jls": (b"\xff\xd8\xff\xe8\0\4ab\xff\xf7\0\x0b\x08\0\x10\0\x10\1\1\x11\0" + bytes(9), "JPEG-LS image"),
    "a.exr": (b"v/1\x01" + bytes(100), "OpenEXR image"),
    "a.hdr": (b"#?RADIANCE\n" + bytes(100), "Radiance HDR image"),
    "a.dds": (b"DDS " + bytes(100), "DDS texture"),
    "a.qoi": (b"qoif" + bytes(100), "QOI image"),
    "a.ppm": (encoded(IMAGE, "PPM"), "Netpbm image"),
    "a.ico": (encoded(IMAGE, "ICO"), "Windows icon"),
    "a.pdf": (encoded(IMAGE, "PDF"), "PDF document"),
    "a.svg": (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawing"),
    "a.mp4": (media(b"isom", b"mp42"), "film"),
    "a.dcm": (bytes(128) + b"DICM" + bytes(100), "DICOM image"),
    "a.mng": (b"\x8aMNG\r\n\x1a\n" + bytes(100), "MNG animation"),
    "ios.png": (
        png(COLORS).replace(b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\0\0\0\4CgBI\x50\0\x20\x06\x2c\xb8\x77\x66"),
        "PNG made for iOS alone",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_other_formats_are_named(tmp_path: Path, name: str) -> None:
    content, kind = OTHERS[name]
    for asked in (name, "a.png"):  # its content tells what it is
        sentence = refused(tmp_path, content, asked)
        assert sentence.startswith(f"cannot be read: it is a {kind}")
        assert "; save it " in sentence


RAWS = {
    "b.cr2": b"II*\0\x10\0\0\0CR\2\0" + bytes(100),
    "b.cr3": media(b"crx ", b"isom"),
    "b.raf": b"FUJIFILMCCD-RAW 0201" + bytes(100),
    "b.rw2": b"IIU\0\x18\0\0\0" + bytes(100),
    "b.orf": b"IIRO\x08\0\0\0" + bytes(100),
    "b.mrw": b"\0MRM" + bytes(100),
    "b.x3f": b"FOVb" + bytes(100),
    "b.tif": tiff(levels(16, HEIGHT, WIDTH, 1), 16, 32803),  # the colors of a sensor's filter
    "c.tif": tiff(levels(16, HEIGHT, WIDTH, 3), 16, 34892),  # the same, each of them at each pixel
    "d.tif": tiff(COLORS, 8, 2, tags={50706: (BYTE, [1, 4, 0, 0])}),  # the version of DNG
} | {f"a{suffix}": tiff(COLORS, 8, 2, tags={271: (ASCII, b"A maker\0")}) for suffix in sorted(RAW_SUFFIXES)}


@pytest.mark.parametrize("name", RAWS)
def test_raw_files_need_developing(tmp_path: Path, name: str) -> None:
    sentence = refused(tmp_path, RAWS[name], name)
    assert sentence.startswith("cannot be read: it is a raw file of a camera; raw files need developing first: give ")
    if not name.endswith(".tif"):  # without output=, whose suffix nobody has asked for
        with pytest.raises(UserError, match=rf"{name} cannot be read: it is a raw file of a camera"):
            plan([tmp_path / name], None)


def test_a_command_says_that_raw_files_need_developing(
    tmp_path: Path, command: Callable[..., Any], identity: Path
) -> None:
    (tmp_path / "a.dng").write_bytes(RAWS["a.dng"])
    told = command(f"{tmp_path / 'a.dng'}", f"--network={identity}")
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert "raw files need developing first" in told.err


@pytest.mark.parametrize(("bits", "process"), [(12, 0xC1), (12, 0xC2), (16, 0xC3), (8, 0xC5), (8, 0xCB), (8, 0xCF)])
def test_codings_of_jpeg_that_are_not_read(tmp_path: Path, bits: int, process: int) -> None:
    plain = bytearray(encoded(IMAGE, "JPEG"))
    frame = plain.index(b"\xff\xc0")
    plain[frame + 1], plain[frame + 4] = process, bits
    kind = f"JPEG of {bits} bits a channel" if bits != 8 else "JPEG"
    assert kind in refused(tmp_path, bytes(plain), "a.jpg")


def test_arithmetic_coding_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(ARITHMETIC)
    decoded = read_image(tmp_path / "a.jpg")
    ramp = np.add.outer(8 * np.arange(16), 7 * np.arange(16))
    assert np.abs(decoded.pixels.astype(int) - ramp).mean() < 3


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("floats", tiff(levels(16, HEIGHT, 2 * WIDTH, 3), 16, 2, tags={339: (SHORT, [3] * 3)}), "fractional numbers"),
        ("signed", tiff(levels(16, HEIGHT, WIDTH, 3), 16, 2, tags={339: (SHORT, [2] * 3)}), "numbers with a sign"),
        ("mixed", tiff(COLORS, 8, 2, tags={258: (SHORT, [5, 6, 5])}), "unusual kind .*5/6/5"),
        ("many", tiff(levels(16, HEIGHT, WIDTH, 6), 16, 2), "6 channels of 16 bits"),
        ("lab", tiff(COLORS, 8, 8), "Lab"),
        ("logluv", tiff(COLORS, 8, 32845), "LogLuv"),
        ("unknown", tiff(COLORS, 8, 77), "photometric interpretation 77"),
        ("predictor", tiff(COLORS, 8, 2, compression=32773, tags={317: (SHORT, [2])}), "PackBits behind a predictor"),
        ("strange", tiff(COLORS, 8, 2, tags={259: (LONG, [65_123])}), r"an unknown method \(65123\)"),
    ],
)
def test_kinds_of_tiff_that_are_not_read(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    assert re.match(f"cannot be read: it .*{kind}", refused(tmp_path, content, f"{name}.tif"))


def test_kinds_of_bmp_that_are_not_read(tmp_path: Path) -> None:
    plain = bytearray(encoded(IMAGE, "BMP"))
    for bits, compression, kind in ((24, 4, "holds a JPEG"), (24, 5, "holds a PNG"), (2, 0, "pixel depth (2)")):
        changed = plain.copy()
        struct.pack_into("<HI", changed, 28, bits, compression)
        assert kind in refused(tmp_path, bytes(changed), "a.bmp")
    overlapping = bmp_fields(levels(4, 9, 9, 3), (0xFF, 0xFF0, 0xFF000), 32)
    assert "BMP of an unusual kind" in refused(tmp_path, overlapping, "a.bmp")


@pytest.mark.parametrize("kind", ["rle8", "top-down"])
def test_kinds_of_bmp_that_are_read(tmp_path: Path, kind: str) -> None:
    gray = levels(8, 8, 12, 1)[..., 0]
    if kind == "rle8":
        rows = [b"".join(bytes([1, value]) for value in row) + b"\0\0" for row in gray[::-1]]
        data = b"".join(rows) + b"\0\1"
        palette = b"".join(bytes([value] * 3 + [0]) for value in range(256))
        info = struct.pack("<IiiHHIIiiII", 40, 12, 8, 1, 8, 1, len(data), 0, 0, 256, 0)
        start = 54 + len(palette)
        content = b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + palette + data
    else:
        content = bytearray(encoded(Image.fromarray(gray[::-1].copy()), "BMP"))
        struct.pack_into("<i", content, 22, -8)
    (tmp_path / "a.bmp").write_bytes(content)
    np.testing.assert_array_equal(read_image(tmp_path / "a.bmp").pixels, gray)
    np.testing.assert_array_equal(read_gray(tmp_path / "a.bmp"), gray)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_dib_without_the_header_of_a_file(tmp_path: Path, mode: str) -> None:
    image = IMAGE.quantize(20) if mode == "P" else IMAGE.convert(mode)
    whole = encoded(image, "BMP")
    (tmp_path / "a.dib").write_bytes(whole[14:])
    (tmp_path / "b.dib").write_bytes(whole)
    expected = np.asarray(image.convert("L" if mode in ("1", "L") else "RGB"))
    for name in ("a.dib", "b.dib"):
        np.testing.assert_array_equal(read_image(tmp_path / name).pixels, expected)
    assert refused(tmp_path, whole[14:], "a.png").startswith("is no AVIF")


def test_what_is_no_image_is_told_so(tmp_path: Path) -> None:
    for content in (b"words", b"<!DOCTYPE html>", bytes(200), b"P9 is no kind of Netpbm"):
        assert refused(tmp_path, content, "a.png").startswith("is no AVIF, BMP, HEIC, JPEG, PNG, TIFF or WebP image: ")


@pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is not None, reason="pillow-heif is installed")
def test_heic_names_what_reads_it(tmp_path: Path) -> None:
    sentence = refused(tmp_path, media(b"heic", b"mif1"), "a.heic")
    assert sentence.startswith("cannot be read: it is a HEIC image, which pillow-heif reads; install it: pip install ")
    (tmp_path / "a.png").write_bytes(png(COLORS))
    decoded = read_image(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"b\.heic needs pillow-heif: install it \(pip install .*heif.*\)"):
        write_image(tmp_path / "b.heic", decoded)


# Names


NAMES = {
    "a.jfif": "JPEG", "b.JPE": "JPEG", "c.jfi": "JPEG", "d.JIF": "JPEG", "e.dib": "BMP", "f.TIF": "TIFF",
    "g.Tiff": "TIFF", "h.btf": "TIFF", "i.apng": "PNG", "j.AVIF": "AVIF", "K.PNG": "PNG", "l.WebP": "WEBP",
}  # fmt: skip


def test_every_name_of_a_format_restores(command: Callable[..., Any], identity: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name, file_format in NAMES.items():
        (source / name).write_bytes(encoded(IMAGE, file_format))
    told = command(f"{source}", f"--output={target}", f"--network={identity}")
    assert told.code == 0, told.err
    assert {path.name: read_image(path).format for path in target.iterdir()} == NAMES
    for name in NAMES:
        stem, _, suffix = name.rpartition(".")
        (task,) = plan([source / name], None)
        assert task.target == source / f"{stem}-restored.{suffix}"
    told = command(f"{source / 'a.jfif'}", f"--network={identity}")
    assert told.code == 0, told.err
    assert read_image(source / "a-restored.jfif").format == "JPEG"


@pytest.mark.parametrize(
    ("name", "file_format", "restored"),
    [
        ("photo", "PNG", "photo-restored.png"),
        ("photo.v2", "JPEG", "photo.v2-restored.jpg"),
        ("scan.ptif", "TIFF", "scan.ptif-restored.tif"),
        ("photo.jpg_large", "JPEG", "photo.jpg_large-restored.jpg"),
    ],
)
def test_a_name_that_tells_nothing_is_no_mistake(tmp_path: Path, name: str, file_format: str, restored: str) -> None:
    (tmp_path / name).write_bytes(encoded(IMAGE, file_format))
    (task,) = plan([tmp_path / name], None)
    assert task.target == tmp_path / restored
    write_image(task.target, read_image(task.source))
    assert read_image(task.target).format == file_format
    (tmp_path / "out").mkdir()
    (task,) = plan([tmp_path / name], tmp_path / "out")
    assert task.target == tmp_path / "out" / restored.replace("-restored", "")
    with pytest.raises(UserError, match=r"b\.xyz ends in \.xyz, which names no format"):
        plan([tmp_path / name], tmp_path / "b.xyz")


def test_a_name_that_tells_nothing_of_a_file_that_is_not_read(tmp_path: Path) -> None:
    for name, content, said in (
        ("a.gif", encoded(IMAGE, "GIF"), r"a\.gif cannot be read: it is a GIF image"),
        ("notes.txt", b"words", r"notes\.txt is no AVIF, BMP, .* image"),
        ("empty", b"", r"empty is empty \(0 bytes\)"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=said):
            plan([tmp_path / name], None)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Of every depth, with alpha and without, in every format that takes it."""
    for bits in (8, 16):
        for channels in (1, 2, 3, 4):
            samples = levels(bits, HEIGHT, WIDTH, channels)
            (tmp_path / "a.png").write_bytes(png(samples, bits))
            decoded = read_image(tmp_path / "a.png")
            for suffix in ("png", "tif", "tiff", "btf", "webp", "avif", "jpg", "jfif", "bmp", "dib"):
                copy = tmp_path / f"b.{suffix}"
                is_exact = suffix in ("png", "tif", "tiff", "btf")
                if not is_exact and (bits == 16 or (channels % 2 == 0 and suffix not in ("webp", "avif"))):
                    with pytest.raises(UserError, match="holds"):
                        write_image(copy, decoded)
                    continue
                write_image(copy, decoded)
                back = read_image(copy)
                assert back.pixels.shape[:2] == (HEIGHT, WIDTH)
                assert (back.alpha is not None) is (channels % 2 == 0)
                if is_exact:
                    np.testing.assert_array_equal(back.pixels, decoded.pixels)


def test_unknown_critical_chunks_and_bytes_behind_the_end(tmp_path: Path) -> None:
    content = png(COLORS, before=[(b"prIv", b"private"), (b"tIME", bytes(7))])
    (tmp_path / "a.png").write_bytes(content + b"behind the end" + zlib.compress(bytes(100)))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, COLORS)
