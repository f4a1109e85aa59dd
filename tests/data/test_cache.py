import json
import logging
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from caches import content, only_folder
from image_files import folder, write_bad_files, write_images
from PIL import Image

from deblur.data.cache import open_cache
from deblur.errors import UserError
from deblur.image_io.decoding import read_gray


def test_a_cache_holds_the_decoded_images(images: Path, root: Path) -> None:
    cache = open_cache(folder(images), root)
    assert cache.was_built
    assert cache.names == ("000.png", "001.png", "002.png", "003.png", "copy.png")
    assert len(cache) == 5
    assert cache.shapes == ((9, 11), (10, 11), (11, 11), (9, 11), (10, 11))
    for index, name in enumerate(cache.names):
        np.testing.assert_array_equal(cache[index], read_gray(images / name))
    assert cache.digests[1] == cache.digests[4]
    assert len(set(cache.digests)) == 4
    assert cache.bad == ()
    with pytest.raises(IndexError):
        cache[5]


def test_a_pickled_cache_is_small_and_equal(tmp_path: Path, root: Path) -> None:
    write_images(tmp_path / "images", 4, height=200, width=300)
    cache = open_cache(folder(tmp_path / "images"), root)
    pickled = pickle.dumps(cache)
    assert len(pickled) < 1000
    copy = pickle.loads(pickled)
    assert content(copy) == content(cache)
    assert copy.was_built == cache.was_built


def test_the_fingerprint_depends_on_names_and_pixels_alone(tmp_path: Path, images: Path, root: Path) -> None:
    def fingerprint(place: Path) -> str:
        return open_cache(folder(place), root).fingerprint

    first = fingerprint(images)
    elsewhere = tmp_path / "elsewhere"
    for name in sorted(path.name for path in images.iterdir()):
        elsewhere.mkdir(exist_ok=True)
        Image.fromarray(read_gray(images / name)).save(elsewhere / name, compress_level=1)
    assert fingerprint(elsewhere) == first
    (elsewhere / "000.png").rename(elsewhere / "00.png")
    renamed = fingerprint(elsewhere)
    (elsewhere / "00.png").rename(elsewhere / "000.png")
    image = read_gray(images / "000.png")
    image[0, 0] ^= 1
    Image.fromarray(image).save(elsewhere / "000.png")
    assert len({first, renamed, fingerprint(elsewhere)}) == 3


# Building once


def test_a_cache_is_built_once(images: Path, root: Path) -> None:
    built = open_cache(folder(images), root)
    files = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    again = open_cache(folder(images), root)
    assert not again.was_built
    assert content(again) == content(built)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == files


def test_a_finished_cache_is_opened_without_its_lock(images: Path, root: Path) -> None:
    open_cache(folder(images), root)
    for lock in root.glob("*.lock"):  # as in a folder of caches that may only be read
        lock.unlink()
    assert not open_cache(folder(images), root).was_built
    assert not list(root.glob("*.lock"))


@pytest.mark.parametrize("change", ["time", "size", "new file", "file gone"])
def test_a_change_builds_again(images: Path, root: Path, change: str) -> None:
    open_cache(folder(images), root, max_bad_fraction=1)
    match change:
        case "time":
            os.utime(images / "000.png", ns=(0, 0))
        case "size":
            status = (images / "000.png").stat()
            shutil.copy(images / "001.png", images / "000.png")
            os.utime(images / "000.png", ns=(status.st_atime_ns, status.st_mtime_ns))
        case "new file":
            shutil.copy(images / "000.png", images / "new.png")
        case "file gone":
            (images / "000.png").unlink()
    cache = open_cache(folder(images), root, max_bad_fraction=1)
    assert cache.was_built
    for index, name in enumerate(cache.names):
        np.testing.assert_array_equal(cache[index], read_gray(images / name))


def test_processes_change_nothing(tmp_path: Path, root: Path) -> None:
    write_images(tmp_path / "images", 90)
    write_bad_files(tmp_path / "images", 3)
    cache = open_cache(folder(tmp_path / "images"), root, workers=2)
    assert len(cache) == 90
    assert len(cache.bad) == 3
    for index, name in enumerate(cache.names):
        np.testing.assert_array_equal(cache[index], read_gray(tmp_path / "images" / name))


# Damage


def change_index(**changes: object) -> Callable[[Path], None]:
    def damage(cache: Path) -> None:
        path = cache / "index.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return damage


def flip(name: str, place: int) -> Callable[[Path], None]:
    """Change one bit of a file, and put the time of its content back."""

    def damage(cache: Path) -> None:
        path = cache / name
        status = path.stat()
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    return damage


def change_header(**changes: object) -> Callable[[Path], None]:
    """Write another header before the same pixels, padded to the same length."""

    def damage(cache: Path) -> None:
        content = (cache / "pixels.npy").read_bytes()
        header = {"descr": "|u1", "fortran_order": False, "shape": (539,)} | changes
        text = f"{header!r}".encode()
        (cache / "pixels.npy").write_bytes(content[:10] + text.ljust(117) + b"\n" + content[128:])

    return damage


