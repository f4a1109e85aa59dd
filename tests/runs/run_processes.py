"""Processes that hold a run folder, and what happens around them."""

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from run_settings import CONFIG

HOLDER = """
    import json, sys, time
    from pathlib import Path
    from deblur.runs.folder import RunFolder
    with RunFolder(Path(sys.argv[1]), json.loads(sys.argv[2])):
        print("inside", flush=True)
        time.sleep(60)
"""


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold a run folder in another process."""
    overrides = [sys.executable, "-c", textwrap.dedent(HOLDER), str(folder), json.dumps(CONFIG)]
    with subprocess.Popen(overrides, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        try:
            yield process
        finally:
            process.kill()


def eventually(happens: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happens():
            return True
        time.sleep(0.01)
    return False
