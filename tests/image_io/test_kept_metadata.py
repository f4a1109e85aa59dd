"""Metadata of every format in every other: kept, or named as lost; nothing invented, nothing stale."""

import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_images import (
    ASCII,
    HEIGHT,
    LONG,
    SHORT,
    UNDEFINED,
    WIDTH,
    Tag,
    encoded,
    jpeg_segment,
    levels,
    png,
    rational,
    tiff,
    ultra_hdr,
    with_segments,
)
from PIL import ExifTags, Image, IptcImagePlugin

from deblur.image_io.images import DecodedImage
from deblur.image_io.reading import read_image
from deblur.image_io.writing import write_image
from deblur.inference.panels import side_by_side

COLORS = levels(8, HEIGHT, WIDTH, 3)
SUFFIXES = ["png", "jpg", "tif", "webp", "avif"]
RECORDS = b"\x1c\x02\x78\x00\x0fHarbor at dusk.\x1c\x02\x50\x00\x06Author\x1c\x02\x19\x00\x03sea"
XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    b' xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    b' tiff:Orientation="6" tiff:XResolution="300/1"'
    b' tiff:YResolution="150/1" exif:PixelXDimension="30" exif:PixelYDimension="23"'
    b' dc:source="a \xc3\xa9\xe2\x98\x83"/>'
    b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
SUBJECT_AREA = 0x9214
MAKER_NOTE = b"Maker\0" + bytes(range(40))


def exif(orientation: int = 6) -> bytes:
    """EXIF with sizes, resolutions that differ, a place, a maker's note, and the subject of the photo."""
    made = Image.Exif()
    made[ExifTags.Base.Make], made[ExifTags.Base.Orientation] = "A maker", orientation
    made[ExifTags.Base.XResolution], made[ExifTags.Base.YResolution] = 300.0, 150.0
    made[ExifTags.Base.ResolutionUnit] = 2
    camera = made.get_ifd(ExifTags.IFD.Exif)
    camera[ExifTags.Base.ExifImageWidth], camera[ExifTags.Base.ExifImageHeight] = WIDTH, HEIGHT
    camera[ExifTags.Base.MakerNote] = MAKER_NOTE
    camera[SUBJECT_AREA] = (3, 5, 8, 4)
    camera[ExifTags.Base.FNumber] = 2.8
    made.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    return made.tobytes().removeprefix(b"Exif\0\0")


def photoshop(number: int = 0x0404, records: bytes = RECORDS) -> bytes:
    padding = b"\0" * (len(records) % 2)
    resolution = b"8BIM\x03\xed\0\0" + struct.pack(">I", 16) + bytes(16)
    thumbnail = b"8BIM\x04\x0c\0\0" + struct.pack(">I", 10) + b"thumbnail!"
    return resolution + b"8BIM" + struct.pack(">HHI", number, 0, len(records)) + records + padding + thumbnail


def source(kind: str, **changes: Any) -> bytes:
    """An image with all that its format can say."""
    image = Image.fromarray(COLORS)
    described = {"exif": b"Exif\0\0" + exif(), "xmp": XMP} | changes
    if kind == "jpg":
        base = encoded(image, "JPEG", quality=95, dpi=(300, 150), **described)
        return with_segments(
            base, jpeg_segment(0xED, b"Photoshop 3.0\0" + photoshop()), jpeg_segment(0xFE, b"a comment")
        )
    if kind == "png":
        texts = [
            (b"tEXt", b"Title\0of it"),
            (b"zTXt", b"Author\0\0" + zlib.compress(b"of it")),
            (b"iTXt", b"Description\0\0\0en\0\0\xe2\x98\x83"),
            (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + XMP),
            (b"eXIf", exif()),
            (b"pHYs", struct.pack(">IIB", 11811, 5906, 1)),
        ]
        return png(COLORS, before=texts)
    if kind == "tif":
        tags: dict[int, Tag] = {
            271: (ASCII, b"A maker\0"),
            274: (SHORT, [6]),
            282: rational(300),
            283: rational(150),
            296: (SHORT, [2]),
            700: (1, XMP),
            33723: (UNDEFINED, RECORDS),
        }
        return tiff(COLORS, 8, 2, tags=tags)
    options = {"lossless": True} if kind == "webp" else {"quality": 90}
    return encoded(image, {"webp": "WEBP", "avif": "AVIF"}[kind], **described, **options)


