"""What a validation step costs in batches of several sizes, and SSIM's share: `python -m benchmarks.validation`."""

import argparse
import statistics
from collections.abc import Callable, Sequence
from functools import partial

import torch

from benchmarks.networks import NETWORKS
from benchmarks.results import Row, write_table
from benchmarks.timing import seconds
from deblur.device import Device, DeviceRequest, taken_device
from deblur.metrics import DEFAULT_METRICS, METRICS
from deblur.metrics.measuring import measure
from deblur.models import SRCNN

SIDE = 256  # of the images [px]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure on the processor."""
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [1, 2, 4, 8, 16]
    parser.add_argument("--images", type=int, nargs="+", default=sizes, help=f"in a batch (default: {sizes})")
    parser.add_argument("--repeats", type=int, default=10, help="of each measurement (default: 10)")
    options = parser.parse_args(arguments)
    with taken_device(DeviceRequest("cpu")) as device, torch.no_grad():
        rows = [row for name in NETWORKS for row in compare(name, device, options.images, options.repeats)]
    write_table("validation", f"Validation of images of {SIDE}x{SIDE} px", rows)


def compare(name: str, device: Device, sizes: Sequence[int], repeats: int) -> list[Row]:
    """Measure steps of one network in batches of each size, and their SSIM, in turn."""
    network = SRCNN(*NETWORKS[name]).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in torch's stub
    times: dict[int, list[tuple[float, float]]] = {size: [] for size in sizes}
    works = {size: _works(network, device, size) for size in sizes}
    for repeat in range(repeats + 1):
        for size, (step, similarity) in works.items():
            pair = (seconds(step) / size, seconds(similarity) / size)
            times[size] += [pair] if repeat else []  # the first one warms up
    return [
        {
            "network": name,
            "precision": device.precision,
            "images in a batch": size,
            "ms an image": 1e3 * statistics.median(step for step, _ in pairs),
            "share of SSIM": statistics.median(similarity / step for step, similarity in pairs),
        }
        for size, pairs in times.items()
    ]


def _works(network: SRCNN, device: Device, images: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return a validation step and the SSIM in it."""
    metrics = [METRICS[name] for name in DEFAULT_METRICS]
    batch = {kind: torch.rand(images, 1, SIDE, SIDE) for kind in ("blurred", "sharp")}

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=device.precision == "bf16-mixed"):
            restored = network(batch["blurred"])
        measure(restored, batch, metrics, of_input=False)

    return step, partial(METRICS["ssim"], batch["blurred"], batch["sharp"])


if __name__ == "__main__":
    main()
