import contextlib
import io
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from deblur.data.images import BadImageError, digest, find_images, read_gray
from deblur.errors import UserError

HEIGHT, WIDTH = 37, 53  # odd and not square, to catch swaps


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    return rgb[..., :3].astype(np.float64) @ [0.299, 0.587, 0.114]


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_claims(width: int, height: int) -> bytes:
    """A gray PNG of a few bytes with any size in its header."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(bytes(9))) + png_chunk(b"IEND", b"")


# Reading


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.jpg", "a.JPEG"])
def test_gray_pictures_keep_their_levels(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Image.fromarray(noise(HEIGHT, WIDTH)).save(path, quality=90)
    image = read_gray(path)
    assert image.dtype == np.uint8
    assert image.shape == (HEIGHT, WIDTH)
    with Image.open(path) as stored:
        assert stored.mode == "L"
        np.testing.assert_array_equal(image, np.asarray(stored))


def test_colors_become_luma(tmp_path: Path) -> None:
    rgb = noise(HEIGHT, WIDTH, 3)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    assert np.abs(read_gray(tmp_path / "a.png") - luma(rgb)).max() <= 0.5 + 1e-3


def test_colors_of_a_jpeg_become_luma(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(noise(HEIGHT, WIDTH, 3)).save(path, quality=85)
    with Image.open(path) as stored:
        rgb = np.asarray(stored.convert("RGB"))
    assert np.abs(read_gray(path) - luma(rgb)).max() <= 1


def test_full_range(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[0, 0, 0], [255, 255, 255]]], dtype=np.uint8)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), [[0, 255]])


def test_palette(tmp_path: Path) -> None:
    picture = Image.fromarray(noise(HEIGHT, WIDTH, 3)).quantize(50)
    picture.save(tmp_path / "palette.png")
    picture.convert("RGB").save(tmp_path / "rgb.png")
    np.testing.assert_array_equal(read_gray(tmp_path / "palette.png"), read_gray(tmp_path / "rgb.png"))


def test_palette_with_transparent_entries_lies_on_white(tmp_path: Path) -> None:
    picture = Image.fromarray(noise(HEIGHT, WIDTH, 3)).quantize(4)
    picture.save(tmp_path / "a.png", transparency=bytes([255, 0, 255, 255]))
    image, index = read_gray(tmp_path / "a.png"), np.asarray(picture)
    assert (image[index == 1] == 255).all()
    opaque = luma(np.asarray(picture.convert("RGB")))
    assert np.abs(image - opaque)[index != 1].max() <= 1


def test_one_bit(tmp_path: Path) -> None:
    bits = noise(HEIGHT, WIDTH) > 127
    Image.fromarray(bits).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), 255 * bits)


def test_alpha_lies_on_white(tmp_path: Path) -> None:
    rgba = noise(HEIGHT, WIDTH, 4)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    alpha = rgba[..., 3] / 255
    assert np.abs(read_gray(tmp_path / "a.png") - (alpha * luma(rgba) + (1 - alpha) * 255)).max() <= 1.5


def test_opaque_alpha_changes_nothing(tmp_path: Path) -> None:
    rgb = noise(HEIGHT, WIDTH, 3)
    rgba = np.dstack([rgb, np.full((HEIGHT, WIDTH), 255, np.uint8)])
    Image.fromarray(rgb).save(tmp_path / "without.png")
    Image.fromarray(rgba).save(tmp_path / "with.png")
    np.testing.assert_array_equal(read_gray(tmp_path / "with.png"), read_gray(tmp_path / "without.png"))


def test_gray_with_alpha(tmp_path: Path) -> None:
    gray = noise(HEIGHT, WIDTH)
    alpha = np.where(gray < 100, 0, 255).astype(np.uint8)
    Image.merge("LA", (Image.fromarray(gray), Image.fromarray(alpha))).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), np.where(gray < 100, 255, gray))


def test_transparent_level(tmp_path: Path) -> None:
    gray = noise(HEIGHT, WIDTH)
    Image.fromarray(gray).save(tmp_path / "a.png", transparency=7)
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), np.where(gray == 7, 255, gray))


def test_cmyk_jpeg(tmp_path: Path) -> None:
    picture = Image.fromarray(noise(HEIGHT, WIDTH, 3)).convert("CMYK")
    picture.save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as stored:
        expected = luma(np.asarray(stored.convert("RGB")))
    assert np.abs(read_gray(tmp_path / "a.jpg") - expected).max() <= 1


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(noise(HEIGHT, WIDTH)), "JPEG"))
    assert read_gray(tmp_path / "a.png").shape == (HEIGHT, WIDTH)


def test_odd_metadata_give_no_warning(tmp_path: Path) -> None:
    whole = encoded(Image.fromarray(noise(HEIGHT, WIDTH)), "PNG")
    after_header = whole.index(b"IDAT") - 4
    wrong_animation = png_chunk(b"acTL", bytes(8))  # of no frames
    (tmp_path / "a.png").write_bytes(whole[:after_header] + wrong_animation + whole[after_header:])
    with pytest.warns(UserWarning, match="APNG"), Image.open(tmp_path / "a.png"):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), noise(HEIGHT, WIDTH))


# Bad files

GRAY_PNG = encoded(Image.fromarray(noise(HEIGHT, WIDTH)), "PNG")
COLOR_JPEG = encoded(Image.fromarray(noise(HEIGHT, WIDTH, 3)), "JPEG")
BAD_FILES = {
    "empty.png": (b"", r"^is empty \(0 bytes\)$"),
    "text.png": (b"This is no picture.\n", "^is not a JPEG or PNG picture$"),
    "page.jpg": (b"<!DOCTYPE html><html></html>", "^is not a JPEG or PNG picture$"),
    "cut.png": (GRAY_PNG[: len(GRAY_PNG) // 2], "^is truncated$"),
    "cut.jpg": (COLOR_JPEG[: len(COLOR_JPEG) // 2], "^is truncated$"),
    "start.jpg": (COLOR_JPEG[:30], "^is "),
    "other.png": (encoded(Image.fromarray(noise(HEIGHT, WIDTH)), "GIF"), "^is not a JPEG or PNG picture$"),
    "flipped.png": (GRAY_PNG[:50] + bytes(20) + GRAY_PNG[70:], "^is "),
    "deep.png": (encoded(Image.fromarray(noise(HEIGHT, WIDTH).astype(np.uint16)), "PNG"), "more than 8 bits a channel"),
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


def test_too_small(tmp_path: Path) -> None:
    Image.fromarray(noise(30, 64)).save(tmp_path / "a.png")
    with pytest.raises(BadImageError, match=r"^is 64x30, smaller than 64x64$"):
        read_gray(tmp_path / "a.png", min_size=64)
    assert read_gray(tmp_path / "a.png", min_size=30).shape == (30, 64)


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


# Digests


def test_digests_tell_pixels_and_shapes_apart() -> None:
    image = noise(4, 6)
    other = image.copy()
    other[3, 5] ^= 1
    assert digest(image) == digest(image.copy()) == digest(np.asfortranarray(image))
    assert len({digest(image), digest(other), digest(image.reshape(6, 4)), digest(image.T)}) == 4


# Finding

ODD_NAMES = [
    "a blank.png",
    "brackets (1) [2] {3}.png",
    "comma,equals=sign.jpg",
    "quote'\"#~&.png",
    "été 目 ß.jpeg",
    "line\nbreak.png",
]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_images_are_found_in_all_folders_and_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "z.png", "b/c/x.JPG", "b/a.jpeg", "B/a.Png", "b.PNG", *ODD_NAMES)
    touch(tmp_path, "notes.txt", "png", "a.png.txt", "picture.gif", ".hidden.png", ".git/a.png", "b/.x/a.png")
    (tmp_path / "empty.png").mkdir()
    expected = sorted(["z.png", "b/c/x.JPG", "b/a.jpeg", "B/a.Png", "b.PNG", *ODD_NAMES])
    assert find_images(tmp_path) == expected


def test_a_hidden_root_is_searched(tmp_path: Path) -> None:
    touch(tmp_path, ".data/a.png")
    assert find_images(tmp_path / ".data") == ["a.png"]


def test_names_do_not_depend_on_how_the_root_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "root/b/a.png")
    monkeypatch.chdir(tmp_path)
    assert find_images(Path("root")) == find_images(Path("root/../root/")) == find_images(tmp_path / "root")


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    touch(tmp_path, "outside/far.png", "root/real/a.png", "root/z.png")
    root = tmp_path / "root"
    (root / "a_loop").symlink_to(root)
    (root / "real" / "up").symlink_to(root)
    (root / "b_link").symlink_to(root / "real")  # sorted before `real`, which must keep its name all the same
    (root / "c_outside").symlink_to(tmp_path / "outside")
    (root / "d_outside").symlink_to(tmp_path / "outside")
    (root / "linked.png").symlink_to(root / "z.png")
    (root / "self").symlink_to(root / "self")
    assert find_images(root) == ["c_outside/far.png", "linked.png", "real/a.png", "z.png"]


def test_broken_links_are_named_and_pipes_left_out(tmp_path: Path) -> None:
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert find_images(tmp_path) == ["broken.png"]


@pytest.mark.parametrize(
    ("root", "problem"),
    [("missing", "does not exist"), ("file.png", "is a file, not a folder"), ("empty", "there is no image in")],
)
def test_a_root_without_images_is_refused(tmp_path: Path, root: str, problem: str) -> None:
    touch(tmp_path, "file.png", "empty/notes.txt", "empty/.hidden.png")
    with pytest.raises(UserError, match=problem) as caught:
        find_images(tmp_path / root)
    message = str(caught.value)
    assert message.startswith("data.root: ")
    assert str(tmp_path / root) in message
    assert ".jpeg, .jpg, .png" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "closed/b.png")
    (tmp_path / "closed").chmod(0)
    try:
        with pytest.raises(UserError, match=r"closed cannot be listed"):
            find_images(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_reading_images_needs_no_torch() -> None:
    # Each process that decodes imports these modules.
    code = "import sys, deblur.data.sources; print({'torch', 'lightning', 'albumentations', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
