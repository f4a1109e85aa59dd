"""Whole pictures of a training -> batches of patches.

Every random number comes from (seed, epoch, index), none from a global generator: the patches are the same for any
number of loader processes and after a resume.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from deblur.data.datasets import EpochAndIndex, Sample
from deblur.data.pictures import MIRRORS, GrayImage, TrainingPictures

Patches = Mapping[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class EpochDraws:
    """What an epoch draws for all images, in one go: for a single image a generator takes longer than its patches.

    Attributes:
        epoch: which one.
        mirrors: (images,) indices of MIRRORS.
        places: (images, patches, 2), where each patch lies in the room that it has, from 0 to below 1.
    """

    epoch: int
    mirrors: NDArray[np.intp]
    places: NDArray[np.float64]

    @classmethod
    def draw(cls, seed: int, epoch: int, images: int, patches: int) -> "EpochDraws":
        """Draw for images 0 to `images` - 1."""
        # A child of the seed, which itself gives the order of the images.
        rng = np.random.default_rng(np.random.SeedSequence([seed, epoch]).spawn(1)[0])
        return cls(epoch, rng.integers(0, len(MIRRORS), images), rng.random((images, patches, 2)))


class TrainingDataset(Dataset[Sample]):
    """Patches of mirrored and blurred pictures, by (epoch, index).

    The whole picture is blurred before patches are cut, so that they are true at their borders; where a patch lies at
    the frame's edge, the blurred picture is continued by its mirror image.
    """

    def __init__(
        self,
        pictures: TrainingPictures,
        count: int,
        *,
        seed: int,
        patch_size: int | None,
        patches_per_image: int,
        context: int,
        flips: bool,
    ) -> None:
        """Describe the samples.

        Args:
            pictures: what patches are cut from.
            count: of all images, those of other splits included.
            seed: of flips and patch positions.
            patch_size: side of a sharp patch [px]; None takes the whole frame as the one patch.
            patches_per_image: patches from an image; read only where they are smaller than the frame.
            context: further pixels of the blurred image on each side of a patch, which the pictures bring.
            flips: mirror images at random in both directions.
        """
        self._pictures = pictures
        self._count = count
        self._seed = seed
        self._patch_size = patch_size
        self._patches_per_image = patches_per_image
        self._context = context
        self._flips = flips
        self._draws: EpochDraws | None = None

    def __getitem__(self, position: EpochAndIndex) -> Sample:
        """Return the patches of one image: `sharp` (P, S, S), `blurred` (P, S + 2 context, S + 2 context), uint8."""
        return {name: patches[:, 0] for name, patches in self.__getitems__([position]).items()}

    def __getitems__(self, positions: Sequence[EpochAndIndex]) -> Patches:
        """Return the patches of several images, stacked to (N, 1, ...): what a loader asks for, in one go."""
        pictures = [self._picture(*position) for position in positions]
        if self._patch_size is None:
            blurred, sharp = (np.stack(images)[:, None] for images in zip(*pictures, strict=True))
            return {"blurred": blurred, "sharp": sharp}
        side, wide = self._patch_size, self._patch_size + 2 * self._context
        count = len(pictures) * self._patches_per_image
        sharp, blurred = (np.empty((count, 1, size, size), np.uint8) for size in (side, wide))
        patch = 0
        for (_, index), (whole_blurred, whole_sharp) in zip(positions, pictures, strict=True):
            room = np.array(whole_sharp.shape) - side + 1
            places = self._drawn(positions[0][0]).places[index] * room
            for top, left in places.astype(np.intp).tolist():
                sharp[patch, 0] = whole_sharp[top : top + side, left : left + side]
                blurred[patch, 0] = whole_blurred[top : top + wide, left : left + wide]
                patch += 1
        return {"blurred": blurred, "sharp": sharp}

    def _picture(self, epoch: int, index: int) -> tuple[GrayImage, GrayImage]:
        mirror = MIRRORS[self._drawn(epoch).mirrors[index] if self._flips else 0]
        return self._pictures(epoch, index, mirror)

    def _drawn(self, epoch: int) -> EpochDraws:
        if self._draws is None or self._draws.epoch != epoch:
            self._draws = EpochDraws.draw(self._seed, epoch, self._count, self._patches_per_image)
        return self._draws


def collate_patches(patches: Any) -> dict[str, torch.Tensor]:
    """Turn the `Patches` of `TrainingDataset.__getitems__`, for which a loader's type is a list, into uint8 tensors."""
    return {name: torch.from_numpy(values) for name, values in patches.items()}
