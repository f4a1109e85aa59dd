"""How fast and in how much memory images of growing sizes are restored, for `benchmarks.restore`.

Each size of each restorer is measured in a separate process, for its peak memory: ours, 9-3-1-5 with random weights,
as `deblur.load` would compute it on the processor; the same network in onnxruntime; and scikit-image's Wiener and
Richardson-Lucy as `deblur.baselines` calls them, margins included, for a box of 7 px. Reading and writing files is left
out. Importing the libraries is part of the memory, and no part of the time: this module imports none of them before it
knows which restorer it is about.
"""

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

OURS, ONNX, WIENER, RICHARDSON_LUCY = "9-3-1-5", "9-3-1-5, onnxruntime", "Wiener", "Richardson-Lucy"
MEGAPIXELS = (0.1, 0.5, 2.0, 8.0, 30.0)
BALANCE, ITERATIONS = 4.2e-5, 100.0  # tuned by their `fit` on three drawn faces blurred by a box of 7 px
MULTIPLE = 16  # px; sides without large prime factors, which suits the Fourier transforms of the baselines
WARM_UP = 256  # px, side of an image that is restored before
ENOUGH = 1.0  # s, after which an image is not restored again
MOST_CALLS = 5
Pixels = NDArray[np.uint8]
Row = dict[str, Any]


def rows_of_sizes(
    onnx: Path | None, repeats: int, largest: Mapping[str, float], sizes: Sequence[float] = MEGAPIXELS
) -> list[Row]:
    """Measure all restorers on each size, in turn.

    Args:
        onnx: the exported network; None leaves onnxruntime out.
        repeats: how often each is measured.
        largest: image that a restorer is given [megapixels], by its name; None is given for larger ones.
        sizes: of the images [megapixels].

    Returns:
        One row a size and restorer. `ours as fast` is its time divided by ours of the same round, `ours of its memory`
        our peak memory divided by its.
    """
    rows: list[Row] = []
    for size in sizes:
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in (OURS, ONNX, WIENER, RICHARDSON_LUCY)}
        for _ in range(repeats):
            for name, measured in taken.items():
                is_there = (name != ONNX or onnx is not None) and size <= largest.get(name, size)
                found = _measured_apart(name, size, onnx) if is_there else None
                if found is not None:
                    measured.append(found)
        rows += [_row(size, name, measured, taken[OURS]) for name, measured in taken.items()]
    return rows


def peak_memory() -> float:
    """Return the largest memory of this process so far [MiB].

    Linux's getrusage would also count what the process that started this one held: the peak survives exec.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kB, but on macOS


def export(path: Path) -> Path | None:
    """Export our network for onnxruntime; None if it, or what the export needs, is not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")):
        return None
    from deblur.export.onnx import as_onnx

    network = _network()
    content, _ = as_onnx(network, {"name": OURS, "settings": {"model": {}, "blur": {}}, "halo": network.halo})
    path.write_bytes(content)
    return path


def main() -> None:
    """Measure one restorer on one size in this process, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=(OURS, ONNX, WIENER, RICHARDSON_LUCY))
    parser.add_argument("megapixels", type=float)
    parser.add_argument("--onnx", type=Path, help="the exported network")
    options = parser.parse_args()
    restore = _restorer(options.name, options.onnx)
    image = _image(options.megapixels)
    restore(image[:WARM_UP, :WARM_UP])
    taken: list[float] = []
    while sum(taken) < ENOUGH and len(taken) < MOST_CALLS:
        start = time.perf_counter()
        restore(image)
        taken.append(time.perf_counter() - start)
    rate = image.size / 1e6 / statistics.median(taken)
    print(json.dumps({"rate": rate, "peak": peak_memory()}))


def _measured_apart(name: str, size: float, onnx: Path | None) -> tuple[float, float] | None:
    """Return megapixels per second and peak memory [MiB]; None if the process failed, such as for want of memory."""
    overrides = [] if onnx is None else ["--onnx", str(onnx)]
    command = [sys.executable, "-m", "benchmarks.restore_sizes", name, str(size), *overrides]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return None
    found = json.loads(done.stdout)
    return found["rate"], found["peak"]


def _row(size: float, name: str, measured: Sequence[tuple[float, float]], ours: Sequence[tuple[float, float]]) -> Row:
    row: Row = {"restorer": name, "megapixels": size}
    pairs = list(zip(ours, measured, strict=False))

    def median(values: Sequence[float]) -> float | None:
        return statistics.median(values) if values else None

    return row | {
        "MP/s": median([rate for rate, _ in measured]),
        "peak [MiB]": median([peak for _, peak in measured]),
        "ours as fast": median([our_rate / rate for (our_rate, _), (rate, _) in pairs]),
        "ours of its memory": median([our_peak / peak for (_, our_peak), (_, peak) in pairs]),
    }


def _restorer(name: str, onnx: Path | None) -> Callable[[Pixels], object]:
    if name == ONNX:
        from deblur import load

        if onnx is None:
            raise ValueError("--onnx is needed")
        return load(onnx)
    if name == OURS:
        return _our_restorer()
    from deblur.baselines import RichardsonLucy, Wiener
    from deblur.blur.images import as_float
    from deblur.blur.kernels import box

    baseline, parameter = (Wiener(), BALANCE) if name == WIENER else (RichardsonLucy(), ITERATIONS)
    kernel = box(7)
    return lambda image: baseline._restored(as_float(image), kernel, parameter)


def _our_restorer() -> Callable[[Pixels], object]:
    import torch

    from deblur.device import multiplies_bfloat16
    from deblur.inference.restorer import Restorer
    from deblur.inference.torch_network import TorchNetwork

    is_fast = multiplies_bfloat16("cpu", 0)
    restorer = Restorer(OURS, {}, TorchNetwork(_network(), torch.device("cpu"), is_fast))
    return partial(restorer, strength=1)


def _network() -> Any:
    from deblur.models import SRCNN

    return SRCNN((9, 3, 1, 5), (64, 32, 16))


def _image(megapixels: float) -> Pixels:
    """Return a smooth random gray image of a shape of about 2 to 3."""
    height = round((megapixels * 1e6 * 2 / 3) ** 0.5 / MULTIPLE) * MULTIPLE
    width = round(megapixels * 1e6 / height / MULTIPLE) * MULTIPLE
    detail = np.random.default_rng(0).integers(0, 256, (48, 72), dtype=np.uint8)
    return np.asarray(Image.fromarray(detail).resize((width, height)))


if __name__ == "__main__":
    main()
