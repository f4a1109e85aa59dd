"""What a training step on a CPU gains from keeping freed memory: `python -m benchmarks.freed_memory`."""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch.nn.functional import mse_loss

from deblur.memory import keep_freed_memory
from deblur.models import SRCNN

NETWORKS = {
    "9-1-5": ([9, 1, 5], [64, 32]),
    "9-3-1-5": ([9, 3, 1, 5], [64, 32, 16]),
    "9-1-1-1-5": ([9, 1, 1, 1, 5], [64, 32, 32, 16]),
}
REPEATS = 5
WARM_UP, STEPS = 5, 40
PATCHES, SIDE = 16, 64


def measure(network: str, keep: bool) -> dict[str, float]:
    """Train one network in this process; return milliseconds and page faults a step, and peak memory [MiB]."""
    if keep:
        keep_freed_memory()
    kernel_sizes, widths = NETWORKS[network]
    net = SRCNN(kernel_sizes, widths, residual=True, dropout=0.0).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    blurred = torch.rand(PATCHES, 1, SIDE + 2 * net.radius, SIDE + 2 * net.radius)
    sharp = torch.rand(PATCHES, 1, SIDE, SIDE)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            restored = net(blurred, pad=False)
        mse_loss(restored.float(), sharp).backward()
        optimizer.step()

    for _ in range(WARM_UP):
        step()
    start, faults = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(STEPS):
        step()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "ms": (time.perf_counter() - start) / STEPS * 1e3,
        "faults": (used.ru_minflt - faults) / STEPS,
        "peak_mib": used.ru_maxrss / 1024,
    }


def main() -> None:
    """Measure both ways in turn, each time in a process of its own, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], options.measure[1] == "keep")))
        return
    for network in NETWORKS:
        pairs = []
        for _ in range(REPEATS):
            both = []
            for way in ("give", "keep"):
                words = [sys.executable, "-m", "benchmarks.freed_memory", "--measure", network, way]
                both.append(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout))
            pairs.append(both)
        given, kept = (
            {name: statistics.median(pair[way][name] for pair in pairs) for name in pairs[0][way]} for way in (0, 1)
        )
        ratio = statistics.median(pair[1]["ms"] / pair[0]["ms"] for pair in pairs)
        told = (f"{way['ms']:.0f} ms, {way['faults']:.0f} faults, {way['peak_mib']:.0f} MiB" for way in (given, kept))
        print(f"{network:10} a step given back: {'; kept: '.join(told)}; time ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
