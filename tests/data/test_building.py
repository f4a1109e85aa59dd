import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from image_files import noise, write_images
from numpy.typing import NDArray

from deblur.data.building import Decoded, decode_all
from deblur.data.sources import ImageSource
from deblur.errors import UserError
from deblur.image_io.decoding import BadImageError, digest


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
        return noise(1 + index % 7, 3 + index % 5, seed=index)


def comparable(source: ImageSource, workers: int) -> list[object]:
    return [
        (item.pixels.tolist(), item.digest) if isinstance(item, Decoded) else str(item)
        for item in decode_all(source, workers)
    ]


def test_threads_give_the_same_as_one() -> None:
    source = Mixed(150)
    alone = comparable(source, workers=1)
    assert alone == comparable(source, workers=3)
    assert alone[9] == "is number 9"
    assert alone[10] == (source.decode(10).tolist(), digest(source.decode(10)))


def test_few_images_are_decoded_ahead() -> None:
    decoded: list[int] = []

    class Counted(Mixed):
        def decode(self, index: int) -> NDArray[np.uint8]:
            decoded.append(index)
            return super().decode(index)

    images = decode_all(Counted(100), workers=3)
    for taken in range(1, 51):
        next(images)
        assert len(decoded) <= taken + 6
    images.close()
    assert len(decoded) <= 50 + 6


def test_filters_of_warnings_are_put_back() -> None:
    class Quiet(Mixed):
        def decode(self, index: int) -> NDArray[np.uint8]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return super().decode(index)

    before = list(warnings.filters)
    list(decode_all(Quiet(300), workers=4))
    assert warnings.filters == before


def test_a_thread_that_cannot_be_started_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(UserError, match=r"^A thread that decodes images of mixed images cannot be started: "):
        comparable(Mixed(100), workers=2)


SCRIPT_WITHOUT_MAIN_GUARD = """
import sys
from pathlib import Path
print("started", flush=True)  # once more for each process that imports this script
from deblur.data.building import decode_all
from deblur.data import FolderData
print(len(list(decode_all(FolderData(Path(sys.argv[1]), None, 0), workers=2))))
"""


def test_the_main_module_is_not_imported_again(tmp_path: Path) -> None:
    assert said_by(tmp_path, SCRIPT_WITHOUT_MAIN_GUARD) == ("started\n80\n", "")


SOURCE_IN_THE_MAIN_MODULE = """
import multiprocessing, os, sys
from pathlib import Path
import numpy as np
from deblur.data.building import decode_all
from deblur.data import FolderData

class Own:
    names, description = [str(i) for i in range(100)], "own images"
    def decode(self, index):
        return np.full((1, 1), os.getpid() % 251, np.uint8)

def decode_in_daemon():
    print(len(list(decode_all(FolderData(Path(sys.argv[1]), None, 0), workers=2))), flush=True)

if __name__ == "__main__":
    print({int(item.pixels[0, 0]) for item in decode_all(Own(), workers=2)} == {os.getpid() % 251}, flush=True)
    daemon = multiprocessing.Process(target=decode_in_daemon, daemon=True)
    daemon.start()
    daemon.join()
"""


def test_a_source_of_the_main_module_and_a_daemon_decode(tmp_path: Path) -> None:
    assert said_by(tmp_path, SOURCE_IN_THE_MAIN_MODULE) == ("True\n80\n", "")


def said_by(tmp_path: Path, script: str) -> tuple[str, str]:
    """Run a script on 80 images; return what it wrote to its standard output and error."""
    write_images(tmp_path / "images", 80)
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "images")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    return done.stdout, done.stderr


def environment() -> dict[str, str]:
    """The environment of a script that lies elsewhere and uses this package."""
    package_root = Path(__file__).parents[2]
    return {**os.environ, "PYTHONPATH": str(package_root)}
