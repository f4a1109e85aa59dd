import contextlib
import json
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deblur.data.cache import ImageCache, open_cache
from deblur.data.images import read_gray
from deblur.data.sources import FolderSource
from deblur.errors import UserError


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def write_images(root: Path, count: int, height: int = 9, width: int = 11) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(noise(height + index % 3, width, index)).save(root / f"{index:03d}.png")


def write_bad_files(root: Path, count: int) -> None:
    for index in range(count):
        (root / f"bad{index:02d}.png").write_text("no picture")


def folder(root: Path, min_size: int = 1) -> FolderSource:
    return FolderSource(root, None, 0, min_size)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of five images of mixed sizes, two of them identical."""
    root = tmp_path / "images"
    write_images(root, 4)
    shutil.copy(root / "001.png", root / "copy.png")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of all caches, not yet there."""
    return tmp_path / "caches" / "deblur"


def content(cache: ImageCache) -> list[object]:
    parts = [cache.names, cache.shapes, cache.digests, cache.bad, cache.fingerprint]
    return [*parts, [cache[index].tolist() for index in range(len(cache))]]


def only_folder(root: Path) -> Path:
    [found] = [path for path in root.iterdir() if path.is_dir()]
    return found


# Content


def test_a_cache_holds_the_decoded_images(images: Path, root: Path) -> None:
    cache = open_cache(folder(images), root)
    assert cache.was_built
    assert cache.seconds > 0
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


@pytest.mark.parametrize("memory_limit", [0, 10**6], ids=["mapped", "in memory"])
def test_images_cannot_be_changed(images: Path, root: Path, memory_limit: int) -> None:
    image = open_cache(folder(images), root, memory_limit=memory_limit)[0]
    assert type(image) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 1


def test_mapped_images_equal_those_in_memory(images: Path, root: Path) -> None:
    in_memory = open_cache(folder(images), root)
    mapped = open_cache(folder(images), root, memory_limit=0)
    assert content(mapped) == content(in_memory)
    pixels = only_folder(root) / "pixels.npy"
    assert not is_mapped(in_memory[4], pixels)
    assert is_mapped(mapped[4], pixels)


def is_mapped(image: NDArray[np.uint8], file: Path) -> bool:
    """Whether a change of the file is seen in the image."""
    whole = file.read_bytes()
    before = image[-1, -1]
    with file.open("r+b") as changed:
        changed.seek(-1, os.SEEK_END)
        changed.write(bytes([int(before) ^ 255]))
    seen = image[-1, -1] != before
    with file.open("r+b") as changed:
        changed.write(whole)
    return bool(seen)


def test_a_pickled_cache_is_small_and_equal(tmp_path: Path, root: Path) -> None:
    write_images(tmp_path / "images", 4, 200, 300)
    cache = open_cache(folder(tmp_path / "images"), root)
    pickled = pickle.dumps(cache)
    assert len(pickled) < 1000
    copy = pickle.loads(pickled)
    assert content(copy) == content(cache)
    assert (copy.was_built, copy.seconds) == (cache.was_built, cache.seconds)


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


@pytest.mark.parametrize("change", ["time", "size", "new file", "file gone", "smallest size"])
def test_a_change_builds_anew(images: Path, root: Path, change: str) -> None:
    open_cache(folder(images), root, max_bad_fraction=1)
    min_size = 1
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
        case "smallest size":
            min_size = 10
    cache = open_cache(folder(images, min_size), root, max_bad_fraction=1)
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


def cut(name: str, length: int) -> Callable[[Path], None]:
    return lambda cache: os.truncate(cache / name, length)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "pixels cut": cut("pixels.npy", 300),
    "pixels without header": cut("pixels.npy", 60),
    "pixels empty": cut("pixels.npy", 0),
    "pixels gone": lambda cache: (cache / "pixels.npy").unlink(),
    "pixels of another kind": lambda cache: np.save(cache / "pixels.npy", np.zeros((5, 110), np.uint8)),
    "index cut": cut("index.json", 100),
    "index empty": cut("index.json", 0),
    "index gone": lambda cache: (cache / "index.json").unlink(),
    "index of another kind": lambda cache: (cache / "index.json").write_text("[]"),
    "index not text": lambda cache: (cache / "index.json").write_bytes(b"\xff\xfe"),
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
def test_a_damaged_cache_is_built_anew(
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
    assert "is damaged and is built anew" in warning
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
        assert "\n  bad00.png is not a JPEG or PNG picture\n  'line\\nbreak.png' is empty (0 bytes)" in warning
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
        assert "bad00.png is not a JPEG or PNG picture" in message
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
        with pytest.raises(UserError, match=r"^data.root: none of the 2 images of .* can be used"):
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


# Several processes. The script opens a cache whose images each take a while, and says what happened.

SLOW_SOURCE = """
import os, time
from deblur.data.sources import FolderSource

class SlowSource(FolderSource):
    def decode(self, index):
        time.sleep(float(os.environ["SECONDS_PER_IMAGE"]))
        return super().decode(index)
"""
SCRIPT = """
import logging, resource, sys
from pathlib import Path
logging.basicConfig(level=logging.INFO, format="%(message)s")
from deblur.data.cache import open_cache
from deblur.errors import UserError
from slow_source import SlowSource

images, root, workers, largest_file = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))
try:
    cache = open_cache(SlowSource(images, None, 0, 1), root, workers=workers)
    print("built" if cache.was_built else "opened", len(cache), cache.fingerprint)
except KeyboardInterrupt:
    print("interrupted")
except UserError as error:
    print("refused:", error)
"""
UNLIMITED = -1


def start(
    tmp_path: Path,
    root: Path,
    workers: int,
    *,
    seconds_per_image: float = 0.005,
    largest_file: int = UNLIMITED,
    stderr: int = subprocess.PIPE,
) -> subprocess.Popen[str]:
    images = tmp_path / "images"
    if not images.exists():
        write_images(images, 100, 90, 110)
        (tmp_path / "slow_source.py").write_text(SLOW_SOURCE)
        (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(images), str(root), str(workers), str(largest_file)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "SECONDS_PER_IMAGE": str(seconds_per_image),
            "TERM": "xterm",
        },
        start_new_session=True,  # a process group of its own, as a terminal gives to each command
    )


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds
        time.sleep(0.01)