def exchange(first: str, second: str) -> Callable[[Path], None]:
    def damage(cache: Path) -> None:
        path = cache / "index.json"
        path.write_text(path.read_text().replace(first, "\0").replace(second, first).replace("\0", second))

    return damage


def turn_first_image(cache: Path) -> None:
    path = cache / "index.json"
    content = json.loads(path.read_text())
    content["shapes"][0].reverse()
    path.write_text(json.dumps(content))


def exchange_first_digests(cache: Path) -> None:
    path = cache / "index.json"
    content = json.loads(path.read_text())
    content["digests"][:2] = content["digests"][1::-1]
    path.write_text(json.dumps(content))


def cut(name: str, length: int) -> Callable[[Path], None]:
    return lambda cache: os.truncate(cache / name, length)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "pixels cut": cut("pixels.npy", 300),
    "pixels without header": cut("pixels.npy", 60),
    "pixels empty": cut("pixels.npy", 0),
    "pixels gone": lambda cache: (cache / "pixels.npy").unlink(),
    "one pixel": flip("pixels.npy", 300),
    "last pixel": flip("pixels.npy", -1),
    "magic of the header": flip("pixels.npy", 3),
    "version of the header": flip("pixels.npy", 6),
    "length of the header": flip("pixels.npy", 8),
    "text of the header": flip("pixels.npy", 15),
    "header of a huge array": change_header(shape=(10**18,)),
    "header of a negative array": change_header(shape=(-1,)),
    "header of two dimensions": change_header(shape=(7, 77)),
    "header of wide numbers": change_header(descr="<u8"),
    "header of objects": change_header(descr="|O"),
    "header that is no text": flip("pixels.npy", 11),
    "pixels longer": lambda cache: (cache / "pixels.npy").write_bytes((cache / "pixels.npy").read_bytes() + b"x"),
    "pixels of another kind": lambda cache: np.save(cache / "pixels.npy", np.zeros((5, 110), np.uint8)),
    "index cut": cut("index.json", 100),
    "index empty": cut("index.json", 0),
    "index gone": lambda cache: (cache / "index.json").unlink(),
    "index of another kind": lambda cache: (cache / "index.json").write_text("[]"),
    "index not text": lambda cache: (cache / "index.json").write_bytes(b"\xff\xfe"),
    "index deep": lambda cache: (cache / "index.json").write_text("[" * 10**5),
    "a digest": lambda cache: flip("index.json", (cache / "index.json").read_bytes().index(b'"digests": ["') + 20)(
        cache
    ),
    "digests exchanged": exchange_first_digests,
    "names exchanged": exchange("000.png", "002.png"),
    "an image turned": turn_first_image,
    "negative sides": change_index(shapes=[[-9, -11], [10, 11], [11, 11], [9, 11], [10, 11]]),
    "broken sides": change_index(shapes=[[9.0, 11.0], [10, 11], [11, 11], [9, 11], [10, 11]]),
    "names of another kind": change_index(names=[0, 1, 2, 3, 4]),
    "another version": change_index(version=0),
    "unknown entry": change_index(other=1),
    "wrong shape": change_index(shapes=[[9, 11], [10, 11], [11, 11], [9, 11], [10, 12]]),
    "wrong offset": change_index(offsets=[0, 99, 209, 330, 428]),
    "name missing": change_index(names=["000.png"]),
    "digests of another kind": change_index(digests=None),
    "bad files of another kind": change_index(bad=["a.png"]),
}


