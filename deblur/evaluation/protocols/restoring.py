"""The one call by which a protocol restores an image, and the baselines that it tunes."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from deblur.baselines import Baseline, make
from deblur.blur.images import image_of, planes_of
from deblur.blur.kernels import Kernel, Psf
from deblur.evaluation.protocols.cases import WHITE, Pixels, degraded, within
from deblur.evaluation.protocols.protocol import Protocol
from deblur.evaluation.restorers import Restorer
from deblur.synthesis.leaves import draw

TUNING_IMAGES: Final = 8  # drawn images, so that no baseline is tuned on the images that it is measured on
TUNING_SIDE: Final = 128  # of what is compared of each [px]
_TUNING_SEED: Final = 0


def restored(restorer: Restorer, blurred: Pixels, kernel: Psf | None, device: torch.device) -> Pixels:
    """Restore an image by a network or a baseline.

    Args:
        restorer: the network or baseline, for the image's channels and on the device.
        blurred: (H, W) or (H, W, 3).
        kernel: that blurred it; None if it is not known.
        device: where networks run.

    Returns:
        An image of the same shape, not clamped.
    """
    batch = torch.from_numpy(np.ascontiguousarray(planes_of(blurred))[None]).to(device)
    with torch.inference_mode():
        found = restorer.restore(batch, [kernel])
    return image_of(found[0].float().numpy(force=True))


def tuned_baseline(name: str, protocol: Protocol, kernels: Sequence[Kernel], noise_sigma: float) -> Baseline:
    """Return a baseline tuned on dead leaves that a program draws, degraded as the protocol does it.

    Given photographs stand for a valid convolution and the noise that the protocol states.

    Args:
        name: one of `deblur.baselines.BASELINES`.
        protocol: whose images it will restore.
        kernels: of the protocol, taken in turn.
        noise_sigma: of all white noise [gray levels of 255].

    Raises:
        UserError: if a package is missing.
    """
    baseline = make(name, "circular" if protocol.boundary == "circular" else "symmetric")
    if baseline.images_to_fit == 0:
        return baseline
    sharp, blurred, psfs = [], [], []
    for index in range(TUNING_IMAGES):
        kernel = kernels[index % len(kernels)]
        rows, columns = (0 if protocol.boundary == "circular" else 2 * (size // 2) for size in kernel.psf.shape)
        drawn = _drawn(index, TUNING_SIDE + rows, TUNING_SIDE + columns)
        rng = np.random.default_rng([_TUNING_SEED, index])
        made = degraded(drawn, kernel, protocol, noise_sigma, rng)
        sharp.append(np.ascontiguousarray(within(drawn, kernel, protocol), dtype=np.uint8))
        blurred.append(np.rint(np.clip(made, 0, 1) * WHITE).astype(np.uint8))
        psfs.append(kernel.psf)
    baseline.fit(sharp, blurred, psfs)
    return baseline


def _drawn(index: int, height: int, width: int) -> NDArray[np.uint8]:
    """Return a drawn image of a size, continued by its mirror image if a large kernel needs more than is drawn."""
    drawn = draw(_TUNING_SEED, index)
    missing = [(0, max(wanted - size, 0)) for wanted, size in zip((height, width), drawn.shape, strict=True)]
    return np.ascontiguousarray(np.pad(drawn, missing, mode="symmetric")[:height, :width])
