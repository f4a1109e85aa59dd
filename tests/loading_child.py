"""Load network files in a process of its own, whose memory and time are bounded and measured."""

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_MOST_MEMORY = 16 * 2**30  # bytes of addresses, so that a failing test does not take the machine's
_MOST_TIME = 120  # s of the processor, for all files of a test: on a busy machine they take many times as long
_LONGEST_WAIT = 3600  # s, for a process that waits for something that does not come


class Loaded(NamedTuple):
    """What loading some files came to.

    Attributes:
        said: by the name of a file, the kind of the error and its text; two empty texts where it was loaded.
        growth: by how much the memory in use has grown at most [bytes], the libraries aside.
    """

    said: dict[str, tuple[str, str]]
    growth: int


def load_in_child(paths: Sequence[Path], restored: tuple[int, int] = (4, 4)) -> Loaded:
    """Load each file as `deblur.load` does, and restore a black image of (H, W) with it."""
    overrides = [json.dumps(list(map(str, paths))), json.dumps(restored)]
    done = subprocess.run(
        [sys.executable, __file__, *overrides], capture_output=True, text=True, timeout=_LONGEST_WAIT, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])  # -SIGXCPU: more than _MOST_TIME
    said, growth = json.loads(done.stdout.splitlines()[-1])
    return Loaded({name: (kind, text) for name, (kind, text) in said.items()}, growth)


def _peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main(paths: list[str], shape: list[int]) -> None:
    """Load the files in this process, and print what became of each."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_TIME, _MOST_TIME + 1))  # the second ends it without a name
    import numpy as np
    import onnx.reference  # noqa: F401 # the libraries, before the memory is measured
    import onnxruntime  # noqa: F401

    import deblur
    import deblur.inference.onnx_graph
    import deblur.inference.torch_network
    import deblur.inference.trained

    before = _peak()
    said = {}
    for path in paths:
        kind = text = ""
        try:
            deblur.load(path, accelerator="cpu", precision="32-true")(np.zeros(shape, np.uint8))
        except BaseException as error:  # whatever it is, the test tells whether it should be
            kind, text = type(error).__name__, str(error)
        said[Path(path).name] = (kind, text)
    sys.stdout.write(f"\n{json.dumps([said, _peak() - before])}\n")


if __name__ == "__main__":
    main(*map(json.loads, sys.argv[1:]))
