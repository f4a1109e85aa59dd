"""How much blind restoration gains where the blur varies: `python -m studies.blind_varying data.root=PHOTOS`.

The photographs of a folder, as gray images, are put together by four, so that there is room for a grid of windows. Each
mosaic is blurred by a camera that rolls, with noise, and restored by the field of kernels that is estimated from it, by
the one kernel of the whole mosaic, and by the true kernels at the nodes of the same grid. PSNR has the best shift of
the restored image, since kernels are known up to a shift alone. An image that is left as it is has a gain of 0.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

import deblur
from benchmarks.images import open_folder
from benchmarks.results import Row, write_table
from deblur.blur import KernelField
from deblur.blur.images import as_float
from deblur.blur.node_kernels import NodeKernels
from deblur.estimation import KernelEstimate, estimate_kernel
from deblur.evaluation.protocols.alignment import aligned
from deblur.evaluation.protocols.protocol import PROTOCOLS, ShiftAlignment
from deblur.inference import blind
from deblur.inference.restorer import Restorer

PER_MOSAIC: Final = 4
EXTENT: Final = (13.0, 25.0)  # px, of the widest kernel
VARIATION: Final = (0.7, 1.0)
NOISE: Final = (0.5, 2.0)  # gray levels of 255
PROTOCOL: Final = replace(PROTOCOLS["levin2009"], rounds_result=True, alignment=ShiftAlignment(3, 2))


def main(overrides: Sequence[str]) -> None:
    """Measure the gain of each mosaic by the three kinds of kernels."""
    data = open_folder(["blur=none", "data.eval_crop=null", *overrides])
    samples = data.evaluation_dataset(range(len(data.images)))
    photographs = [np.asarray(samples[position]["sharp"])[0] for position in range(len(samples))]
    restorer = deblur.load("unrolled", accelerator="cpu")
    rows: list[Row] = []
    for number, start in enumerate(range(0, len(photographs) - PER_MOSAIC + 1, PER_MOSAIC)):
        sharp = _mosaic(photographs[start : start + PER_MOSAIC])
        rng = np.random.default_rng(number)
        settings = {
            "kind": "rotation",
            "extent": float(rng.uniform(*EXTENT)),
            "variation": float(rng.uniform(*VARIATION)),
            "shake": 0.5,
            "noise_sigma": float(rng.uniform(*NOISE)),
        }
        blurred = deblur.degrade(sharp, "varying", seed=number, **settings)
        begin = time.process_time()
        found = deblur.estimate_kernel(blurred)
        seconds = time.process_time() - begin
        of_field, of_one = (_tried(restorer, blurred, sharp, one) for one in (found, estimate_kernel(blurred)))
        row: Row = {"mosaic": number, "input": _psnr(blurred, sharp), "has field": found.field is not None}
        row |= {"gain": 0.0 if of_field["declined"] else of_field["gain"], "declined": of_field["declined"]}
        row |= {"one kernel": of_one["gain"], "one kernel declined": of_one["declined"], "true kernels": None}
        if found.field is not None:
            field = deblur.degradation("varying", **settings).sample(np.random.default_rng(number)).kernel
            known = replace(found, field=_at_nodes(field, found.field, sharp.shape))
            row["true kernels"] = _tried(restorer, blurred, sharp, known)["gain"]
        rows.append(row | {"seconds": seconds})
        print(*(f"{value:.2f}" if isinstance(value, float) else value for value in rows[-1].values()), flush=True)
    write_table("blind_varying", "Blind restoration of blur that varies [dB, processor seconds]", rows)


def _tried(restorer: Restorer, blurred: np.ndarray, sharp: np.ndarray, estimate: KernelEstimate) -> Row:
    """Return the gain by estimated kernels, whether or not they can be relied on, and why they cannot."""
    if estimate.kernel is None and estimate.field is None:
        return {"gain": 0.0, "declined": estimate.refusal}
    restored = blind.restored_by(restorer, blurred, None, estimate)
    refusal = estimate.refusal or blind.check(blurred, restored, estimate).refusal
    return {"gain": _psnr(restored, sharp) - _psnr(blurred, sharp), "declined": refusal}


def _mosaic(photographs: Sequence[np.ndarray]) -> np.ndarray:
    """Return four photographs, which are turned to one orientation and cut to one size, side by side."""
    wide = [one if one.shape[0] <= one.shape[1] else one.T for one in photographs]
    height, width = (min(sides) for sides in zip(*(one.shape for one in wide), strict=True))
    first, second, third, fourth = (one[:height, :width] for one in wide)
    return np.block([[first, second], [third, fourth]])


def _at_nodes(field: object, estimated: NodeKernels, shape: tuple[int, int]) -> NodeKernels:
    if not isinstance(field, KernelField):
        raise TypeError("a blur that varies has a field of kernels")
    rows, columns = estimated.rows, estimated.columns
    return NodeKernels(rows, columns, field.kernels(shape, rows, columns))


def _psnr(image: np.ndarray, sharp: np.ndarray) -> float:
    found = aligned(as_float(image), as_float(sharp), PROTOCOL)
    return float(-10 * np.log10(np.mean(np.square(found.restored - found.sharp, dtype=np.float64))))


if __name__ == "__main__":
    main(sys.argv[1:])
