"""How long a folder takes to be indexed, cached, and opened again: `python -m benchmarks.cache`."""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from deblur.data.cache import open_cache
from deblur.data.faces import draw
from deblur.data.sources import FolderSource

FACES_DRAWN = 100  # the pictures are variants of these: shifted, mirrored, brighter or darker
FILES_IN_A_FOLDER = 500
MIB = 1024**2


def write_pictures(root: Path, count: int) -> None:
    """Write JPEG files in nested folders, all different."""
    faces = [draw(0, index) for index in range(FACES_DRAWN)]
    rng = np.random.default_rng(0)
    for index in range(count):
        shifted = np.roll(faces[index % FACES_DRAWN], rng.integers(0, 256, 2), axis=(0, 1))[:, :: rng.choice((-1, 1))]
        levels = np.clip(shifted * rng.uniform(0.8, 1.2), 0, 255).astype(np.uint8)
        folder = root / f"{index // FILES_IN_A_FOLDER:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels).save(folder / f"{index:06d}.jpg", quality=90)


def measure_opening(root: Path, cache_root: Path) -> dict[str, float]:
    """Open the cache in this process and report seconds and peak resident memory [MiB]."""
    start = time.perf_counter()
    images = open_cache(FolderSource(root, None, 0, 64), cache_root, progress=False)
    opened = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"images": len(images), "seconds": opened, "peak_mib": peak, "largest_worker_mib": children}


def main() -> None:
    """Measure a first and a second opening, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--measure", nargs=2, metavar=("ROOT", "CACHE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure_opening(*map(Path, options.measure))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        root, cache_root = Path(scratch) / "pictures", Path(scratch) / "cache"
        write_pictures(root, options.pictures)
        size = sum(path.stat().st_size for path in root.rglob("*.jpg")) / MIB
        print(f"{options.pictures} JPEG files of 256x256 px, {size:.0f} MiB, {options.pictures / 16:.0f} MiB decoded")
        for occasion in ("indexed and cached", "opened again"):
            command = [sys.executable, "-m", "benchmarks.cache", "--measure", str(root), str(cache_root)]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(
                f"{occasion}: {told['seconds']:.1f} s, peak {told['peak_mib']:.0f} MiB, "
                f"largest worker {told['largest_worker_mib']:.0f} MiB"
            )


if __name__ == "__main__":
    main()
