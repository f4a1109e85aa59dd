import contextlib
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_files import (
    HEIGHT,
    WIDTH,
    encoded,
    noise,
    png_that_claims,
)
from PIL import Image

from deblur.image_io.decoding import BadImageError, read_gray

GRAY_PNG = encoded(Image.fromarray(noise(HEIGHT, WIDTH)), "PNG")
COLOR_JPEG = encoded(Image.fromarray(noise(HEIGHT, WIDTH, 3)), "JPEG")
BAD_FILES = {
    "empty.png": (b"", r"^is empty \(0 bytes\)$"),
    "text.png": (b"This is no image.\n", "^is no AVIF, BMP, HEIC, JPEG, PNG, TIFF or WebP image$"),
    "page.jpg": (b"<!DOCTYPE html><html></html>", "^is no AVIF, BMP, HEIC, JPEG, PNG, TIFF or WebP image$"),
    "cut.png": (GRAY_PNG[: len(GRAY_PNG) // 2], "^is truncated$"),
    "cut.jpg": (COLOR_JPEG[: len(COLOR_JPEG) // 2], "^is truncated$"),
    "start.jpg": (COLOR_JPEG[:30], "^is "),
    "other.png": (
        encoded(Image.fromarray(noise(HEIGHT, WIDTH)), "GIF"),
        "^cannot be read: it is a GIF image$",
    ),
    "flipped.png": (GRAY_PNG[:50] + bytes(20) + GRAY_PNG[70:], "^is "),
    "bomb.png": (png_that_claims(20_000, 20_000), r"too many pixels .*\b400000000 pixels"),
    "large.png": (png_that_claims(10_000, 10_000), r"too many pixels .*\b100000000 pixels"),
    "nothing.png": (png_that_claims(0, 5), "^is "),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_have_a_reason_and_leave_standard_error_alone(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    content, reason = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadImageError, match=reason):
        read_gray(tmp_path / name)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(BadImageError, match=r"^cannot be read \(No such file"):
        read_gray(tmp_path / "missing.png")
    with pytest.raises(BadImageError, match=r"^cannot be read \(Is a directory"):
        read_gray(tmp_path / "folder.png")


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_a_file_that_is_cut_anywhere_never_gives_other_pixels(tmp_path: Path, file_format: str) -> None:
    whole = encoded(Image.fromarray(noise(17, 19, 3)), file_format)
    path = tmp_path / "a.png"
    path.write_bytes(whole)
    expected = read_gray(path)
    refused = 0
    for length in reversed(range(len(whole))):
        os.truncate(path, length)
        try:
            image = read_gray(path)
        except BadImageError:
            refused += 1
        else:
            np.testing.assert_array_equal(image, expected)
    assert refused > 0.9 * len(whole)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    whole=st.sampled_from([GRAY_PNG, COLOR_JPEG]),
    changes=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damage_anywhere_gives_an_image_or_a_reason(
    tmp_path: Path, whole: bytes, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(whole)
    for place, value in changes:
        content[place] = value
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(BadImageError):
            assert read_gray(path).ndim == 2