def pixels_written(root: Path) -> int:
    return sum(path.stat().st_size for path in root.glob(".building-*/pixels.npy"))


def running_processes(group: int) -> list[int]:
    """Processes of a group that have not ended; ended ones may wait for their parent for ever."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = status.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(process_group) == group and state != "Z":
            found.append(int(status.parent.name))
    return found


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if path.suffix != ".lock"]


def test_of_two_processes_one_builds_and_the_other_waits(tmp_path: Path, root: Path) -> None:
    processes = [start(tmp_path, root, workers=1) for _ in range(2)]
    outputs, logs = zip(*(process.communicate() for process in processes), strict=True)
    built, opened = sorted(output.split() for output in outputs)
    assert [built[0], opened[0]] == ["built", "opened"]
    assert built[1:] == opened[1:]
    assert "".join(logs).count("Another process is building the image cache") == 1
    assert "".join(logs).count("Decoded 100 images in") == 1
    assert "\x1b" not in "".join(logs)  # the progress bar is for terminals


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("moment", ["workers start", "images are decoded"])
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, root: Path, moment: str) -> None:
    process = start(tmp_path, root, workers=2, seconds_per_image=0.03)
    if moment == "workers start":
        wait_until(lambda: len(running_processes(process.pid)) >= 4)  # with the tracker of shared resources
    else:
        wait_until(lambda: pixels_written(root) > 50_000)
    interrupted = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    output, log = process.communicate()
    assert time.monotonic() - interrupted < 5
    assert output == "interrupted\n"
    assert "Traceback" not in log
    assert log.count("\n") == 1  # that decoding began
    assert leftovers(root) == []
    wait_until(lambda: not running_processes(process.pid))


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_workers_know_nothing_of_ctrl_c(tmp_path: Path, root: Path) -> None:
    process = start(tmp_path, root, workers=2)
    while process.poll() is None:
        for worker in set(running_processes(process.pid)) - {process.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGINT)
        time.sleep(0.005)
    output, log = process.communicate()
    assert output.startswith("built 100")
    assert log.count("\n") == 2  # that decoding began and ended


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_killed_build_is_no_cache_and_is_cleared_away(tmp_path: Path, root: Path) -> None:
    process = start(tmp_path, root, workers=2, seconds_per_image=0.03)
    wait_until(lambda: pixels_written(root) > 50_000)
    process.kill()
    process.communicate()
    wait_until(lambda: not running_processes(process.pid))  # its workers end as well
    assert [name.startswith(".building-") for name in leftovers(root)] == [True]

    write_images(tmp_path / "other", 3)
    open_cache(folder(tmp_path / "other"), root)  # another cache clears it away too
    assert not list(root.glob(".building-*"))

    (root / f".building-{folder(tmp_path / 'images').cache_key()}").mkdir()
    cache = open_cache(folder(tmp_path / "images"), root)
    assert cache.was_built
    assert len(cache) == 100
    assert not list(root.glob(".building-*"))


def test_a_build_leaves_another_build_alone(tmp_path: Path, root: Path) -> None:
    process = start(tmp_path, root, workers=1, seconds_per_image=0.01)
    wait_until(lambda: bool(list(root.glob(".building-*"))))
    write_images(tmp_path / "other", 3)
    open_cache(folder(tmp_path / "other"), root)
    assert list(root.glob(".building-*"))
    assert process.communicate()[0].startswith("built 100")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, root: Path) -> None:
    process = start(tmp_path, root, workers=2, largest_file=5000)
    output, log = process.communicate()
    assert output.startswith(f"refused: paths.cache_root: the image cache cannot be written to {root} (File too large)")
    assert "Traceback" not in log
    assert leftovers(root) == []


# The display


def test_a_terminal_shows_progress(tmp_path: Path, root: Path) -> None:
    ours, theirs = os.openpty()
    process = start(tmp_path, root, workers=1, stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that its last program has ended
        while part := os.read(ours, 10_000):
            shown += part
    os.close(ours)
    assert process.communicate()[0].startswith("built 100")
    assert b"Decoding images" in shown
    assert b"\x1b[" in shown