@pytest.mark.parametrize("memory_limit", [0, 10**6], ids=["mapped", "in memory"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_cache_is_built_again(
    images: Path,
    root: Path,
    damage: Callable[[Path], object],
    memory_limit: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = content(open_cache(folder(images), root))
    damage(only_folder(root))
    cache = open_cache(folder(images), root, memory_limit=memory_limit)
    assert cache.was_built
    assert content(cache) == expected
    [warning] = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "is damaged and is built again" in warning
    assert not open_cache(folder(images), root).was_built


def test_a_flipped_pixel_is_told(images: Path, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    open_cache(folder(images), root)
    flip("pixels.npy", 128 + 99 + 5)(only_folder(root))
    open_cache(folder(images), root)
    assert "is damaged and is built again (001.png has other pixels than when it was decoded)" in caplog.text


def comparisons(caplog: pytest.LogCaptureFixture) -> int:
    return sum("with their digests" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("memory_limit", [0, 10**6], ids=["read one by one", "in memory"])
def test_pixels_are_compared_once_where_files_have_changed(
    images: Path, root: Path, memory_limit: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    expected = content(open_cache(folder(images), root))
    changes: dict[str, Callable[[Path], object]] = {
        "nothing": lambda _: None,
        "time": lambda cache: os.utime(cache / "pixels.npy", ns=(0, 0)),
        "permissions": lambda cache: (cache / "pixels.npy").chmod(0o600),
        "note gone": lambda cache: (cache / "verified.json").unlink(),
        "note damaged": lambda cache: (cache / "verified.json").write_text("{"),
        "note of another kind": lambda cache: (cache / "verified.json").write_text("[1]"),
        "index written in another way": lambda cache: (cache / "index.json").write_text(
            json.dumps(json.loads((cache / "index.json").read_text()), indent=1)
        ),
    }
    for name, change in changes.items():
        change(only_folder(root))
        for attempt in range(2):
            caplog.clear()
            cache = open_cache(folder(images), root, memory_limit=memory_limit)
            assert not cache.was_built
            assert content(cache) == expected
            assert comparisons(caplog) == (name != "nothing" and attempt == 0), name


def test_a_copy_of_a_cache_is_compared_once(
    tmp_path: Path, images: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    expected = content(open_cache(folder(images), root))
    shutil.copytree(root, tmp_path / "copy")  # with the times of the content
    for count in (1, 0):
        caplog.clear()
        cache = open_cache(folder(images), tmp_path / "copy")
        assert not cache.was_built
        assert content(cache) == expected
        assert comparisons(caplog) == count


def test_a_cache_that_may_only_be_read_is_compared_each_time(
    images: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    expected = content(open_cache(folder(images), root))
    (only_folder(root) / "verified.json").unlink()
    (only_folder(root) / "verified.json").mkdir()  # where not even root can write a file
    for _ in range(2):
        caplog.clear()
        assert content(open_cache(folder(images), root)) == expected
        assert comparisons(caplog) == 1


def test_a_cache_of_the_version_before_is_kept(images: Path, root: Path) -> None:
    """It has no note."""
    open_cache(folder(images), root)
    (only_folder(root) / "verified.json").unlink()
    assert not open_cache(folder(images), root).was_built


# Bad files


def test_bad_files_are_left_out_with_one_warning(images: Path, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_bad_files(images, 1)
    (images / "line\nbreak.png").touch()
    for _ in ("built", "opened again"):
        caplog.clear()
        cache = open_cache(folder(images), root, max_bad_fraction=0.5)
        assert len(cache) == 5
        assert [bad.name for bad in cache.bad] == ["bad00.png", "line\nbreak.png"]
        [warning] = [record.message for record in caplog.records if record.levelno == logging.WARNING]
        assert "2 of 7 images" in warning
        assert str(images) in warning
        assert (
            "\n  bad00.png is no AVIF, BMP, HEIC, JPEG, PNG, TIFF or WebP image"
            "\n  'line\\nbreak.png' is empty (0 bytes)" in warning
        )
    assert not cache.was_built


def test_a_long_list_of_bad_files_is_cut(tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_images(tmp_path / "images", 5)
    write_bad_files(tmp_path / "images", 23)
    open_cache(folder(tmp_path / "images"), root, max_bad_fraction=0.9)
    [warning] = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "bad19.png" in warning
    assert "bad20.png" not in warning
    assert warning.endswith("and 3 more")


def test_too_many_bad_files_are_refused_whenever_the_cache_is_opened(images: Path, root: Path) -> None:
    write_bad_files(images, 5)
    for _ in ("built", "opened again"):
        with pytest.raises(UserError, match=r"5 of 10 images of .*a share of 0.49 is allowed") as caught:
            open_cache(folder(images), root, max_bad_fraction=0.49)
        message = str(caught.value)
        assert message.startswith("data.max_bad_fraction: ")
        assert "bad00.png is no AVIF, BMP, HEIC, JPEG, PNG, TIFF or WebP image" in message
        assert "raise data.max_bad_fraction" in message
    cache = open_cache(folder(images), root, max_bad_fraction=0.5)
    assert not cache.was_built
    assert len(cache) == 5


def test_the_usual_limit_is_a_twentieth(tmp_path: Path, root: Path) -> None:
    write_images(tmp_path / "images", 19)
    write_bad_files(tmp_path / "images", 1)
    assert len(open_cache(folder(tmp_path / "images"), root)) == 19
    write_bad_files(tmp_path / "images", 2)
    with pytest.raises(UserError, match=r"2 of 21 images"):
        open_cache(folder(tmp_path / "images"), root)


@pytest.mark.parametrize("memory_limit", [0, 10**6], ids=["mapped", "in memory"])
def test_no_good_image_is_refused(tmp_path: Path, root: Path, memory_limit: int) -> None:
    (tmp_path / "images").mkdir()
    write_bad_files(tmp_path / "images", 2)
    for _ in ("built", "opened again"):
        with pytest.raises(UserError, match=r"^data: none of the 2 images of .* can be used"):
            open_cache(folder(tmp_path / "images"), root, max_bad_fraction=1, memory_limit=memory_limit)


# Trouble with the disk


def test_a_cache_root_that_cannot_be_written_is_named(images: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^paths.cache_root: .*file.*paths.cache_root=FOLDER"):
        open_cache(folder(images), tmp_path / "file" / "caches")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_root_without_permission_is_named(images: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(UserError, match=r"^paths.cache_root: .*closed.*Permission denied"):
        open_cache(folder(images), closed)
