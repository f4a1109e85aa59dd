import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from image_files import (
    folder,
    write_images,
)

from deblur.data.cache import open_cache

pytestmark = pytest.mark.slow

# Several processes. The script opens a cache whose images each take a while, and says what happened.

SLOW_SOURCE = """
import os, time
from deblur.data import FolderData

class SlowSource(FolderData):
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
    cache = open_cache(SlowSource(images, None, 0), root, workers=workers)
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
        write_images(images, 100, height=90, width=110)
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
@pytest.mark.parametrize("seconds_per_image", [0.03, 1.0])
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, root: Path, seconds_per_image: float) -> None:
    process = start(tmp_path, root, workers=2, seconds_per_image=seconds_per_image)
    wait_until(lambda: pixels_written(root) > (50_000 if seconds_per_image < 1 else 0))
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
def test_a_killed_build_is_no_cache_and_is_cleared_away(tmp_path: Path, root: Path) -> None:
    process = start(tmp_path, root, workers=2, seconds_per_image=0.03)
    wait_until(lambda: pixels_written(root) > 50_000)
    process.kill()
    process.communicate()
    wait_until(lambda: not running_processes(process.pid))
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
