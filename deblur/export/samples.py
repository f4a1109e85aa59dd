"""Drawn images with the blur of a network's training, on which a file of lower precision is calibrated and measured."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deblur.blur import Degradation
from deblur.choices import DataColor
from deblur.config import build
from deblur.errors import UserError
from deblur.inference.levels import as_unit
from deblur.inference.simulation import degraded, reference
from deblur.inference.tiles import Planes
from deblur.inference.trained import Trained
from deblur.models.protocol import traits_of
from deblur.synthesis import faces, leaves

SEED: Final = 1  # of the drawn images; trainings draw those of seed 0 unless data.seed says another one
COUNT: Final = 16  # images to calibrate on, and as many others to measure the loss on


class Sample(NamedTuple):
    """A drawn image; both arrays are (1, C, H, W) in [0, 1].

    Attributes:
        blurred: with the blur of the training, of 8 bits.
        sharp: what a restored image is compared with.
    """

    blurred: Planes
    sharp: Planes


def drawn_samples(trained: Trained, trusted: Sequence[str] = (), count: int = 2 * COUNT) -> list[Sample]:
    """Draw images for a network and blur them as its training did.

    Every other image is a face, the others are dead leaves.

    Args:
        trained: the network, whose settings name the blur.
        trusted: modules of the user's whose classes may be built.
        count: of the images.

    Raises:
        UserError: if the blur cannot be built, as that of a kernel whose file is not known.
    """
    try:
        degradation = build(trained.config["blur"], Degradation, trusted=trusted)
    except UserError as error:
        raise UserError(
            "--precision int8 is calibrated on images with the blur of the training, which cannot be made: "
            f"{error} Take --precision float16."
        ) from error
    color: DataColor = "rgb" if traits_of(trained.network).channels == 3 else "gray"
    samples = []
    for index in range(count):
        pixels = (faces if index % 2 else leaves).draw(SEED, index, color)
        name = f"drawn {index}"
        samples.append(
            Sample(_planes(degraded(pixels, degradation, name)), _planes(reference(pixels, degradation, name)))
        )
    return samples


def _planes(pixels: NDArray[np.uint8]) -> Planes:
    """Return an image (H, W) or (H, W, C) as (1, C, H, W) in [0, 1]."""
    planes: Planes = np.moveaxis(np.atleast_3d(as_unit(pixels)), 2, 0)[None]
    return np.ascontiguousarray(planes)
