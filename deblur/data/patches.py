"""Whole images of a training -> batches of patches.

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
from deblur.data.images import MIRRORS, TrainingImage, TrainingImages

Patches = Mapping[str, NDArray[Any]]


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
    """Patches of mirrored and blurred images, by (epoch, index).

    The whole image is blurred before patches are cut, so that they are true at their boundaries; where a patch lies at
    the frame's edge, the blurred image is continued by its mirror image.
    """

    def __init__(
        self,
        images: TrainingImages,
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
            images: what patches are cut from.
            count: of all images, those of other splits included.
            seed: of flips and patch positions.
            patch_size: side of a sharp patch [px]; None takes the whole frame as the one patch.
            patches_per_image: patches from an image; read only where they are smaller than the frame.
            context: further pixels of the blurred image on each side of a patch, which the images bring.
            flips: mirror images at random in both directions.
        """
        self._images = images
        self._count = count
        self._seed = seed
        self._patch_size = patch_size
        self._patches_per_image = patches_per_image
        self._context = context
        self._flips = flips
        self._draws: EpochDraws | None = None

    def __getitem__(self, position: EpochAndIndex) -> Sample:
        """Return the patches of one image, as `__getitems__` does."""
        return dict(self.__getitems__([position]))

    def __getitems__(self, positions: Sequence[EpochAndIndex]) -> Patches:
        """Return the patches of several images, in one go, which is what a loader asks for.

        Returns:
            `sharp` (N, 1, S, S) and `blurred` (N, 1, S + 2 context, S + 2 context) in uint8, and where the images
            bring a `wiener_estimate`, it (N, planes, S + 2 context, S + 2 context) in float16.
        """
        images = [self._image(*position) for position in positions]
        if self._patch_size is None:
            whole = [_planes(image) for image in images]
            return {name: np.stack([planes[name] for planes in whole]) for name in whole[0]}
        side, wide = self._patch_size, self._patch_size + 2 * self._context
        count = len(images) * self._patches_per_image
        sides = {"sharp": side, "blurred": wide, "wiener_estimate": wide}
        patches = {
            name: np.empty((count, len(planes), sides[name], sides[name]), planes.dtype)
            for name, planes in _planes(images[0]).items()
        }
        patch = 0
        for (_, index), image in zip(positions, images, strict=True):
            room = np.array(image.sharp.shape) - side + 1
            places = self._drawn(positions[0][0]).places[index] * room
            planes = _planes(image)
            for top, left in places.astype(np.intp).tolist():
                for name, whole_planes in planes.items():
                    size = sides[name]
                    patches[name][patch] = whole_planes[:, top : top + size, left : left + size]
                patch += 1
        return patches

    def _image(self, epoch: int, index: int) -> TrainingImage:
        mirror = MIRRORS[self._drawn(epoch).mirrors[index] if self._flips else 0]
        return self._images(epoch, index, mirror)

    def _drawn(self, epoch: int) -> EpochDraws:
        if self._draws is None or self._draws.epoch != epoch:
            self._draws = EpochDraws.draw(self._seed, epoch, self._count, self._patches_per_image)
        return self._draws


def _planes(image: TrainingImage) -> dict[str, NDArray[Any]]:
    planes: dict[str, NDArray[Any]] = {"blurred": image.blurred[None], "sharp": image.sharp[None]}
    return planes if image.wiener_estimate is None else {**planes, "wiener_estimate": image.wiener_estimate}


def collate_patches(patches: Any) -> dict[str, torch.Tensor]:
    """Turn the `Patches` of `TrainingDataset.__getitems__`, for which a loader's type is a list, into tensors."""
    return {name: torch.from_numpy(values) for name, values in patches.items()}
