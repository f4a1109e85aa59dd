import contextlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from decoded_files import HEIGHT, WIDTH, deep_noise, encoded, exif, noise, png_16, png_that_claims, save
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from deblur.errors import UserError
from deblur.image_io.formats.metadata import Resolution
from deblur.image_io.reading import read_image
from deblur.image_io.writing import encode_tiff

COLORS = Image.fromarray(noise(HEIGHT, WIDTH, 3))
WHOLE = {
    "PNG": encoded(COLORS, "PNG", exif=exif(6)),
    "JPEG": encoded(COLORS, "JPEG", exif=exif(6)),
    "WEBP": encoded(COLORS, "WEBP", exif=exif(6)),
    "BMP": encoded(COLORS, "BMP"),
    "TIFF": encoded(COLORS, "TIFF", exif=exif(6)),
    "PNG of 16 bits": png_16(deep_noise(HEIGHT, WIDTH, 3)),
    "TIFF of 16 bits": encode_tiff(deep_noise(HEIGHT, WIDTH, 4), {}, Resolution(72, 72)),
}
BAD = {
    "empty.png": (b"", r"is empty \(0 bytes\)"),
    "text.png": (b"This is no image.\n", "is no AVIF, BMP, HEIC, JPEG, PNG, TIFF or WebP image"),
    "page.jpg": (b"<!DOCTYPE html><html></html>", "is no AVIF, BMP, HEIC, JPEG, PNG, TIFF or WebP image"),
    "none.png": (png_that_claims(0, 5), "is "),
} | {
    f"cut {kind}": (whole[: int(len(whole) * 0.7)], "is (truncated|damaged)|cannot be read")
    for kind, whole in WHOLE.items()
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_in_a_sentence(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    content, reason = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=reason) as caught:
        read_image(tmp_path / name)
    sentence = str(caught.value)
    assert sentence.startswith(str(tmp_path / name))
    assert sentence.endswith("give an undamaged AVIF, BMP, HEIC, JPEG, PNG, TIFF or WebP image.")
    assert "\n" not in sentence
    assert capfd.readouterr().out == ""


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.png does not exist: give"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(UserError, match=r"is a folder or a device, not an image: give"):
        read_image(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")  # reading it would wait for ever
    with pytest.raises(UserError, match=r"is a folder or a device, not an image: give"):
        read_image(tmp_path / "pipe.png")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", COLORS)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match=r"a\.png cannot be read \(Permission denied\): make it readable"):
        read_image(path)


def test_a_name_that_disturbs_terminals_is_escaped(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\\x1b\[31m\.png' does not exist"):
        read_image(tmp_path / "a\x1b[31m.png")


@pytest.mark.parametrize("size", [(20_000, 20_000), (2_000_000, 2_000_000)])
def test_a_bomb_is_refused_by_its_header(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "bomb.png").write_bytes(png_that_claims(*size))
    with pytest.raises(UserError, match=rf"{size[0]}x{size[1]} px, .* where 100 are allowed: .*--max-megapixels"):
        read_image(tmp_path / "bomb.png")


def test_the_limit_can_be_moved_and_pillow_keeps_its_own(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    path = save(tmp_path / "a.png", Image.fromarray(noise(100, 200)))
    assert read_image(path, max_megapixels=0.02).pixels.shape == (100, 200)
    with pytest.raises(UserError, match=r"200x100 px, 0\.0 megapixels, where 0\.0199 are allowed"):
        read_image(path, max_megapixels=0.0199)
    large = tmp_path / "large.png"  # beyond Pillow's limit, where it warns
    large.write_bytes(png_that_claims(10_000, 9_900))
    with pytest.raises(UserError, match="is "):
        read_image(large)
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_colors_of_a_print_are_refused(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a.{suffix}", COLORS.convert("CMYK"))
    with pytest.raises(UserError, match=rf"a\.{suffix} has the CMYK colors of a print: convert it to RGB"):
        read_image(path)


@pytest.mark.parametrize(("kind", "reason"), [(np.float32, "fractional numbers"), (np.int32, "32 bits")])
def test_levels_without_a_white_are_refused(tmp_path: Path, kind: type[np.generic], reason: str) -> None:
    path = save(tmp_path / "a.tif", Image.fromarray(noise(9, 9).astype(kind)))
    with pytest.raises(UserError, match=rf"a\.tif cannot be read: it has .*{reason}.*; save it with 8 or 16 bits"):
        read_image(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(list(WHOLE)),
    changes=st.dictionaries(st.integers(0, 10**6), st.integers(0, 255), max_size=6),
    share=st.floats(0.5, 1),
)
def test_damage_gives_an_image_or_a_sentence(tmp_path: Path, kind: str, changes: dict[int, int], share: float) -> None:
    content = bytearray(WHOLE[kind])
    for place, value in changes.items():
        content[place % len(content)] = value
    path = tmp_path / "a.png"
    path.write_bytes(content[: int(share * len(content))])
    with contextlib.suppress(UserError):
        assert read_image(path, max_megapixels=1).pixels.size > 0


@pytest.mark.slow
def test_files_that_are_made_to_take_long_do_not(tmp_path: Path) -> None:
    """Overlapping directories, millions of chunks and segments, deep and large XML: seconds at most, no crash."""
    count = 60_000
    overlapping = bytearray(b"II*\0\x08\0\0\0")
    for start in range(8, 8 + 40 * 12, 12):  # each directory claims all that follows
        overlapping[start:] = struct.pack("<H", count) + struct.pack("<HHII", 330, 4, 1, start + 12)
    overlapping += bytes(count * 12)
    chunks = png_that_claims(2, 2)[:33] + bytes(12) * 200_000
    segments = b"\xff\xd8" + b"\xff\xfe\0\2" * 200_000
    deep = b"<a xmlns:h='http://ns.adobe.com/hdr-gain-map/1.0/'>" * 900 + b"</a>" * 900
    nested = b"".join(struct.pack(">I4s", 8 * (5000 - level) + 100, b"meta") for level in range(5000))
    files = {
        "a.tif": bytes(overlapping),
        "a.png": chunks,
        "a.jpg": segments,
        "b.jpg": encoded(COLORS, "JPEG", xmp=deep),
        "a.avif": encoded(COLORS, "AVIF") + nested,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with contextlib.suppress(UserError):
            assert read_image(tmp_path / name, max_megapixels=1).pixels.size > 0
