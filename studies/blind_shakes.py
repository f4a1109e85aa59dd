"""How much blind restoration gains on shaken photographs: `python -m studies.blind_shakes data.root=PHOTOS`.

`--first-seed 1000` draws other shakes.

The color photographs of a folder are blurred in linear light by random camera shakes, with noise and JPEG. Each is
restored as `python -m deblur.restore --blind` does it: an image that is left as it is has a gain of 0. PSNR is that of
RGB, with the best shift of the restored image, since a kernel is known up to a shift alone.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

import deblur
from benchmarks.images import open_folder
from benchmarks.results import Row, write_table
from deblur.blur.images import as_float
from deblur.evaluation.protocols.alignment import aligned
from deblur.evaluation.protocols.protocol import PROTOCOLS, ShiftAlignment
from deblur.inference import blind

EXTENT: Final = (9.0, 31.0)  # px
NOISE: Final = (1.0, 3.0)  # gray levels of 255
PROTOCOL: Final = replace(PROTOCOLS["levin2009"], color="rgb", rounds_result=True, alignment=ShiftAlignment(3, 2))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the gain of each photograph, with an estimated and with the true kernel."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--first-seed", type=int, default=0, help="of the first photograph; each has the next one")
    asked, overrides = parser.parse_known_args(arguments)
    data = open_folder(["blur=none", "data.color=rgb", "data.eval_crop=null", *overrides])
    samples = data.evaluation_dataset(range(len(data.images)))
    restorer = deblur.load("unrolled", accelerator="cpu")
    rows: list[Row] = []
    for position in range(len(samples)):
        sharp = np.ascontiguousarray(np.moveaxis(np.asarray(samples[position]["sharp"]), 0, -1))
        seed = asked.first_seed + position
        rng = np.random.default_rng(seed)
        extent, noise = float(rng.uniform(*EXTENT)), float(rng.uniform(*NOISE))
        settings = {
            "extent": extent,
            "shake": 0.5,
            "noise_sigma": noise,
            "jpeg_quality": 90,
            "camera": {"linear": True},
        }
        blurred = deblur.degrade(sharp, "trajectory", seed=seed, **settings)
        start = time.process_time()
        estimate = deblur.estimate_kernel(blurred)
        seconds = time.process_time() - start
        row: Row = {"image": position, "extent": extent, "noise": noise, "input": _psnr(blurred, sharp)}
        gain, refusal, tried = 0.0, estimate.refusal, 0.0
        if estimate.kernel is not None:
            restored = blind.restored_by(restorer, blurred, None, estimate)
            refusal = refusal or blind.check(blurred, restored, estimate).refusal
            tried = _psnr(restored, sharp) - row["input"]
            gain = 0.0 if refusal else tried
        true = replace(estimate, kernel=deblur.kernel("trajectory", seed=seed, **settings), is_linear=True)
        known = _psnr(blind.restored_by(restorer, blurred, None, true), sharp) - row["input"]
        row |= {"gain": gain, "not declined": tried, "known kernel": known, "confidence": estimate.confidence}
        rows.append(row | {"seconds": seconds, "declined": refusal})
        print(*(_text(value) for value in rows[-1].values()), flush=True)
    gains = [row["gain"] for row in rows]
    summary: Row = {
        "photographs": len(rows),
        "mean gain": float(np.mean(gains)),
        "worse": sum(gain < -0.1 for gain in gains),
        "declined": sum(bool(row["declined"]) for row in rows),
        "known kernel": float(np.mean([row["known kernel"] for row in rows])),
        "seconds": float(np.median([row["seconds"] for row in rows])),
    }
    write_table("blind_shakes", "Blind restoration of shaken photographs [dB, processor seconds]", rows)
    write_table("blind_shakes_means", "Means of all photographs", [summary])


def _text(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _psnr(image: np.ndarray, sharp: np.ndarray) -> float:
    found = aligned(as_float(image), as_float(sharp), PROTOCOL)
    return float(-10 * np.log10(np.mean(np.square(found.restored - found.sharp, dtype=np.float64))))


if __name__ == "__main__":
    main()
