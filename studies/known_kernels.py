"""How near the kernel has to be that a network is told: `python -m studies.known_kernels RUN data.root=FACES`.

The test images of a folder are blurred by one motion, and a network of `experiment=known_kernel` is told another. The
folder is to be that of the training, split in the same way: its test images are then none that the network has seen.
"""

import sys
from collections.abc import Sequence

import numpy as np

import deblur
from benchmarks.images import blurred_images, open_folder
from benchmarks.results import Row, tell
from deblur.blur import Motion
from deblur.inference.simulation import gain

LENGTH, ANGLE = 15.0, 30.0  # of the blur [px], [degrees]
LENGTHS = (11.0, 13.0, 14.0, 15.0, 16.0, 17.0, 19.0)
ANGLES = (10.0, 20.0, 25.0, 30.0, 35.0, 40.0, 50.0)
TESTED_ON = 60  # images


def main(run: str, overrides: Sequence[str]) -> None:
    """Measure what the network gains with each kernel."""
    motion = ["blur=motion", f"blur.length={LENGTH}", f"blur.angle={ANGLE}", "blur.noise_sigma=1"]
    sharp, blurred, _ = blurred_images(open_folder([*motion, "data.boundary=valid", *overrides]), TESTED_ON)
    restorer = deblur.load(run)
    rows: list[Row] = []
    told = dict.fromkeys([*((length, ANGLE) for length in LENGTHS), *((LENGTH, angle) for angle in ANGLES)])
    for length, angle in told:
        kernel = Motion(length, angle).fixed_kernel
        assert kernel is not None  # nothing is drawn
        gains = [
            gain(given, restorer(given, kernel=kernel.psf), truth).difference
            for given, truth in zip(blurred, sharp, strict=True)
        ]
        rows.append(
            {
                "told length": length,
                "told angle": angle,
                "gain": float(np.mean(gains)),
                "degraded": float(np.mean(np.array(gains) < -0.1)),
            }
        )
    tell("known_kernels", f"Gain [dB], blurred by a motion of {LENGTH:g} px at {ANGLE:g} degrees, noise 1", rows)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("Give the folder of a run of experiment=known_kernel, then data.root=FACES.")
    main(sys.argv[1], sys.argv[2:])
