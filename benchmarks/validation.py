"""Which share of a validation step is spent on SSIM: `python -m benchmarks.validation`."""

import argparse
import statistics
from collections.abc import Sequence
from functools import partial

import torch

from benchmarks.results import Row, median_ratio, tell
from benchmarks.timing import seconds
from deblur.device import Device, taken_device
from deblur.metrics import measure, ssim
from deblur.models import SRCNN

NETWORKS = {
    "9-1-5": ((9, 1, 5), (64, 32)),
    "9-3-1-5": ((9, 3, 1, 5), (64, 32, 16)),
    "9-1-1-1-5": ((9, 1, 1, 1, 5), (64, 32, 32, 16)),
}
SIDE = 256  # of the images [px]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure on the processor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4, help="in a validation batch (default: 4)")
    parser.add_argument("--repeats", type=int, default=20, help="of each pair of measurements (default: 20)")
    options = parser.parse_args(arguments)
    with taken_device({"accelerator": "cpu", "precision": "auto"}) as device:
        rows = [compare(name, device, options.images, options.repeats) for name in NETWORKS]
    tell("validation", f"A validation step, {options.images} images of {SIDE}x{SIDE} px", rows)


def compare(name: str, device: Device, images: int, repeats: int) -> Row:
    """Measure steps of one network and their SSIM in turn."""
    batch = {kind: torch.rand(images, 1, SIDE, SIDE) for kind in ("blurred", "sharp")}
    network = SRCNN(*NETWORKS[name]).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in torch's stub

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=device.precision == "bf16-mixed"):
            restored = network(batch["blurred"])
        measure(restored, batch, similarity_of_input=False)

    with torch.no_grad():
        step()
        pairs = [(seconds(partial(ssim, batch["blurred"], batch["sharp"])), seconds(step)) for _ in range(repeats)]
    similarity, whole = (statistics.median(times) for times in zip(*pairs, strict=True))
    return {
        "network": name,
        "precision": device.precision,
        "step ms": whole * 1e3,
        "SSIM ms": similarity * 1e3,
        "share of SSIM": median_ratio(pairs),
    }


if __name__ == "__main__":
    main()
