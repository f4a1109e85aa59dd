import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from image_files import noise, write_images
from numpy.typing import NDArray

from deblur.data.decoding import Decoded, decode_all
from deblur.data.sources import ImageSource
from deblur.errors import UserError
from deblur.image_io.gray import BadImageError, digest


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
from deblur.data.decoding import decode_all
from deblur.data import FolderData
print(len(list(decode_all(FolderData(Path(sys.argv[1]), None, 0), workers=2))))
"""


def test_the_main_module_is_not_imported_again(tmp_path: Path) -> None:
    assert said_by(tmp_path, SCRIPT_WITHOUT_MAIN_GUARD) == ("started\n80\n", "")


SOURCE_IN_THE_MAIN_MODULE = """
import multiprocessing, os, sys
from pathlib import Path
import numpy as np
from deblur.data.decoding import decode_all
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


def test_where_no_process_can_be_started_this_one_decodes(tmp_path: Path) -> None:
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
