"""What lower precision of an ONNX file costs and brings: `python -m benchmarks.precisions NETWORK [--photos DIR]`.

The network is exported to ONNX in each precision. The table has, for each file, its size; the seconds of processor time
per megapixel of onnxruntime with one thread and the wall time with two, and their ratios to float32, measured in turn;
and the PSNR of restored photographs, blurred as in the training with a valid boundary, without the gate: the mean gain,
the mean loss compared with float32, and the largest loss of an image.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import deblur
from benchmarks.results import Row, median_ratio, write_table
from deblur.blur import Degradation
from deblur.blur.images import Crop
from deblur.choices import DEFAULT_MAX_MEGAPIXELS, DEFAULT_NETWORK, ExportPrecision
from deblur.config import build
from deblur.data.folders import find_images
from deblur.export.session import export
from deblur.image_io.decoding import eight_bits, luma
from deblur.image_io.reading import read_image
from deblur.inference.onnx_network import open_onnx
from deblur.inference.simulation import degraded, gain, reference

SIDE: Final = 512  # px, of the image that is timed
CROP: Final = 256  # px, of the photographs
THREADS: Final = (1, 2)

Image = NDArray[np.uint8]


def main() -> None:
    """Measure all precisions, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="?", default=DEFAULT_NETWORK, help="as of deblur.export (default %(default)s)")
    parser.add_argument("--photos", type=Path, help="folder of photographs of at least 400 px; without it, no PSNR")
    parser.add_argument("--images", type=int, help="first photographs of the folder (default all)")
    parser.add_argument("--repeats", type=int, default=7, help="rounds of the times (default 7)")
    options = parser.parse_args()
    precisions: tuple[ExportPrecision, ...] = get_args(ExportPrecision)
    with tempfile.TemporaryDirectory() as folder:
        exported = {each: Path(folder) / f"{each}.onnx" for each in precisions}
        for precision, file in exported.items():
            export(options.network, "onnx", output=file, precision=precision)
        files = list(exported.values())
        rows: list[Row] = [{"precision": each, "kB": file.stat().st_size / 1e3} for each, file in exported.items()]
        for threads in THREADS:
            for row, added in zip(rows, times_of(files, threads, options.repeats), strict=True):
                row.update(added)
        if options.photos is not None:
            for row, added in zip(rows, losses_of(files, options.photos, options.images), strict=True):
                row.update(added)
    write_table("precisions", f"{options.network} in ONNX, by precision", rows)


def times_of(files: Sequence[Path], threads: int, repeats: int) -> list[Row]:
    """Return the seconds per megapixel of each file, and their ratios to those of the first one.

    With one thread, the processor time is taken, which other programs change less than the wall time.
    """
    clock = time.process_time if threads == 1 else time.perf_counter
    runs = [_run(file, threads) for file in files]
    for run in runs:
        run()
    rounds = []
    for _ in range(repeats):
        taken = []
        for run in runs:
            start = clock()
            run()
            taken.append(clock() - start)
        rounds.append(taken)
    label = f"s/MP, {threads} thread{'s' if threads > 1 else ''}"
    return [
        {
            label: statistics.median(times) / (SIDE**2 / 1e6),
            f"ratio, {threads}": median_ratio([(each[place], each[0]) for each in rounds]),
        }
        for place, times in enumerate(zip(*rounds, strict=True))
    ]


def _run(file: Path, threads: int) -> Callable[[], Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    image = np.random.default_rng(0).random((1, given.shape[1], SIDE, SIDE), dtype=np.float32)
    return lambda: session.run(None, {given.name: image})


def losses_of(files: Sequence[Path], folder: Path, count: int | None) -> list[Row]:
    """Return the mean gain of each file on the photographs of a folder, and its losses compared with the first one."""
    description, network = open_onnx(files[0])
    degradation = build(description["settings"]["blur"], Degradation)
    crop = Crop("valid", degradation.reach, CROP)
    restorers = [deblur.load(file) for file in files]
    gains = []
    for name in find_images(folder)[:count]:
        pixels = eight_bits(read_image(folder / name, DEFAULT_MAX_MEGAPIXELS).pixels)
        image: Image = (
            luma(pixels) if network.channels == 1 else np.broadcast_to(np.atleast_3d(pixels), (*pixels.shape[:2], 3))
        )
        blurred, sharp = (made(image, degradation, str(name), crop) for made in (degraded, reference))
        gains.append([gain(blurred, one(blurred, strength=1), sharp, of_luma=False).difference for one in restorers])
    measured = np.array(gains)
    lost = measured[:, :1] - measured
    return [
        {
            "images": len(measured),
            "gain [dB]": float(measured[:, place].mean()),
            "loss [dB]": float(lost[:, place].mean()),
            "largest loss [dB]": float(lost[:, place].max()),
        }
        for place in range(len(files))
    ]


if __name__ == "__main__":
    main()
