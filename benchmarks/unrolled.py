"""Time and memory of the unrolled network: `python -m benchmarks.unrolled`.

Two tables, both of the CPU: images of 1 megapixel with 1 to 8 stages, and the command on photographs of 12 megapixels,
gray and RGB. The weights are random, which decides nothing here; the kernel is a motion of 15 px, the noise is
estimated.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image

import deblur
from benchmarks.results import Row, write_table
from benchmarks.timing import seconds
from deblur.blur import kernels
from deblur.device import DeviceRequest, keep_freed_memory, taken_device
from deblur.inference.tiles import KnownBlur, TiledNetwork
from deblur.inference.torch_network import TorchNetwork
from deblur.inference.weights import write_weights
from deblur.models import Unrolled

SHAPE: Final = (1000, 1000)  # 1 megapixel
PHOTOGRAPH: Final = (4000, 3000)  # width and height [px]
STAGES: Final = (1, 2, 4, 6, 8)
WIDTH, INNER_WIDTH = 32, 64  # those of conf/model/unrolled.yaml
BLUR: Final = "motion length=15 angle=30"
COMMAND: Final = (
    "import sys; from deblur.restore import main; from benchmarks.restore_sizes import peak_memory; "
    "code = main(sys.argv[1:]); print(peak_memory()); sys.exit(code)"
)


def main() -> None:
    """Measure on the processor, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="rounds of each measurement (default 3)")
    parser.add_argument("--stages", type=int, nargs="+", default=list(STAGES), help="(default 1 2 4 6 8)")
    options = parser.parse_args()
    keep_freed_memory()
    with taken_device(DeviceRequest("cpu")) as device:
        is_fast = device.precision == "bf16-mixed"
        rows = [measure_stages(stages, is_fast, options.repeats) for stages in options.stages]
    write_table("unrolled_stages", "A gray image of 1 megapixel", rows)
    write_table("unrolled_command", "The command on 12 megapixels, 4 stages", [measure_command(c) for c in (1, 3)])


def measure_stages(stages: int, is_fast: bool, repeats: int) -> Row:
    """Return the time of an image with a number of stages, in float32 and in bfloat16 if the processor has it."""
    network = Unrolled(stages, WIDTH, INNER_WIDTH)
    image = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    known = KnownBlur(kernels.motion(15, 30))

    def taken(bfloat16: bool) -> float:
        tiled = TiledNetwork(TorchNetwork(network, torch.device("cpu"), bfloat16))
        return statistics.median(seconds(lambda: tiled.restore(image, known=known)) for _ in range(repeats))

    return {
        "stages": stages,
        "MACs per pixel": network.macs_per_pixel,
        "float32 [s]": taken(False),
        "bfloat16 [s]": taken(True) if is_fast else None,
    }


def measure_command(channels: int) -> Row:
    """Return time and largest memory of the command on a photograph, gray or RGB."""
    with tempfile.TemporaryDirectory() as folder:
        network, photograph = Path(folder) / "network.safetensors", Path(folder) / "photograph.png"
        model = {"_target_": "deblur.models.Unrolled", "stages": 4, "width": WIDTH, "inner_width": INNER_WIDTH}
        settings = {"model": model | {"channels": channels}, "blur": {"_target_": "deblur.blur.NoBlur"}}
        weights = Unrolled(4, WIDTH, INNER_WIDTH, channels=channels).state_dict()
        write_weights(network, weights, {"name": "unrolled", "settings": settings})
        shape = (112, 168, 3) if channels == 3 else (112, 168)
        detail = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(deblur.degrade(detail, "motion", length=5)).resize(PHOTOGRAPH).save(photograph)
        command = [sys.executable, "-c", COMMAND, str(photograph), "--network", str(network), "--known-blur", BLUR]
        outputs: list[str] = []
        taken = seconds(
            lambda: outputs.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        )
    return {
        "image": "gray" if channels == 1 else "RGB",
        "seconds": taken,
        "peak [MiB]": float(outputs[0].splitlines()[-1]),
    }


if __name__ == "__main__":
    main()
