"""How fast images are restored, and in how much memory: `python -m benchmarks.restore`.

Five tables, all of the CPU: the rate of 9-3-1-5 in tiles compared with that of a matrix product; many small files,
read, restored and written, compared with the network alone; an RGB image in tiles compared with the same image in one
piece, which takes 6 GB; a command as a whole; and images of 0.1 to 30 megapixels compared with scikit-image and
onnxruntime.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.restore_sizes import MEGAPIXELS, RICHARDSON_LUCY, WIENER, export, rows_of_sizes
from benchmarks.results import Row, median_ratio, write_table
from benchmarks.timing import seconds
from deblur.choices import DEFAULT_NETWORK
from deblur.device import Device, DeviceRequest, taken_device
from deblur.image_io.images import DecodedImage
from deblur.inference.batch import restore_all
from deblur.inference.places import Task
from deblur.inference.restorer import Restorer
from deblur.inference.tiles import TiledNetwork
from deblur.inference.torch_network import TorchNetwork
from deblur.inference.weights import write_weights
from deblur.models import SRCNN

SHAPE = (1500, 2000)  # 3 megapixels
PRODUCT = 2048  # side of the matrices whose product measures the speed of the machine
SIDE = 256  # px, of the small files
LARGE, PHOTOGRAPH, SMALL = (6720, 4480), (4000, 3000), (64, 64)  # px
KERNEL_SIZES, WIDTHS = (9, 3, 1, 5), (64, 32, 16)
START = "import deblur; deblur.load()"
# Told by the process itself: its peak as its parent sees it would contain that of the parent.
COMMAND = (
    "import sys; from deblur.restore import main; from benchmarks.restore_sizes import peak_memory; "
    "code = main(sys.argv[1:]); print(peak_memory()); sys.exit(code)"
)


def main() -> None:
    """Measure on the processor, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="rounds of each measurement (default 5)")
    parser.add_argument("--images", type=int, default=200, help="small files to restore (default 200)")
    parser.add_argument(
        "--sizes", type=float, nargs="+", default=list(MEGAPIXELS), help="[megapixels] (default 0.1 to 30)"
    )
    parser.add_argument("--size-repeats", type=int, default=3, help="rounds of the sizes (default 3)")
    parser.add_argument(
        "--largest-baseline", type=float, default=2, help="for Richardson-Lucy [megapixels] (default 2)"
    )
    parser.add_argument("--largest-wiener", type=float, default=30, help="for Wiener, 7 GB at 30 (default 30)")
    options = parser.parse_args()
    with taken_device(DeviceRequest("cpu")) as device:
        network = SRCNN(KERNEL_SIZES, WIDTHS)
        kinds = (False, True) if device.precision == "bf16-mixed" else (False,)
        rates = [measure_rate(network, is_fast, options.repeats) for is_fast in kinds]
        write_table("restore_rate", "9-3-1-5 on 3 megapixels, and a matrix product", rates)
        batch = measure_batch(network, device, options.images, options.repeats)
        write_table("restore_batch", f"JPEG files of {SIDE}x{SIDE} px: read, restored and written", [batch])
        write_table("restore_tiles", "9-3-1-5 for RGB images in float32, in tiles and as a whole", [measure_tiles()])
    with tempfile.TemporaryDirectory() as folder:
        networks = write_networks(Path(folder))
        commands = [
            measure_start(options.repeats),
            measure_memory(DEFAULT_NETWORK, LARGE, "the default network"),
            *(measure_memory(str(path), PHOTOGRAPH, what) for what, path in networks.items()),
        ]
        write_table("restore_command", "A command as a whole", commands)
    with tempfile.TemporaryDirectory() as folder:
        exported = export(Path(folder) / "network.onnx")
        largest = {RICHARDSON_LUCY: options.largest_baseline, WIENER: options.largest_wiener}
        sizes = rows_of_sizes(exported, options.size_repeats, largest, options.sizes)
    write_table("restore_sizes", "Images of growing sizes", sizes)


def measure_rate(network: SRCNN, is_fast: bool, repeats: int) -> Row:
    """Return the megapixels a second of 9-3-1-5, and its share of the rate of matrix products, measured in turn."""
    tiled = TiledNetwork(TorchNetwork(network, torch.device("cpu"), is_fast))
    plane = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    kind = torch.bfloat16 if is_fast else torch.float32
    left, right = (torch.rand(PRODUCT, PRODUCT).to(kind) for _ in range(2))
    tiled.restore(plane[:256, :256])
    pairs = [(seconds(lambda: tiled.restore(plane)), seconds(lambda: left @ right)) for _ in range(repeats)]
    rates = [2 * network.macs_per_pixel * plane.size / restoring / 1e9 for restoring, _ in pairs]
    limits = [2 * PRODUCT**3 / product / 1e9 for _, product in pairs]
    return {
        "precision": "bf16" if is_fast else "float32",
        "MP/s": plane.size / 1e6 / statistics.median(restoring for restoring, _ in pairs),
        "GFLOP/s": statistics.median(rates),
        "matrix product [GFLOP/s]": statistics.median(limits),
        "share": median_ratio(list(zip(rates, limits, strict=True))),
    }


