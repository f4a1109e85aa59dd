"""Which share of a validation step is spent on SSIM: `python -m benchmarks.validation`."""

import statistics

import torch

from benchmarks.timing import seconds
from deblur.device import Device, taken_device
from deblur.metrics import ssim
from deblur.models import SRCNN
from deblur.training.module import measure

NETWORKS = {
    "9-1-5": SRCNN((9, 1, 5), (64, 32)),
    "9-3-1-5": SRCNN((9, 3, 1, 5), (64, 32, 16)),
    "9-1-1-1-5": SRCNN((9, 1, 1, 1, 5), (64, 32, 32, 16)),
}
IMAGES = 4  # in a validation batch, 256x256 px each
REPEATS = 20


def main() -> None:
    """Measure on the processor."""
    with taken_device({"accelerator": "cpu", "precision": "auto"}) as device:
        compare(device)


def compare(device: Device) -> None:
    """Measure steps and their SSIM in turn, and print the medians."""
    batch = {name: torch.rand(IMAGES, 1, 256, 256) for name in ("blurred", "sharp")}
    print(f"{device.name}, {device.threads} threads, {device.precision}, {IMAGES} images of 256x256 px")
    for name, network in NETWORKS.items():
        network.eval().to(memory_format=torch.channels_last)

        def step(network: SRCNN = network) -> None:
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=device.precision == "bf16-mixed"):
                measure(network(batch["blurred"]), batch, similarity_of_input=False)

        def similarity() -> None:
            with torch.no_grad():
                ssim(batch["blurred"], batch["sharp"])

        step()
        pairs = [(seconds(step), seconds(similarity)) for _ in range(REPEATS)]
        whole, part = (statistics.median(values) for values in zip(*pairs, strict=True))
        shares = statistics.median(one[1] / one[0] for one in pairs)
        print(f"{name:10} step {whole * 1e3:5.0f} ms, SSIM {part * 1e3:4.0f} ms, share {shares:.2f}")


if __name__ == "__main__":
    main()
