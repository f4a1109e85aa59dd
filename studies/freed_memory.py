"""What a training step on a CPU gains from keeping freed memory: `python -m studies.freed_memory`."""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.bare import BareLoop, random_batch
from benchmarks.networks import NETWORKS
from benchmarks.results import Row, median_ratio, write_table
from deblur.device import keep_freed_memory
from deblur.models import SRCNN

WARM_UP = 5  # steps


def measure(network: str, keep: bool, steps: int) -> dict[str, float]:
    """Train one network in this process; return milliseconds and page faults a step, and peak memory [MiB]."""
    if keep:
        keep_freed_memory()
    net = SRCNN(*NETWORKS[network])
    loop, batch = BareLoop(net, "cpu", bfloat16=True), random_batch(net.halo)
    for _ in range(WARM_UP):
        loop.step(batch)
    start, faults = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        loop.step(batch)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "ms": (time.perf_counter() - start) / steps * 1e3,
        "page faults": (used.ru_minflt - faults) / steps,
        "peak MiB": used.ru_maxrss / 1024,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both ways in turn, each time in a separate process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="of each pair of measurements (default: 5)")
    parser.add_argument("--steps", type=int, default=40, help="for each measurement (default: 40)")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        network, way = options.measure
        print(json.dumps(measure(network, way == "keep", options.steps)))
        return
    write_table(
        "freed_memory",
        "Training steps in bf16 that keep freed memory or give it back",
        [compare(network, options.repeats, options.steps) for network in NETWORKS],
    )


def compare(network: str, repeats: int, steps: int) -> Row:
    """Measure both ways of one network in turn."""
    pairs = [(measured(network, "keep", steps), measured(network, "give", steps)) for _ in range(repeats)]
    kept, given = (
        {name: statistics.median(pair[way][name] for pair in pairs) for name in pairs[0][way]} for way in (0, 1)
    )
    return {
        "network": network,
        "kept / given back": median_ratio([(keep["ms"], give["ms"]) for keep, give in pairs]),
        **{f"{name}, kept": value for name, value in kept.items()},
        **{f"{name}, given back": value for name, value in given.items()},
    }


def measured(network: str, way: str, steps: int) -> dict[str, float]:
    """Measure in a separate process: its settings cannot be undone."""
    overrides = ["--steps", str(steps), "--measure", network, way]
    done = subprocess.run(
        [sys.executable, "-m", "studies.freed_memory", *overrides], check=True, stdout=subprocess.PIPE
    )
    read: dict[str, float] = json.loads(done.stdout)
    return read


if __name__ == "__main__":
    main()