def measure_batch(network: SRCNN, device: Device, count: int, repeats: int) -> Row:
    """Return how much longer reading, restoring and writing many small images takes than the network alone."""
    is_fast = device.precision == "bf16-mixed"
    restorer = Restorer("9-3-1-5", {}, TorchNetwork(network, torch.device("cpu"), is_fast))
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tasks = []
        for index in range(count):
            smooth = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).resize((SIDE, SIDE))
            smooth.save(root / f"{index}.jpg")
            name = f"{index}.jpg"
            tasks.append(Task(name, root / name, root / "out" / name, str(index)))

        def work(task: Task, image: DecodedImage) -> Iterator[tuple[Path, DecodedImage]]:
            yield task.target, restorer.restore_image(image, strength=1)

        def everything() -> None:
            restore_all(tasks, work, lambda _, error: sys.exit(str(error)), 1.0, lambda _: None)

        image = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        restorer(image, strength=1)

        def network_alone() -> None:
            for _ in range(count):
                restorer(image, strength=1)

        pairs = [(seconds(everything), seconds(network_alone)) for _ in range(repeats)]
    return {
        "files": count,
        "everything [s]": statistics.median(whole for whole, _ in pairs),
        "network alone [s]": statistics.median(alone for _, alone in pairs),
        "ratio": median_ratio(pairs),
    }


def measure_tiles() -> Row:
    """Return how far an RGB image that is restored in tiles is from the same image restored in one piece."""
    network = TorchNetwork(SRCNN(KERNEL_SIZES, WIDTHS, channels=3), torch.device("cpu"))
    width, height = PHOTOGRAPH
    image = np.random.default_rng(0).random((height, width, 3), dtype=np.float32)
    difference = TiledNetwork(network).restore(image)
    difference -= TiledNetwork(network, width).restore(image)
    return {"megapixels": width * height / 1e6, "largest difference": float(np.abs(difference).max())}


def measure_start(repeats: int) -> Row:
    """Return how long it takes from a command until a network is loaded."""
    taken = [seconds(lambda: subprocess.run([sys.executable, "-c", START], check=True)) for _ in range(repeats)]
    return {
        "what": "start until a network is loaded",
        "seconds": statistics.median(taken),
        "peak [MiB]": None,
        "small [MiB]": None,
    }


def write_networks(folder: Path) -> dict[str, Path]:
    """Write networks with random weights, and return their files by what they are."""
    networks = {
        "9-3-1-5 for gray images": SRCNN(KERNEL_SIZES, WIDTHS),
        "9-3-1-5 for RGB images": SRCNN(KERNEL_SIZES, WIDTHS, channels=3),
    }
    files = {}
    for index, (what, network) in enumerate(networks.items()):
        model = {
            "_target_": "deblur.models.SRCNN",
            "kernel_sizes": list(KERNEL_SIZES),
            "widths": list(WIDTHS),
            "channels": network.channels,
        }
        settings = {"model": model, "blur": {"_target_": "deblur.blur.Box", "size": 7}}
        files[what] = folder / f"{index}.safetensors"
        write_weights(files[what], network.state_dict(), {"name": what, "settings": settings})
    return files


def measure_memory(network: str, size: tuple[int, int], what: str) -> Row:
    """Return the largest memory, and the time, of a command that restores a color JPEG, and its memory for a small one.

    The small image takes hardly more than the loaded network.

    Args:
        network: name or file.
        size: width and height of the image [px].
        what: restores it, for the table.
    """
    outputs: list[str] = []

    def command(path: Path) -> None:
        overrides = [sys.executable, "-c", COMMAND, str(path), "--network", network, "--scale=1", "--accelerator=cpu"]
        outputs.append(subprocess.run(overrides, check=True, capture_output=True, text=True).stdout)

    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.jpg", Path(folder) / "small.jpg"
        detail = np.random.default_rng(0).integers(0, 256, (112, 168, 3), dtype=np.uint8)
        Image.fromarray(detail).resize(size).save(large)
        Image.fromarray(detail).resize(SMALL).save(small)
        taken = seconds(lambda: command(large))
        command(small)
    peak, loaded = (float(output.splitlines()[-1]) for output in outputs)
    megapixels = size[0] * size[1] / 1e6
    return {"what": f"{megapixels:.0f} megapixels: {what}", "seconds": taken, "peak [MiB]": peak, "small [MiB]": loaded}


if __name__ == "__main__":
    main()
