"""What the Wiener estimate of an image costs: `python -m studies.wiener_costs`.

A Wiener pre-filter with random spectra, by DCT (box of 7 px) and by Fourier transform (motion of 15 px at 30 degrees).
Each size is measured in a separate process, for its peak memory without that of the process before.
"""

import argparse
import json
import resource
import sys

import numpy as np

from benchmarks.processes import run
from benchmarks.results import Row, write_table
from benchmarks.timing import seconds
from deblur.blur import kernels
from deblur.wiener.prefilter import WienerPrefilter

MEGAPIXELS = (0.065, 1.0, 8.0, 30.0)  # the first is 256x256 px
KERNELS = {"DCT": kernels.box(7), "FFT": kernels.motion(15, 30)}
SPECTRUM = 256  # frequencies each way that are measured in a training
REPEATS = 5  # of the smallest size, and one of the others
KIB = 1024


def measure(way: str, megapixels: float) -> Row:
    """Make the Wiener estimate of an image of 3:2, and say how long it took [s] and how much memory it added [MiB]."""
    rng = np.random.default_rng(0)
    power = np.exp(rng.normal(size=(SPECTRUM, SPECTRUM))).astype(np.float32)
    prefilter = WienerPrefilter(None, power, np.full_like(power, 1e-5), 100.0, (1.0,))
    prefilter(np.zeros((64, 64), np.float32), KERNELS[way])  # loads what is loaded once
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    image = rng.random((height, round(1.5 * height)), dtype=np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    repeats = REPEATS if megapixels == MEGAPIXELS[0] else 1
    times = [seconds(lambda: prefilter(image, KERNELS[way])) for _ in range(repeats)]
    added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / KIB
    return {"way": way, "megapixels": megapixels, "s": min(times), "MiB": added}


def main() -> None:
    """Measure all sizes, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, metavar=("WAY", "MEGAPIXELS"), help="measure that in this process")
    options = parser.parse_args()
    if options.one:
        sys.stdout.write(json.dumps(measure(options.one[0], float(options.one[1]))) + "\n")
        return
    sizes = [(way, size) for way in KERNELS for size in MEGAPIXELS]
    rows = [run("studies.wiener_costs", "--one", way, str(size)).output for way, size in sizes]
    write_table(
        "wiener_estimates",
        "The Wiener estimate of an image: the quickest of its calls, and the memory that it added",
        rows,
    )


if __name__ == "__main__":
    main()
