import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deblur.data.images import BadImageError, digest, read_gray
from deblur.data.sources import Decoded, FolderSource, ImageSource, SyntheticSource, decode_all
from deblur.errors import UserError


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def write_images(root: Path, count: int, first: int = 0) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for index in range(first, first + count):
        Image.fromarray(noise(9, 11, index)).save(root / f"{index:03d}.png")


def folder(root: Path, max_images: int | None = None, seed: int = 0, min_size: int = 1) -> FolderSource:
    return FolderSource(root, max_images, seed, min_size)


# Folders


def test_a_folder_gives_all_its_images(tmp_path: Path) -> None:
    write_images(tmp_path / "b", 2)
    write_images(tmp_path, 2)
    source = folder(tmp_path)
    assert list(source.names) == ["000.png", "001.png", "b/000.png", "b/001.png"]
    assert str(tmp_path) in source.description
    np.testing.assert_array_equal(source.decode(3), read_gray(tmp_path / "b/001.png"))


def test_small_images_are_bad(tmp_path: Path) -> None:
    write_images(tmp_path, 1)
    assert folder(tmp_path, min_size=9).decode(0).shape == (9, 11)
    with pytest.raises(BadImageError, match=r"is 11x9, smaller than 10x10"):
        folder(tmp_path, min_size=10).decode(0)


def test_a_name_that_cannot_be_written_to_files_is_bad(tmp_path: Path) -> None:
    write_images(tmp_path, 1)
    (tmp_path / "000.png").rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    source = folder(tmp_path)
    with pytest.raises(BadImageError, match="not valid UTF-8"):
        source.decode(0)
    assert source.cache_key()


def test_a_choice_of_images(tmp_path: Path) -> None:
    write_images(tmp_path, 60)
    names = folder(tmp_path).names
    chosen = folder(tmp_path, max_images=20).names
    assert len(set(chosen)) == 20
    assert list(chosen) == sorted(chosen)
    assert set(chosen) < set(names)
    assert list(chosen) != list(names[:20])
    assert chosen == folder(tmp_path, max_images=20).names
    assert chosen != folder(tmp_path, max_images=20, seed=1).names
    assert set(chosen) < set(folder(tmp_path, max_images=21).names)
    assert folder(tmp_path, max_images=1000).names == names


def test_more_files_change_few_choices(tmp_path: Path) -> None:
    write_images(tmp_path, 60)
    before = set(folder(tmp_path, max_images=30).names)
    write_images(tmp_path, 6, first=60)
    after = set(folder(tmp_path, max_images=30).names)
    new = {f"{index:03d}.png" for index in range(60, 66)}
    assert len(before - after) == len(after & new) <= 6


def test_the_key_of_a_folder_follows_what_decides_the_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    write_images(root, 3)
    file = root / "000.png"
    keys = [folder(root).cache_key()]
    assert folder(root).cache_key() == keys[0]
    monkeypatch.chdir(tmp_path)
    assert folder(Path("root")).cache_key() == keys[0]
    assert folder(root, max_images=3, seed=9).cache_key() == keys[0]

    keys.append(folder(root, min_size=2).cache_key())
    keys.append(folder(root, max_images=2).cache_key())
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    keys.append(folder(root).cache_key())
    file.write_bytes(file.read_bytes() + b"x")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    keys.append(folder(root).cache_key())
    file.chmod(0o400)  # a file that could not be read may be readable now
    keys.append(folder(root).cache_key())
    file.rename(root / "0.png")
    keys.append(folder(root).cache_key())
    (root / "broken.png").symlink_to(tmp_path / "nowhere.png")
    keys.append(folder(root).cache_key())
    root.rename(tmp_path / "moved")
    keys.append(folder(tmp_path / "moved").cache_key())
    assert len(set(keys)) == len(keys)
    assert all(int(key, 16) for key in keys)


# Faces


def test_faces() -> None:
    from deblur.data.faces import draw

    source = SyntheticSource(3, seed=5)
    assert list(source.names) == ["face-000000", "face-000001", "face-000002"]
    np.testing.assert_array_equal(source.decode(2), draw(5, 2))
    keys = {SyntheticSource(count, seed).cache_key() for count, seed in [(3, 5), (4, 5), (3, 6)]}
    assert len(keys) == 3
    assert source.cache_key() in keys