def read(folder: Path, content: bytes, name: str) -> DecodedImage:
    (folder / name).write_bytes(content)
    return read_image(folder / name)


def stored(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def xmp_in(path: Path) -> bytes:
    with Image.open(path) as image:
        found = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        return found.encode() if isinstance(found, str) else found


# Each format in each other


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("kind", SUFFIXES)
def test_metadata_of_each_format_in_each(tmp_path: Path, kind: str, target: str) -> None:
    decoded = read(tmp_path, source(kind), f"a.{kind}")
    assert decoded.pixels.shape == (WIDTH, HEIGHT, 3)  # turned by a quarter
    copy = tmp_path / f"b.{target}"
    lost = write_image(copy, decoded)
    with Image.open(copy) as image:
        told = image.getexif()
        assert told[ExifTags.Base.Make] == "A maker"
        assert told.get(ExifTags.Base.Orientation, 1) == 1
        if kind != "tif":  # whose own EXIF the sample leaves out
            camera = told.get_ifd(ExifTags.IFD.Exif)
            sizes = (camera[ExifTags.Base.ExifImageWidth], camera[ExifTags.Base.ExifImageHeight])
            assert sizes == image.size == (HEIGHT, WIDTH)
            assert camera[ExifTags.Base.MakerNote] == MAKER_NOTE
            assert float(camera[ExifTags.Base.FNumber]) == pytest.approx(2.8)
            assert told.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
            assert camera[SUBJECT_AREA] == (HEIGHT - 1 - 5, 3, 4, 8)
            if target != "tif":
                assert (told[ExifTags.Base.XResolution], told[ExifTags.Base.YResolution]) == (150, 300)
        if target in ("png", "jpg", "tif"):
            assert image.info["dpi"] == pytest.approx((150, 300), rel=1e-3)
        else:
            assert any("the resolution" in what for what in lost) is (kind == "tif")  # others say it in EXIF as well
    xmp = xmp_in(copy)
    for one in (b'tiff:Orientation="1"', b'tiff:XResolution="150/1"', b'tiff:YResolution="300/1"', b"\xe2\x98\x83"):
        assert one in xmp
    assert b'exif:PixelXDimension="%d"' % HEIGHT in xmp
    assert b'exif:PixelYDimension="%d"' % WIDTH in xmp
    iptc_is_lost = any("IPTC" in what for what in lost)
    if kind in ("jpg", "tif"):
        assert iptc_is_lost is (target not in ("jpg", "tif"))
        if not iptc_is_lost:
            assert IptcImagePlugin.getiptcinfo(stored(copy))[2, 120] == b"Harbor at dusk."
    comment = [*read_image(copy).metadata.comments, *(data for _, data in read_image(copy).metadata.texts)]
    if kind == "jpg":
        assert any(b"a comment" in one for one in comment) is (target in ("jpg", "png"))
        assert any("comment" in what for what in lost) is (target not in ("jpg", "png"))
    if kind == "png":
        named = [what for what in lost if "the text" in what]
        assert (len(named) == 3) is (target != "png")
        assert (len(comment) == 3) is (target == "png")


def test_nothing_is_lost_within_a_format(tmp_path: Path) -> None:
    for kind in ("jpg", "png", "tif"):
        decoded = read(tmp_path, source(kind), f"a.{kind}")
        assert write_image(tmp_path / f"b.{kind}", decoded) == ()


# Nothing invented


@pytest.mark.parametrize("target", ["png", "jpg", "tif", "bmp"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_no_resolution_is_invented(tmp_path: Path, kind: str, target: str) -> None:
    tags: dict[int, Tag] = {271: (ASCII, b"A maker\0")}
    content = {
        "TIFF": tiff(COLORS, 8, 2, tags=tags),
        "JPEG": encoded(Image.fromarray(COLORS), "JPEG", exif=_exif_without_resolution()),
        "BMP": encoded(Image.fromarray(COLORS), "BMP", dpi=(0, 0)),
    }.get(kind) or encoded(Image.fromarray(COLORS), kind)
    decoded = read(tmp_path, content, "a.x")
    assert decoded.metadata.resolution is None
    copy = tmp_path / f"b.{target}"
    write_image(copy, decoded)
    assert read_image(copy).metadata.resolution is None
    raw = copy.read_bytes()
    if target == "jpg":
        assert raw[13:18] == struct.pack(">BHH", 0, 1, 1)
    elif target == "bmp":
        assert raw[38:46] == bytes(8)
    elif target == "png":
        assert b"pHYs" not in raw
    else:
        assert 282 not in stored(copy).tag_v2  # type: ignore[attr-defined] # of TIFF


def _exif_without_resolution() -> bytes:
    made = Image.Exif()
    made[ExifTags.Base.Make] = "A maker"
    return made.tobytes()


@pytest.mark.parametrize(("unit", "expected"), [(2, (300, 150)), (3, (762, 381)), (None, (300, 150))])
def test_units_of_a_tiff(tmp_path: Path, unit: int | None, expected: tuple[float, float]) -> None:
    tags: dict[int, Tag] = {282: rational(300), 283: rational(150)}
    if unit is not None:
        tags[296] = (SHORT, [unit])
    decoded = read(tmp_path, tiff(COLORS, 8, 2, tags=tags), "a.tif")
    for target in ("png", "jpg", "tif"):
        write_image(tmp_path / f"b.{target}", decoded)
        assert stored(tmp_path / f"b.{target}").info["dpi"] == pytest.approx(expected, rel=1e-4)
    assert read_image(tmp_path / "b.tif").metadata.resolution == decoded.metadata.resolution
    assert read_image(tmp_path / "b.jpg").metadata.resolution == decoded.metadata.resolution


@pytest.mark.parametrize("target", ["png", "jpg", "tif"])
@pytest.mark.parametrize("kind", ["png", "jpg", "tif"])
def test_the_shape_of_a_pixel_is_no_resolution(tmp_path: Path, kind: str, target: str) -> None:
    if kind == "png":
        content = png(COLORS, before=[(b"pHYs", struct.pack(">IIB", 2, 1, 0))])
    elif kind == "jpg":
        changed = bytearray(encoded(Image.fromarray(COLORS), "JPEG"))
        changed[13:18] = struct.pack(">BHH", 0, 2, 1)
        content = bytes(changed)
    else:
        content = tiff(COLORS, 8, 2, tags={282: rational(2), 283: rational(1), 296: (SHORT, [1])})
    decoded = read(tmp_path, content, f"a.{kind}")
    assert decoded.metadata.dpi is None
    write_image(tmp_path / f"b.{target}", decoded)
    back = read_image(tmp_path / f"b.{target}").metadata
    assert back.resolution == decoded.metadata.resolution
    assert back.resolution is not None
    assert (back.resolution.across, back.resolution.down, back.resolution.unit) == (2, 1, None)
    assert "the shape of a pixel, which BMP cannot hold" in write_image(tmp_path / "b.bmp", decoded)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpg", "tif"])
def test_resolutions_turn_with_the_pixels(tmp_path: Path, kind: str, orientation: int) -> None:
    if kind == "tif":
        tags: dict[int, Tag] = {274: (SHORT, [orientation]), 282: rational(300), 283: rational(150), 296: (SHORT, [2])}
        content = tiff(COLORS, 8, 2, tags=tags)
    else:
        file_format = {"png": "PNG", "jpg": "JPEG"}[kind]
        content = encoded(Image.fromarray(COLORS), file_format, dpi=(300, 150), exif=b"Exif\0\0" + exif(orientation))
    decoded = read(tmp_path, content, f"a.{kind}")
    expected = (150, 300) if orientation >= 5 else (300, 150)
    assert decoded.metadata.dpi == pytest.approx(expected, rel=1e-3)


def test_a_resolution_in_exif_alone_is_kept_elsewhere(tmp_path: Path) -> None:
    content = encoded(Image.fromarray(COLORS), "WEBP", exif=b"Exif\0\0" + exif(1), lossless=True)
    decoded = read(tmp_path, content, "a.webp")
    write_image(tmp_path / "b.png", decoded)
    assert stored(tmp_path / "b.png").info["dpi"] == pytest.approx((300, 150), rel=1e-3)


def test_the_size_of_a_pair_is_said(tmp_path: Path) -> None:
    decoded = read(tmp_path, source("jpg"), "a.jpg")
    pair = side_by_side(decoded, decoded)
    write_image(tmp_path / "b.jpg", pair)
    camera = stored(tmp_path / "b.jpg").getexif().get_ifd(ExifTags.IFD.Exif)
    assert (camera[ExifTags.Base.ExifImageWidth], camera[ExifTags.Base.ExifImageHeight]) == (2 * HEIGHT, WIDTH)
    assert b'exif:PixelXDimension="%d"' % (2 * HEIGHT) in xmp_in(tmp_path / "b.jpg")


# IPTC


@pytest.mark.parametrize("swapped", [False, True])
def test_iptc_that_calls_itself_numbers(tmp_path: Path, swapped: bool) -> None:
    """Photoshop stores it as numbers of 32 bits; some programs swap their bytes as well."""
    padded = RECORDS + bytes(-len(RECORDS) % 4)
    numbers = struct.unpack(f"{'>' if swapped else '<'}{len(padded) // 4}I", padded)
    decoded = read(tmp_path, tiff(COLORS, 8, 2, tags={33723: (LONG, numbers)}), "a.tif")
    write_image(tmp_path / "b.jpg", decoded)
    told = stored(tmp_path / "b.jpg").info["photoshop"]
    assert told[0x0404].startswith(RECORDS)


def test_resources_of_photoshop_that_would_be_stale_are_left_out(tmp_path: Path) -> None:
    decoded = read(tmp_path, source("jpg"), "a.jpg")
    write_image(tmp_path / "b.jpg", decoded)
    assert set(stored(tmp_path / "b.jpg").info["photoshop"]) == {0x0404}


def test_texts_of_imagemagick_become_what_they_hold(tmp_path: Path) -> None:
    def raw(name: bytes, data: bytes) -> tuple[bytes, bytes]:
        text = b"\n%s\n%8d\n%s\n" % (name, len(data), data.hex().encode())
        return b"zTXt", b"Raw profile type " + name + b"\0\0" + zlib.compress(text)

    content = png(COLORS, before=[raw(b"exif", b"Exif\0\0" + exif()), raw(b"iptc", photoshop()), raw(b"xmp", XMP)])
    decoded = read(tmp_path, content, "a.png")
    assert decoded.pixels.shape == (WIDTH, HEIGHT, 3)
    write_image(tmp_path / "b.jpg", decoded)
    image = stored(tmp_path / "b.jpg")
    assert image.getexif()[ExifTags.Base.Make] == "A maker"
    assert image.info["photoshop"] == {0x0404: RECORDS}
    assert b'tiff:Orientation="1"' in image.info["xmp"]
    write_image(tmp_path / "b.png", decoded)
    assert b"Raw profile" not in (tmp_path / "b.png").read_bytes()


# What follows an image


@pytest.mark.parametrize("target", ["jpg", "png", "tif", "webp"])
def test_a_gain_map_is_lost_with_all_that_refers_to_it(tmp_path: Path, target: str) -> None:
    decoded = read(tmp_path, ultra_hdr(), "a.jpg")
    lost = write_image(tmp_path / f"b.{target}", decoded)
    assert lost == ("the gain map",)
    content = (tmp_path / f"b.{target}").read_bytes()
    for mark in (b"hdrgm", b"GainMap", b"hdr-gain-map", b"Container", b"21496", b"MPF"):
        assert mark not in content
    assert b'dc:source="kept"' in xmp_in(tmp_path / f"b.{target}")
    assert content.count(b"\xff\xd8\xff") == (target == "jpg")


def test_the_film_of_a_motion_photo_is_lost_with_what_refers_to_it(tmp_path: Path) -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1"'
        b' GCamera:MicroVideo="1" GCamera:MicroVideoOffset="4000" GCamera:BurstID="42"/></rdf:RDF></x:xmpmeta>'
    )
    film = b"\0\0\0\x18ftypmp42" + bytes(4000)
    decoded = read(tmp_path, encoded(Image.fromarray(COLORS), "JPEG", xmp=xmp) + film, "a.jpg")
    assert write_image(tmp_path / "b.jpg", decoded) == ("the film of a motion photo",)
    content = (tmp_path / "b.jpg").read_bytes()
    assert b"Motion" not in content
    assert b"MicroVideo" not in content
    assert b'GCamera:BurstID="42"' in content
    assert b"ftyp" not in content


def test_what_a_phone_leaves_behind_an_image_is_named(tmp_path: Path) -> None:
    plain = encoded(Image.fromarray(COLORS), "JPEG", progressive=True)
    for behind, what in (
        (b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data" + bytes(100) + b"SEFT", "the film of a motion photo"),
        (b"SEFH\x6a\0\0\0\0\0\0\0\x18\0\0\0SEFT", "the images or data behind the first image"),
        (plain, "the images or data behind the first image"),
    ):
        assert write_image(tmp_path / "b.jpg", read(tmp_path, plain + behind, "a.jpg")) == (what,)
    assert write_image(tmp_path / "b.jpg", read(tmp_path, plain + bytes(50), "a.jpg")) == ()  # padding


def test_signatures_of_the_file_are_lost_and_named(tmp_path: Path) -> None:
    signed = with_segments(encoded(Image.fromarray(COLORS), "JPEG"), jpeg_segment(0xEB, b"JP\0\1" + bytes(40)))
    assert write_image(tmp_path / "b.jpg", read(tmp_path, signed, "a.jpg")) == ("the content credentials",)
    signed = png(COLORS, before=[(b"caBX", bytes(40))])
    assert write_image(tmp_path / "b.png", read(tmp_path, signed, "a.png")) == ("the content credentials",)


# XMP


def test_long_xmp_of_a_jpeg_is_kept_in_a_jpeg(tmp_path: Path) -> None:
    extension = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + b"e" * 150_000 + b"</x:xmpmeta>"
    identity = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper().encode()
    main = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="%s"'
        b' xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="kept"/></rdf:RDF></x:xmpmeta>' % identity
    )
    name = b"http://ns.adobe.com/xmp/extension/\0"
    parts = [
        jpeg_segment(0xE1, name + identity + struct.pack(">II", len(extension), at) + extension[at : at + 60_000])
        for at in range(0, len(extension), 60_000)
    ]
    decoded = read(tmp_path, with_segments(encoded(Image.fromarray(COLORS), "JPEG", xmp=main), *parts), "a.jpg")
    assert write_image(tmp_path / "b.jpg", decoded) == ()
    back = read_image(tmp_path / "b.jpg").metadata
    assert (back.xmp, back.xmp_extension) == (main, extension)
    assert write_image(tmp_path / "b.png", decoded) == ("the extension of the XMP, which PNG cannot hold",)
    assert b"HasExtendedXMP" not in xmp_in(tmp_path / "b.png")
    assert b'dc:source="kept"' in xmp_in(tmp_path / "b.png")


def test_thumbnails_in_xmp_are_left_out_and_faces_turn(tmp_path: Path) -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"><xmp:Thumbnails><rdf:Alt>'
        b"<rdf:li>c3RhbGU=</rdf:li></rdf:Alt></xmp:Thumbnails></rdf:Description>"
        b'<rdf:Description xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#" stArea:x="0.2" stArea:y="0.4"'
        b' stArea:w="0.1" stArea:h="0.3" stArea:unit="normalized"/></rdf:RDF></x:xmpmeta>'
    )
    decoded = read(tmp_path, encoded(Image.fromarray(COLORS), "JPEG", xmp=xmp, exif=b"Exif\0\0" + exif(6)), "a.jpg")
    write_image(tmp_path / "b.jpg", decoded)
    found = xmp_in(tmp_path / "b.jpg")
    assert b"Thumbnails" not in found
    assert b'xmp:Rating="4"' in found
    for area in (b'stArea:x="0.6"', b'stArea:y="0.2"', b'stArea:w="0.3"', b'stArea:h="0.1"'):
        assert area in found


@pytest.mark.parametrize("broken", [b"<x:xmpmeta", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'])
def test_xmp_that_cannot_be_mended_is_left_out_and_named(tmp_path: Path, broken: bytes) -> None:
    xmp = broken + b' "http://ns.adobe.com/hdr-gain-map/1.0/"'
    decoded = read(tmp_path, encoded(Image.fromarray(COLORS), "JPEG", xmp=xmp), "a.jpg")
    assert decoded.metadata.xmp is None
    assert "the XMP, which is damaged" in decoded.metadata.lost


def test_xmp_without_anything_stale_keeps_every_byte(tmp_path: Path) -> None:
    odd = b"<?xpacket begin='' id='W5'?>  <x:xmpmeta xmlns:x='adobe:ns:meta/' >\n</x:xmpmeta >  \n<?xpacket end='w'?>"
    decoded = read(tmp_path, encoded(Image.fromarray(COLORS), "JPEG", xmp=odd), "a.jpg")
    for target in ("jpg", "png", "webp", "tif"):
        write_image(tmp_path / f"b.{target}", decoded)
        assert xmp_in(tmp_path / f"b.{target}") == odd


# Tags of TIFF


def test_tags_of_a_tiff_are_kept_or_named(tmp_path: Path) -> None:
    tags: dict[int, Tag] = {
        269: (ASCII, b"a document\0"),
        270: (ASCII, b"a description\0"),
        315: (ASCII, b"an artist\0"),
        33550: (12, [1.0, 1.0, 0.0]),
        42113: (ASCII, b"0\0"),
        37724: (UNDEFINED, b"Adobe Photoshop Document Data Block\0"),
        65000: (ASCII, b"private\0"),
    }
    decoded = read(tmp_path, tiff(COLORS, 8, 2, tags=tags), "a.tif")
    lost = write_image(tmp_path / "b.tif", decoded)
    assert lost == ("the layers of Photoshop", "the tags 65000 of the TIFF")
    found = stored(tmp_path / "b.tif").tag_v2  # type: ignore[attr-defined] # of TIFF
    assert [found[tag] for tag in (269, 270, 315, 42113)] == ["a document", "a description", "an artist", "0"]
    assert found[33550] == (1, 1, 0)


def test_bmps_with_a_profile(tmp_path: Path) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = encoded(Image.fromarray(COLORS), "BMP", dpi=(300, 150))
    info = bytearray(plain[14:54].ljust(124, b"\0"))
    data = plain[54:]
    info[:4] = struct.pack("<I", 124)
    info[56:60] = b"DEBM"
    info[112:120] = struct.pack("<II", 124 + len(data), len(profile))
    content = b"BM" + struct.pack("<IHHI", 138 + len(data) + len(profile), 0, 0, 138) + bytes(info) + data + profile
    decoded = read(tmp_path, content, "a.bmp")
    np.testing.assert_array_equal(decoded.pixels, COLORS)
    assert decoded.metadata.icc_profile == profile
    assert decoded.metadata.dpi == (300, 150)


def test_decoders_are_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Damaged metadata, coarse tables and long texts give no line on standard error that names no file."""
    coarse = encoded(Image.fromarray(COLORS), "JPEG", qtables=[[1000] * 64, [1000] * 64])
    capfd.readouterr()  # of the encoder of this test
    write_image(tmp_path / "b.jpg", read(tmp_path, coarse, "a.jpg"))
    broken = with_segments(coarse, jpeg_segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"), jpeg_segment(0xE2, b"MPF\0xx"))
    write_image(tmp_path / "b.png", read(tmp_path, broken, "a.jpg"))
    buffer = io.BytesIO()
    Image.fromarray(COLORS).save(buffer, "TIFF", compression="tiff_lzw")
    cut = buffer.getvalue()
    with pytest.raises(Exception, match=r"a\.tif is"):
        read(tmp_path, cut[: len(cut) // 2] + bytes(20) + cut[len(cut) // 2 + 20 :], "a.tif")
    assert capfd.readouterr().err == ""