# Decoding all


class Mixed:
    """Images of many sizes, every tenth of them bad."""

    description = "mixed images"

    def __init__(self, count: int) -> None:
        self.names = [str(index) for index in range(count)]

    def cache_key(self) -> str:
        return "0"

    def decode(self, index: int) -> NDArray[np.uint8]:
        if index % 10 == 9:
            raise BadImageError(f"is number {index}")
        return noise(1 + index % 7, 3 + index % 5, index)


class Deadly(Mixed):
    def decode(self, index: int) -> NDArray[np.uint8]:
        if index == 50:
            os._exit(3)
        return super().decode(index)


class Interrupting(Mixed):
    """Sends Ctrl-C to this process when it is pickled, which happens while another one starts."""

    def __getstate__(self) -> dict[str, object]:
        os.kill(os.getpid(), signal.SIGINT)
        return self.__dict__


def comparable(source: ImageSource, workers: int) -> list[object]:
    return [
        (item.pixels.tolist(), item.digest) if isinstance(item, Decoded) else str(item)
        for item in decode_all(source, workers)
    ]


def test_processes_give_the_same_as_none() -> None:
    source, main_module = Mixed(150), sys.modules["__main__"]
    alone = comparable(source, workers=1)
    assert alone == comparable(source, workers=3)
    assert alone[9] == "is number 9"
    assert alone[10] == (source.decode(10).tolist(), digest(source.decode(10)))
    assert sys.modules["__main__"] is main_module


def test_ctrl_c_while_a_process_starts_is_not_lost() -> None:
    main_module, handler = sys.modules["__main__"], signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        comparable(Interrupting(100), workers=2)
    assert sys.modules["__main__"] is main_module
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_process_that_dies_is_reported() -> None:
    with pytest.raises(UserError, match=r"A process that decodes images of mixed images .* ended unexpectedly"):
        comparable(Deadly(100), workers=2)


SCRIPT_WITHOUT_MAIN_GUARD = """
import sys
from pathlib import Path
print("started", flush=True)  # once more for each process that imports this script
from deblur.data.sources import FolderSource, decode_all
print(len(list(decode_all(FolderSource(Path(sys.argv[1]), None, 0, 1), workers=2))))
"""


def test_the_main_module_is_not_imported_again(tmp_path: Path) -> None:
    write_images(tmp_path / "images", 80)
    (tmp_path / "script.py").write_text(SCRIPT_WITHOUT_MAIN_GUARD)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "images")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert (done.stdout, done.stderr) == ("started\n80\n", "")


SOURCE_IN_THE_MAIN_MODULE = """
import multiprocessing, os, sys
from pathlib import Path
import numpy as np
from deblur.data.sources import FolderSource, decode_all

class Own:
    names, description = [str(i) for i in range(100)], "own images"
    def decode(self, index):
        return np.full((1, 1), os.getpid() % 251, np.uint8)

def decode_in_daemon():
    print(len(list(decode_all(FolderSource(Path(sys.argv[1]), None, 0, 1), workers=2))), flush=True)

if __name__ == "__main__":
    print({int(item.pixels[0, 0]) for item in decode_all(Own(), workers=2)} == {os.getpid() % 251}, flush=True)
    daemon = multiprocessing.Process(target=decode_in_daemon, daemon=True)
    daemon.start()
    daemon.join()
"""


def test_where_no_process_can_be_started_this_one_decodes(tmp_path: Path) -> None:
    write_images(tmp_path / "images", 80)
    (tmp_path / "script.py").write_text(SOURCE_IN_THE_MAIN_MODULE)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "images")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert (done.stdout, done.stderr) == ("True\n80\n", "")


def environment() -> dict[str, str]:
    """The environment of a script that lies elsewhere and uses this package."""
    package_root = Path(__file__).parents[2]
    return {**os.environ, "PYTHONPATH": str(package_root)}
